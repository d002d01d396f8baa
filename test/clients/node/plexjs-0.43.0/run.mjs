// @lukehagar/plexjs 0.43.0: generated from a document without account operations, so it only sends requests to a
// media server.

import { PlexAPI } from '@lukehagar/plexjs';
import { SDKError } from '@lukehagar/plexjs/sdk/models/errors/index.js';

import {
  assert,
  checkSource,
  checkTransientToken,
  clientIdentifier,
  refused,
  reporter,
  scene,
  signInByHand,
} from '../check.mjs';

const operation = reporter('@lukehagar/plexjs', import.meta.url);
const general = (token) =>
  new PlexAPI({ token, clientIdentifier, product: 'usher clients', serverURL: scene.url }).general;
const transientToken = (token) => general(token).getTransientToken({ type: 'delegation', scope: 'all' });
const source = (token, of) => general(token).getSourceConnectionInformation({ source: of });

const admin = await signInByHand(scene.admin);
const plain = await signInByHand(scene.plain);
let transient;

await operation('bad token', async () => {
  const error = await refused(transientToken('nosuchtoken'), SDKError);
  assert.equal(error.statusCode, 401);
});

await operation('transient token', async () => {
  const { object } = await transientToken(admin);
  transient = object.mediaContainer.token;
  checkTransientToken(transient);
});

await operation('use of a transient token', async () => {
  const answer = await general(transient).getServerInfo({});
  assert.equal(answer.statusCode, 200);
  const { object } = await general(transient).getIdentity();
  assert.equal(object.mediaContainer.machineIdentifier, scene.machineId);
});

await operation('source as admin', async () => {
  for (const [kind, wanted] of [['server', scene.server], ['provider', scene.provider]]) {
    const { object } = await source(admin, `${kind}://${wanted.id}`);
    checkSource(object.mediaContainer.device, wanted);
  }
});

await operation("source with the admin's transient token", async () => {
  const { object } = await source(transient, `server://${scene.server.id}`);
  checkSource(object.mediaContainer.device, scene.server);
  assert.notEqual(object.mediaContainer.device.accessToken, admin);
});

await operation('source as a plain user', async () => {
  const error = await refused(source(plain, `server://${scene.server.id}`), SDKError);
  assert.equal(error.statusCode, 403);
});

await operation('malformed source', async () => {
  for (const of of ['no source at all', 'server://']) {
    const error = await refused(source(admin, of), SDKError);
    assert.equal(error.statusCode, 400);
  }
});

await operation('unknown source', async () => {
  const error = await refused(source(admin, 'server://nobody'), SDKError);
  assert.equal(error.statusCode, 404);
});
