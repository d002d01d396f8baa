//! Code that all Rust scripts share: the scene, one line for each operation, and the checks that are the same for
//! each client. node/check.mjs explains the scene.

use hmac::{Hmac, Mac};
use serde_json::{json, Value};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

/// The result of a check, with the reason if it failed.
pub type Outcome = Result<(), String>;

/// One address of a server.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    pub uri: String,
    pub protocol: String,
    pub address: String,
    pub port: i64,
    pub local: bool,
}

/// The scene, which names the server under test and the accounts there.
pub struct Scene(Value);

impl Scene {
    pub fn read() -> Self {
        let path = std::env::args().nth(1).expect("the scene is an argument");
        let written = std::fs::read_to_string(path).expect("the scene can be read");
        Self(serde_json::from_str(&written).expect("the scene is JSON"))
    }

    /// A text of the scene: `text("/plain/email")`.
    pub fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).expect(pointer)
    }

    /// The connections of a source.
    pub fn connections(&self, source: &str) -> BTreeSet<Connection> {
        connections(&self.0[source]["connections"])
    }

    /// The identifier of a client that lets its user choose one.
    pub fn client_identifier(&self) -> String {
        format!("usher-clients-{}", self.text("/slug"))
    }

    /// The code of the second factor, according to RFC 6238: six digits every 30 seconds.
    pub fn code(&self) -> String {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let (mut key, mut bits, mut held) = (Vec::new(), 0u32, 0);
        for c in self.text("/second/secret").bytes().filter(|c| *c != b'=') {
            bits = bits << 5 | letters.iter().position(|l| *l == c).expect("base32") as u32;
            held += 5;
            if held >= 8 {
                held -= 8;
                key.push((bits >> held) as u8);
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&key).expect("a key of any length");
        mac.update(&(now.as_secs() / 30).to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let start = usize::from(digest[19] & 0xf);
        let number = u32::from_be_bytes(digest[start..start + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

/// Connections as JSON.
pub fn connections(list: &Value) -> BTreeSet<Connection> {
    let text = |c: &Value, key: &str| c[key].as_str().unwrap_or("absent").to_owned();
    let all = list.as_array().into_iter().flatten();
    all.map(|c| Connection {
        uri: text(c, "uri"),
        protocol: text(c, "protocol"),
        address: text(c, "address"),
        port: c["port"].as_i64().unwrap_or(-1),
        local: c["local"].as_bool().expect("local is true or false"),
    })
    .collect()
}

/// Prints the result of each operation of a client.
pub struct Reporter {
    pub client: &'static str,
    pub version: String,
}

impl Reporter {
    /// `lock` is the text of Cargo.lock, which has the version that really runs.
    pub fn new(client: &'static str, lock: &str) -> Self {
        let package = format!("name = \"{client}\"\nversion = \"");
        let rest = lock.split_once(&package).expect("Cargo.lock has the client").1;
        let version = rest.split('"').next().unwrap_or_default().to_owned();
        Self { client, version }
    }

    pub fn operation(&self, name: &str, outcome: Outcome) {
        let (client, version) = (self.client, &self.version);
        let (ok, detail) = (outcome.is_ok(), outcome.err().unwrap_or_default());
        println!(
            "{}",
            json!({ "client": client, "version": version, "operation": name, "ok": ok, "detail": detail })
        );
    }
}

pub fn equal<T: PartialEq<U> + Debug, U: Debug>(what: &str, got: T, want: U) -> Outcome {
    check(got == want, || format!("{what} is {got:?}, want {want:?}"))
}

pub fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// A token has the format of one from a sign-in: 20 letters and digits.
pub fn check_access_token(token: &str) -> Outcome {
    let fits = token.len() == 20 && token.bytes().all(|b| b.is_ascii_alphanumeric());
    check(fits, || format!("the token is {token:?}"))
}
