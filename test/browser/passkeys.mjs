// Chromium's virtual authenticator stores the passkeys: a phone that verifies its user's finger each time.

import { at, press, scene } from './story.mjs';

// The user is present and verified, until the story says otherwise.
export async function holdPasskeys(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable');
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  });
  return {
    keys: async () => (await session.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    forget: () => session.send('WebAuthn.clearCredentials', { authenticatorId }),
    setOwner: (isUserVerified) => session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
  };
}

// addPasskey adds a passkey on the account's page.
export async function addPasskey(page, name, password = scene.admin.password) {
  await page.goto(at('/account/security'));
  const form = page.getByRole('region', { name: 'Passkeys' });
  await form.getByLabel('Name of the new passkey').fill(name);
  await form.getByLabel('Your password', { exact: true }).last().fill(password);
  await press(page, 'Add a passkey');
}
