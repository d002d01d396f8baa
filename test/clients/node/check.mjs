// Code that all Node scripts share: reading the scene, reporting one operation per line, and the checks that are
// the same for each client.
//
// Run a script with `node run.mjs scene.json`. The scene names the server, and the accounts that the test has
// created there:
//
//   slug                               the name of the client's folder
//   url, machineId                     the server under test
//   admin, plain, second               accounts: username, email, password; second also has the secret of its factor
//   server, provider                   sources: id, name and their connections
//
// Each operation becomes one line of JSON on standard output, which the Go test reads. All other output goes to
// standard error.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';

export { assert };

export const scene = JSON.parse(readFileSync(process.argv[2], 'utf8'));
Object.defineProperty(scene.second, 'code', { get: () => totp(scene.second.secret) });

// totp computes the code of a second factor according to RFC 6238: six digits every 30 seconds.
function totp(secret) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret.replace(/=+$/, '')].map((c) => letters.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = createHmac('sha1', key).update(counter).digest();
  const number = digest.readUInt32BE(digest.at(-1) & 0xf) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

// clientIdentifier is the identifier of a client that lets its user choose one.
export const clientIdentifier = `usher-clients-${scene.slug}`;

// reporter returns a function that runs one operation, and prints the result. The version is read from the
// installed package, so that the table has the version that ran.
export function reporter(client, scriptUrl) {
  const manifest = new URL(`./node_modules/${client}/package.json`, scriptUrl);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));

  return async function operation(name, check) {
    const line = { client, version, operation: name, ok: true, detail: '' };
    try {
      line.detail = (await check()) ?? '';
    } catch (error) {
      line.ok = false;
      line.detail = `${error?.name ?? 'Error'}: ${error?.message ?? error}`;
    }
    console.log(JSON.stringify(line));
    return line.ok;
  };
}

// refused waits for a call that must fail, and returns its error, which must have the given class.
export async function refused(call, ErrorClass) {
  let answer;
  try {
    answer = await call;
  } catch (error) {
    assert.ok(
      error instanceof ErrorClass,
      `got a ${error?.constructor?.name} (${error?.message}), want a ${ErrorClass.name}`,
    );
    return error;
  }
  assert.fail(`it was accepted: ${JSON.stringify(answer)?.slice(0, 200)}`);
}

// checkAccount checks an account object against the person that it must describe.
export function checkAccount(account, person) {
  assert.equal(account.username, person.username);
  assert.equal(account.email, person.email);
  assert.equal(account.title, person.username);
  assert.ok(Number.isInteger(account.id) && account.id > 0, `id is ${account.id}`);
  assert.ok(account.uuid?.length > 0, 'uuid is empty');
}

// checkAccessToken checks that a token has the format of one from a sign-in: 20 letters and digits.
export function checkAccessToken(token) {
  assert.match(token ?? '', /^[0-9A-Za-z]{20}$/);
}

// checkTransientToken checks that a token has the format of one from /security/token.
export function checkTransientToken(token) {
  assert.match(token ?? '', /^transient-./);
}

// checkSource checks the answer about a source: its name, and all its connections.
export function checkSource(device, source) {
  assert.equal(device.clientIdentifier, source.id);
  assert.equal(device.name, source.name);
  assert.ok(device.accessToken?.length > 0, 'accessToken is empty');
  checkConnections(device.Connection ?? device.connection, source.connections);
}

// checkConnections checks that a list has the wanted connections and no others, in any order.
export function checkConnections(got, want) {
  const seen = got.map(({ protocol, address, port, uri, local }) => ({ protocol, address, port, uri, local }));
  const byUri = (a, b) => (a.uri < b.uri ? -1 : 1);
  assert.deepEqual(seen.sort(byUri), [...want].sort(byUri));
}

// checkAdminResources checks the admin's list: the server itself, reachable at its address, and the server that was
// added. It returns the entry of the server itself, to connect to.
export function checkAdminResources(resources) {
  const self = resources.find((r) => r.clientIdentifier === scene.machineId);
  assert.ok(self, `the server itself is not among ${resources.map((r) => r.name)}`);
  assert.ok(self.provides.split(',').includes('server'), `it provides ${self.provides}`);
  assert.equal(self.owned, true);
  assert.ok(self.accessToken?.length > 0, 'accessToken is empty');
  assert.ok(self.connections.some((c) => c.uri === scene.url), `no connection is ${scene.url}`);

  const added = resources.find((r) => r.clientIdentifier === scene.server.id);
  assert.ok(added, `the added server is not among ${resources.map((r) => r.name)}`);
  assert.equal(added.name, scene.server.name);
  checkConnections(added.connections, scene.server.connections);
  return self;
}

// checkSharedResources checks the plain user's list: the shared server, not as its owner, with its own token.
export function checkSharedResources(resources, ...tokens) {
  const shared = resources.find((r) => r.clientIdentifier === scene.server.id);
  assert.ok(shared, `the shared server is not among ${resources.map((r) => r.name)}`);
  assert.equal(shared.owned, false);
  checkAccessToken(shared.accessToken);
  assert.ok(!tokens.includes(shared.accessToken), 'the token of the shared server is an account token');
}

// signInByHand gets a token without the client, for clients that cannot sign in.
export async function signInByHand(person) {
  const response = await fetch(`${scene.url}/api/v2/users/signin`, {
    method: 'POST',
    headers: { Accept: 'application/json', 'X-Plex-Client-Identifier': clientIdentifier },
    body: new URLSearchParams({ login: person.username, password: person.password }),
  });
  assert.equal(response.status, 201);
  return (await response.json()).authToken;
}

// linkByHand does the same as the page for codes: it links a PIN, so that the waiting device gets a token for the
// account of the given token.
export async function linkByHand(code, token) {
  const response = await fetch(`${scene.url}/api/v2/pins/link`, {
    method: 'PUT',
    headers: { 'X-Plex-Token': token },
    body: new URLSearchParams({ code }),
  });
  assert.equal(response.status, 204);
}
