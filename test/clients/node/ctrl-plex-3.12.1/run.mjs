// @ctrl/plex 3.12.1: signs in at https://plex.tv with Basic authentication, which redirect.cjs sends to the server under test.

import { MyPlexAccount, PlexServer } from '@ctrl/plex';
import { FetchError } from 'ofetch';

import {
  assert,
  checkAccessToken,
  checkAccount,
  checkAdminResources,
  checkSharedResources,
  checkSource,
  checkTransientToken,
  linkByHand,
  refused,
  reporter,
  scene,
} from '../check.mjs';

const operation = reporter('@ctrl/plex', import.meta.url);
const signIn = ({ username, password }) => new MyPlexAccount(null, username, password).connect();
const withToken = (token) => new MyPlexAccount(null, undefined, undefined, token);
// PlexServer has no method for the two operations of /security, but its query method sends a request to any path.
const query = (token, path) => new PlexServer(scene.url, token).query(path);
const source = (token, of) => query(token, `/security/resources?source=${encodeURIComponent(of)}`);
const codeOf = (error) => JSON.parse(error.data).errors[0].code;

let admin, plain, transient;

await operation('sign in', async () => {
  admin = await signIn(scene.admin);
  checkAccount(admin, scene.admin);
  checkAccessToken(admin.token);
  // It converts these to numbers, which are NaN if they are missing.
  assert.deepEqual([admin.certificateVersion, admin.homeSize, admin.maxHomeSize], [0, 1, 15]);

  plain = await signIn({ ...scene.plain, username: scene.plain.email });
  checkAccount(plain, scene.plain);
  assert.notEqual(plain.token, admin.token);
});

await operation('wrong password', async () => {
  const error = await refused(signIn({ ...scene.plain, password: 'not this one' }), FetchError);
  assert.equal(error.statusCode, 401);
  assert.equal(codeOf(error), 1001);
});

await operation('second factor needed', async () => {
  const error = await refused(signIn(scene.second), FetchError);
  assert.equal(error.statusCode, 401);
  assert.equal(codeOf(error), 1029);
});

await operation('second factor given', async () => {
  // It has no field for the code, which can be appended to the password instead.
  const account = await signIn({ ...scene.second, password: scene.second.password + scene.second.code });
  checkAccount(account, scene.second);
  checkAccessToken(account.token);
});

await operation('token details', async () => {
  const account = await withToken(admin.token).connect();
  checkAccount(account, scene.admin);
  assert.equal(account.id, admin.id);
  assert.equal(account.token, admin.token);
});

await operation('bad token', async () => {
  const error = await refused(withToken('nosuchtoken').connect(), FetchError);
  assert.equal(error.statusCode, 401);
  assert.equal(codeOf(error), 1001);
  const refusal = await refused(new PlexServer(scene.url, 'nosuchtoken').connect(), FetchError);
  assert.equal(refusal.statusCode, 401);
});

await operation('transient token', async () => {
  transient = (await query(admin.token, '/security/token?type=delegation&scope=all')).MediaContainer.token;
  checkTransientToken(transient);
});

await operation('use of a transient token', async () => {
  const server = new PlexServer(scene.url, transient);
  await server.connect();
  assert.equal(server.machineIdentifier, scene.machineId);
  const account = await server.myPlexAccount().connect();
  checkAccount(account, scene.admin);
  assert.equal(account.token, transient);
});

await operation('source as admin', async () => {
  for (const [kind, wanted] of [['server', scene.server], ['provider', scene.provider]]) {
    const { MediaContainer } = await source(admin.token, `${kind}://${wanted.id}`);
    checkSource(MediaContainer.Device, wanted);
  }
});

await operation("source with the admin's transient token", async () => {
  const { MediaContainer } = await source(transient, `server://${scene.server.id}`);
  checkSource(MediaContainer.Device, scene.server);
  assert.notEqual(MediaContainer.Device.accessToken, admin.token);
});

await operation('source as a plain user', async () => {
  const error = await refused(source(plain.token, `server://${scene.server.id}`), FetchError);
  assert.equal(error.statusCode, 403);
});

await operation('malformed source', async () => {
  for (const of of ['no source at all', 'server://']) {
    const error = await refused(source(admin.token, of), FetchError);
    assert.equal(error.statusCode, 400);
  }
});

await operation('unknown source', async () => {
  const error = await refused(source(admin.token, 'server://nobody'), FetchError);
  assert.equal(error.statusCode, 404);
});

await operation('resources', async () => {
  checkAdminResources(await admin.resources());
  checkSharedResources(await plain.resources(), plain.token, admin.token);
});

await operation('connect', async () => {
  const resource = (await admin.resources()).find((r) => r.clientIdentifier === scene.machineId);
  const server = await resource.connect();
  assert.ok(server instanceof PlexServer);
  assert.equal(server.baseurl, scene.url);
  assert.equal(server.machineIdentifier, scene.machineId);

  // It ignores the local connections of a server with another owner.
  const shared = (await plain.resources()).find((r) => r.clientIdentifier === scene.machineId);
  assert.equal(shared.owned, false);
  assert.equal((await shared.connect()).machineIdentifier, scene.machineId);
});

await operation('strong PIN', async () => {
  const pin = await MyPlexAccount.getWebLogin('https://program.example.org/signed-in');
  assert.match(pin.code, /^[0-9a-z]{25}$/);
  assert.equal(pin.authToken, null);
  assert.equal(new URLSearchParams(new URL(pin.uri).hash.slice(2)).get('code'), pin.code);

  const waiting = MyPlexAccount.webLoginCheck(pin, 30);
  await linkByHand(pin.code, plain.token);
  const account = await waiting;
  checkAccount(account, scene.plain);
  checkAccessToken(account.token);
  assert.notEqual(account.token, plain.token);
});

await operation('unknown PIN', async () => {
  const error = await refused(MyPlexAccount.webLoginCheck({ id: 1, code: 'none' }), FetchError);
  assert.equal(error.statusCode, 404);
  assert.equal(error.data.errors[0].code, 1020);
});
