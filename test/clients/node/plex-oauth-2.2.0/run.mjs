// plex-oauth 2.2.0 only requests strong PINs from https://plex.tv and opens a page with them.

import { PlexOauth } from 'plex-oauth';

import {
  assert,
  checkAccessToken,
  checkAccount,
  clientIdentifier,
  linkByHand,
  refused,
  reporter,
  scene,
  signInByHand,
} from '../check.mjs';

const operation = reporter('plex-oauth', import.meta.url);
const program = new PlexOauth({
  clientIdentifier,
  device: 'Browser',
  product: 'usher-clients',
  version: '1',
  forwardUrl: 'https://program.example.org/signed-in',
});

await operation('strong PIN', async () => {
  const [page, id] = await program.requestHostedLoginURL();
  const asked = new URLSearchParams(new URL(page).hash.slice(2));
  assert.equal(asked.get('clientID'), clientIdentifier);
  assert.match(asked.get('code'), /^[0-9a-z]{25}$/);
  assert.equal(await program.checkForAuthToken(id), null);

  const waiting = program.checkForAuthToken(id, 1000, 30);
  const plain = await signInByHand(scene.plain);
  await linkByHand(asked.get('code'), plain);
  const token = await waiting;
  checkAccessToken(token);
  assert.notEqual(token, plain);
  const headers = { Accept: 'application/json', 'X-Plex-Token': token };
  checkAccount(await (await fetch(`${scene.url}/api/v2/user`, { headers })).json(), scene.plain);
});

await operation('unknown PIN', async () => {
  const error = await refused(program.checkForAuthToken(1), Error);
  assert.equal(error.response?.status, 404);
  assert.equal(error.response.data.errors[0].code, 1020);
});
