//! plex-api 0.0.12, the Rust crate.
//!
//! Its parts for plex.tv (MyPlex, DeviceManager, PinManager) are called like in its documentation. It has no
//! method for the two paths under /security: its HTTP client requests them.

mod check;

use check::{check, check_access_token, connections, equal, Outcome, Reporter, Scene};
use futures::executor::block_on;
use plex_api::{Error, HttpClient, HttpClientBuilder, MyPlex, MyPlexBuilder, PinManager};
use serde_json::Value;
use std::fmt::Debug;

fn main() {
    let scene = Scene::read();
    let reporter = Reporter::new("plex-api", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")));
    let run = Operations { scene: &scene };
    let all: [(&str, Outcome); 17] = block_on(async {
        [
            ("sign in", run.sign_in().await),
            ("wrong password", run.wrong_password().await),
            ("second factor needed", run.factor_needed().await),
            ("second factor given", run.factor_given().await),
            ("token details", run.token_details().await),
            ("bad token", run.bad_token().await),
            ("transient token", run.transient_token().await),
            ("use of a transient token", run.transient_use().await),
            ("source as admin", run.source_admin().await),
            ("source with the admin's transient token", run.source_transient().await),
            ("source as a plain user", run.source_plain().await),
            ("malformed source", run.source_malformed().await),
            ("unknown source", run.source_unknown().await),
            ("resources", run.resources().await),
            ("PIN of four characters", run.pin().await),
            ("unknown PIN", run.pin_unknown().await),
            ("home users", run.home_users().await),
        ]
    });
    for (name, outcome) in all {
        reporter.operation(name, outcome);
    }
}

/// The operations. Each checks the values in the crate's own types.
struct Operations<'a> {
    scene: &'a Scene,
}

impl Operations<'_> {
    /// The crate's HTTP client for the server under test.
    fn client(&self, token: &str) -> HttpClient {
        let builder = HttpClientBuilder::new(self.scene.text("/url").to_owned())
            .set_x_plex_client_identifier(self.scene.client_identifier());
        builder.set_x_plex_token(token.to_owned()).build().expect("a client")
    }

    fn login<'a>(&self, login: &'a str, password: &str) -> MyPlexBuilder<'a> {
        MyPlexBuilder::default().set_client(self.client("")).set_username_and_password(login, password.to_owned())
    }

    async fn signed_in(&self, person: &str) -> Result<MyPlex, String> {
        let login = self.scene.text(&format!("/{person}/username"));
        reason(self.login(login, self.scene.text(&format!("/{person}/password"))).build().await)
    }

    async fn token(&self, person: &str) -> Result<String, String> {
        Ok(self.signed_in(person).await?.client().x_plex_token().to_owned())
    }

    fn check_account(&self, plex: &MyPlex, person: &str) -> Outcome {
        let account = plex.account().ok_or("there is no account")?;
        equal("username", account.username.as_str(), self.scene.text(&format!("/{person}/username")))?;
        equal("email", account.email.as_str(), self.scene.text(&format!("/{person}/email")))?;
        equal("title", account.title.as_str(), self.scene.text(&format!("/{person}/username")))?;
        check(account.id > 0, || "id is 0".to_owned())?;
        check(!account.uuid.is_empty(), || "uuid is empty".to_owned())?;
        check_access_token(plex.client().x_plex_token())
    }

    async fn sign_in(&self) -> Outcome {
        self.check_account(&self.signed_in("admin").await?, "admin")?;
        let scene = self.scene;
        let by_email = self.login(scene.text("/plain/email"), scene.text("/plain/password")).build().await;
        self.check_account(&reason(by_email)?, "plain")
    }

    async fn wrong_password(&self) -> Outcome {
        rejected(self.login(self.scene.text("/plain/username"), "wrong").build().await, 1001)
    }

    async fn factor_needed(&self) -> Outcome {
        let scene = self.scene;
        match self.login(scene.text("/second/username"), scene.text("/second/password")).build().await {
            Err(Error::OtpRequired) => Ok(()),
            other => Err(format!("got {other:?}, want OtpRequired")),
        }
    }

    async fn factor_given(&self) -> Outcome {
        let scene = self.scene;
        let builder = self.login(scene.text("/second/username"), scene.text("/second/password"));
        self.check_account(&reason(builder.set_otp(scene.code()).build().await)?, "second")
    }

    async fn token_details(&self) -> Outcome {
        let signed_in = self.signed_in("plain").await?;
        let token = signed_in.client().x_plex_token();
        let builder = MyPlexBuilder::default().set_client(self.client("")).set_token(token.to_owned());
        let read = reason(builder.build().await)?; // requests the account of the token
        self.check_account(&read, "plain")?;
        equal("token", read.client().x_plex_token(), token)?;
        equal("id", read.account().map(|a| a.id), signed_in.account().map(|a| a.id))
    }

    async fn bad_token(&self) -> Outcome {
        let builder = MyPlexBuilder::default().set_client(self.client("")).set_token("no-such-token".to_owned());
        rejected(builder.build().await, 1001)?;
        rejected(self.media_token("no-such-token").await, 1001)?;

        // A sign-out revokes the token.
        let signed_in = self.signed_in("plain").await?;
        let token = signed_in.client().x_plex_token().to_owned();
        reason(signed_in.signout().await)?;
        let builder = MyPlexBuilder::default().set_client(self.client("")).set_token(token);
        rejected(builder.build().await, 1001)
    }

    async fn media_token(&self, token: &str) -> Result<Value, Error> {
        self.client(token).get("/security/token?type=delegation&scope=all").json().await
    }

    async fn transient(&self, person: &str) -> Result<String, String> {
        let answer = reason(self.media_token(&self.token(person).await?).await)?;
        let token = answer["MediaContainer"]["token"].as_str().unwrap_or_default().to_owned();
        check(token.len() > 10 && token.starts_with("transient-"), || format!("the token is {token:?}"))?;
        Ok(token)
    }

    async fn transient_token(&self) -> Outcome {
        self.transient("plain").await.map(|_| ())
    }

    async fn transient_use(&self) -> Outcome {
        let token = self.transient("plain").await?;
        let builder = MyPlexBuilder::default().set_client(self.client("")).set_token(token.clone());
        let plex = reason(builder.build().await)?;
        let account = plex.account().ok_or("there is no account")?;
        equal("username", account.username.as_str(), self.scene.text("/plain/username"))?;
        equal("token", plex.client().x_plex_token(), token.as_str())?;
        self.check_identity(&self.client(&token), "/").await
    }

    /// The media server at the client's address is the one under test.
    async fn check_identity(&self, client: &HttpClient, path: &str) -> Outcome {
        let answer: Value = reason(client.get(path).json().await)?;
        equal("machineIdentifier", &answer["MediaContainer"]["machineIdentifier"], self.scene.text("/machineId"))
    }

    async fn source(&self, token: &str, uri: &str) -> Result<Value, Error> {
        let path = format!("/security/resources?source={uri}");
        let answer: Value = self.client(token).get(path).json().await?;
        Ok(answer["MediaContainer"]["Device"].clone())
    }

    async fn check_sources(&self, token: &str) -> Outcome {
        for (kind, source) in [("server", "server"), ("provider", "provider")] {
            let id = self.scene.text(&format!("/{source}/id"));
            let device = reason(self.source(token, &format!("{kind}://{id}")).await)?;
            equal("clientIdentifier", &device["clientIdentifier"], id)?;
            equal("name", &device["name"], self.scene.text(&format!("/{source}/name")))?;
            check(device["accessToken"].as_str().is_some_and(|t| !t.is_empty()), || "no accessToken".to_owned())?;
            equal("Connection", connections(&device["Connection"]), self.scene.connections(source))?;
        }
        Ok(())
    }

    async fn source_admin(&self) -> Outcome {
        self.check_sources(&self.token("admin").await?).await
    }

    async fn source_transient(&self) -> Outcome {
        self.check_sources(&self.transient("admin").await?).await
    }

    async fn source_plain(&self) -> Outcome {
        let uri = format!("server://{}", self.scene.text("/server/id"));
        rejected(self.source(&self.token("plain").await?, &uri).await, 403)
    }

    async fn source_malformed(&self) -> Outcome {
        rejected(self.source(&self.token("admin").await?, "den").await, 400)
    }

    async fn source_unknown(&self) -> Outcome {
        rejected(self.source(&self.token("admin").await?, "server://nobody-has-this").await, 404)
    }

    async fn resources(&self) -> Outcome {
        let admin = self.signed_in("admin").await?;
        let manager = reason(admin.device_manager())?;
        let list = reason(manager.resources().await)?;
        for (id, name) in [("/machineId", None), ("/server/id", Some("/server/name"))] {
            let id = self.scene.text(id);
            let device = list.iter().find(|d| d.identifier() == id).ok_or(format!("{id} is not listed"))?;
            check(device.is_server(), || format!("{id} is not a server"))?;
            check(device.access_token().is_some_and(|t| !t.is_empty()), || format!("{id} has no token"))?;
            if let Some(name) = name {
                equal("name", device.name(), self.scene.text(name))?;
            }
        }
        let id = self.scene.text("/server/id");
        let devices = reason(manager.devices().await)?;
        check(devices.iter().any(|d| d.identifier() == id && d.is_server()), || format!("{id} is no device"))?;

        let plain = self.signed_in("plain").await?;
        let manager = reason(plain.device_manager())?;
        let list = reason(manager.resources().await)?;
        let shared = list.iter().find(|d| d.identifier() == id).ok_or("the shared server is not listed")?;
        let token = shared.access_token().unwrap_or_default();
        check_access_token(token)?;
        check(token != plain.client().x_plex_token(), || "the server's token is the account's".to_owned())?;

        // The list of devices contains the program itself.
        let own = self.scene.client_identifier();
        let devices = reason(manager.devices().await)?;
        check(devices.iter().any(|d| d.identifier() == own && !d.is_server()), || format!("{own} is no device"))
    }

    async fn pin(&self) -> Outcome {
        let manager = PinManager::new(self.client(""));
        let pin = reason(manager.pin().await)?;
        let code = pin.code().to_owned();
        check(code.len() == 4 && !pin.is_expired(), || format!("the code is {code:?}, or is expired"))?;
        equal("clientIdentifier", pin.pin.client_identifier.clone(), self.scene.client_identifier())?;
        match pin.check().await {
            Err(Error::PinNotLinked) => {}
            other => return Err(format!("got {other:?}, want PinNotLinked")),
        }

        let plain = self.signed_in("plain").await?;
        reason(reason(plain.pin_manager())?.link(&code).await)?;
        let token = reason(pin.check().await)?.auth_token.unwrap_or_default();
        check_access_token(&token)?;
        check(token != plain.client().x_plex_token(), || "the token is the one that linked it".to_owned())?;
        let builder = MyPlexBuilder::default().set_client(self.client("")).set_token(token);
        self.check_account(&reason(builder.build().await)?, "plain")
    }

    async fn pin_unknown(&self) -> Outcome {
        let answer: Result<Value, Error> = self.client("").get("/api/v2/pins/4000000000").json().await;
        rejected(answer, 1020)
    }

    async fn home_users(&self) -> Outcome {
        let plain = self.signed_in("plain").await?;
        let name = self.scene.text("/plain/username");
        // It has no method to add a user, or to set a PIN.
        let owner = self.client(plain.client().x_plex_token());
        let _: Value = reason(owner.post("/api/v2/home/users?title=Robin").json().await)?;
        let manager = reason(plain.home())?;
        let users = reason(manager.users().await)?;
        equal("users", users.iter().map(|u| u.title.as_str()).collect::<Vec<_>>(), vec![name, "Robin"])?;
        let robin = &users[1];
        check(users[0].admin && !users[0].restricted, || format!("the owner is {:?}", users[0]))?;
        check(robin.restricted && !robin.protected && !robin.admin, || format!("Robin is {robin:?}"))?;

        let switched = reason(manager.switch_user(plain, robin, None).await)?;
        let account = switched.account().ok_or("there is no account")?;
        equal("title", account.title.as_str(), "Robin")?;
        equal("restricted", account.restricted, true)?;
        check_access_token(switched.client().x_plex_token())?;

        let path = format!("/api/v2/home/users/restricted/{}?pin=4321", robin.id);
        let _: Value = reason(owner.post(path).json().await)?;
        let again = self.signed_in("plain").await?;
        rejected(manager.switch_user(again, robin, Some("0000")).await, 1041)?;
        let again = self.signed_in("plain").await?;
        let switched = reason(manager.switch_user(again, robin, Some("4321")).await)?;
        equal("uuid", switched.account().map(|a| a.uuid.clone()), Some(robin.uuid.clone()))
    }
}

/// The answer, or the text of the crate's error.
fn reason<T>(answer: Result<T, Error>) -> Result<T, String> {
    answer.map_err(|error| format!("{error:?}"))
}

/// A call must fail with a service error with this code. A media server's code is its status, unless the
/// account plane has one of its own.
fn rejected<T: Debug>(answer: Result<T, Error>, want: i32) -> Outcome {
    match answer {
        Err(Error::MyPlexErrorResponse { errors }) => match errors.as_slice() {
            [Error::MyPlexApiError { code, .. }] => equal("code", *code, want),
            other => Err(format!("the errors are {other:?}")),
        },
        other => Err(format!("got {other:?}, want code {want}")),
    }
}
