// A passkey as the second factor, instead of the six digits.

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

  // It also replaces the code when the second factor is turned off, and when a passkey is added.
  await addPasskey(page, 'Again');
  await announced(page, 'This passkey was added already.');
  await page.getByText('Turn it off', { exact: true }).click();
  const off = page.locator('form', { has: page.getByRole('button', { name: 'Turn the second factor off' }) });
  await off.getByLabel('Your password').fill(scene.admin.password);
  await stage.look(page, 'account-factor-off-by-passkey');
  await off.getByRole('button', { name: 'use a passkey instead' }).click();
  await page.getByRole('status').filter({ hasText: 'The second factor is off.' }).waitFor();
  await page.goto('/account/second-factor');
  await turnOn(page);

  // Without the phone, the password is not enough.
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
