// plex-api 5.3.2 with plex-api-credentials 4.0.1: a query for any path on a media server, and a sign-in at
// https://plex.tv that runs when the server answers 401. redirect.cjs sends the sign-in to the server under test.

import PlexAPI from 'plex-api';
import credentials from 'plex-api-credentials';

import {
  assert,
  checkAccessToken,
  checkAccount,
  checkAdminResources,
  checkSharedResources,
  checkSource,
  checkTransientToken,
  clientIdentifier,
  refused,
  reporter,
  scene,
} from '../check.mjs';

const operation = reporter('plex-api', import.meta.url);
const api = (options, at = new URL(scene.url)) =>
  new PlexAPI({
    hostname: at.hostname,
    port: Number(at.port),
    https: at.protocol === 'https:',
    options: { identifier: clientIdentifier },
    ...options,
  });
const query = (token, path) => api({ token }).query(path);
const source = (token, of) => query(token, `/security/resources?source=${of}`);

// signIn runs the authenticator alone, and resolves to the token that it found.
const signIn = ({ username, password }) =>
  new Promise((resolve, reject) => {
    credentials({ username, password }).authenticate(api({}), (error, token) =>
      error ? reject(error) : resolve(token),
    );
  });

const mustSignIn = /you must provide a way to authenticate/;
const refusedSignIn = /expected 201 but got 401/;

let admin, plain, transient, self;

await operation('sign in', async () => {
  admin = await signIn(scene.admin);
  checkAccessToken(admin);
  plain = await signIn({ ...scene.plain, username: scene.plain.email });
  checkAccessToken(plain);
  assert.notEqual(plain, admin);

  // The usual sequence: a request, a 401, a sign-in, and the request again.
  const { username, password } = scene.admin;
  const { MediaContainer } = await api({ authenticator: credentials({ username, password }) }).query('/');
  assert.equal(MediaContainer.machineIdentifier, scene.machineId);
});

await operation('wrong password', async () => {
  const error = await refused(signIn({ ...scene.plain, password: 'not this one' }), Error);
  assert.match(error.message, refusedSignIn);
});

await operation('second factor needed', async () => {
  const error = await refused(signIn(scene.second), Error);
  assert.match(error.message, refusedSignIn);
});

await operation('second factor given', async () => {
  // It has no field for the code, which can be appended to the password instead.
  checkAccessToken(await signIn({ ...scene.second, password: scene.second.password + scene.second.code }));
});

await operation('token details', async () => {
  const account = await query(admin, '/api/v2/user');
  checkAccount(account, scene.admin);
  assert.equal(account.authToken, admin);
});

await operation('bad token', async () => {
  assert.match((await refused(query('nosuchtoken', '/'), Error)).message, mustSignIn);
  assert.match((await refused(query('nosuchtoken', '/api/v2/user'), Error)).message, mustSignIn);
});

await operation('transient token', async () => {
  transient = (await query(admin, '/security/token?type=delegation&scope=all')).MediaContainer.token;
  checkTransientToken(transient);
});

await operation('use of a transient token', async () => {
  const { MediaContainer } = await query(transient, '/');
  assert.equal(MediaContainer.machineIdentifier, scene.machineId);
  const account = await query(transient, '/api/v2/user');
  checkAccount(account, scene.admin);
  assert.equal(account.authToken, transient);
});

await operation('source as admin', async () => {
  for (const [kind, wanted] of [['server', scene.server], ['provider', scene.provider]]) {
    const { MediaContainer } = await source(admin, `${kind}://${wanted.id}`);
    checkSource(MediaContainer.Device, wanted);
  }
});

await operation("source with the admin's transient token", async () => {
  const { MediaContainer } = await source(transient, `server://${scene.server.id}`);
  checkSource(MediaContainer.Device, scene.server);
  assert.notEqual(MediaContainer.Device.accessToken, admin);
});

await operation('source as a plain user', async () => {
  const error = await refused(source(plain, `server://${scene.server.id}`), Error);
  assert.match(error.message, /denied request due to lack of managed user permissions/);
});

await operation('malformed source', async () => {
  for (const of of ['nothing', 'server://']) {
    const error = await refused(source(admin, of), Error);
    assert.match(error.message, /response code: 400$/);
  }
});

await operation('unknown source', async () => {
  const error = await refused(source(admin, 'server://nobody'), Error);
  assert.match(error.message, /response code: 404$/);
});

await operation('resources', async () => {
  self = checkAdminResources(await query(admin, '/api/v2/resources?includeHttps=1'));
  checkSharedResources(await query(plain, '/api/v2/resources?includeHttps=1'), plain, admin);
});

await operation('connect', async () => {
  const { uri } = self.connections.find((c) => c.uri === scene.url);
  const { MediaContainer } = await api({ token: self.accessToken }, new URL(uri)).query('/');
  assert.equal(MediaContainer.machineIdentifier, scene.machineId);
});
