// A passkey as the second factor, in place of the six digits.

import { turnOn } from '../authenticator.mjs';
import { addPasskey, holdPasskeys } from '../passkeys.mjs';
import { announced, heading, press, scene, signedIn, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const phone = await holdPasskeys(page);
  await addPasskey(page, 'My phone');
  await page.getByRole('region', { name: 'Passkeys' }).getByText('My phone').waitFor();
  await page.goto('/account/second-factor');
  await turnOn(page);

  await press(page, 'Sign out');
  await page.goto('/link');
  await signIn(page);
  await heading(page, 'One more step');
  await stage.look(page, 'code-with-passkey');
  await press(page, 'Use a passkey');
  await heading(page, 'Link a device');

  // Without the phone, the password alone is not enough.
  await press(page, 'Sign out');
  await heading(page, 'Sign in');
  await phone.forget();
  await page.goto('/account');
  await signIn(page);
  await heading(page, 'One more step');
  await press(page, 'Use a passkey');
  await announced(page, 'Nothing was chosen, or it took too long. Try again.');
  await stage.look(page, 'code-passkey-refused');
  await page.goto('/account');
  await heading(page, 'One more step');
  await press(page, 'Start again');
  await heading(page, 'Sign in');
  await page.goto('/account');
  await heading(page, 'Sign in');
});
