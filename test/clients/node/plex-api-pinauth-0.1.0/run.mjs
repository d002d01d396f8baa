// plex-api-pinauth 0.1.0 with plex-api 3.5.0: PINs of four characters at the paths of version 1 at https://plex.tv,
// which redirect.cjs redirects to the server under test. It reads their XML with regular expressions.

import PlexAPI from 'plex-api';
import pinAuthenticator from 'plex-api-pinauth';

import {
  assert,
  checkAccessToken,
  clientIdentifier,
  linkByHand,
  reporter,
  scene,
  signInByHand,
} from '../check.mjs';

const operation = reporter('plex-api-pinauth', import.meta.url);
const authenticator = pinAuthenticator();
const at = new URL(scene.url);
const api = new PlexAPI({
  hostname: at.hostname,
  port: Number(at.port),
  https: at.protocol === 'https:',
  authenticator,
  options: { identifier: clientIdentifier },
});

const check = (pin) =>
  new Promise((resolve, reject) => {
    authenticator.checkPinForAuth(pin, (error, state) => (error ? reject(error) : resolve(state)));
  });

await operation('PIN of four characters', async () => {
  const pin = await authenticator.getNewPin();
  assert.match(pin.code, /^[A-Z0-9]{4}$/);
  assert.equal(await check(pin), 'waiting');

  const admin = await signInByHand(scene.admin);
  await linkByHand(pin.code, admin);
  assert.equal(await check(pin), 'authorized');
  checkAccessToken(authenticator.token);
  assert.notEqual(authenticator.token, admin);

  // The usual sequence: a request, a 401, and the request again with the token from the PIN.
  const { MediaContainer } = await api.query('/security/token?type=delegation&scope=all');
  assert.match(MediaContainer?.token ?? '', /^transient-/);
});

await operation('unknown PIN', async () => {
  assert.equal(await check(1), 'invalid');
});
