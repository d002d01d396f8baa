// A passkey is added, used instead of name and password, and removed.

import { Device } from '../device.mjs';
import { addPasskey, holdPasskeys } from '../passkeys.mjs';
import { announced, assert, heading, press, scene, signedIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const phone = await holdPasskeys(page);

  stage.mayRefuse('/account/passkeys/challenge');
  await addPasskey(page, 'My phone', 'wrong');
  await announced(page, 'Your own password is not right.');
  await stage.look(page, 'account-passkey-wrong-password');
  await addPasskey(page, 'My phone');
  await page.getByRole('region', { name: 'Passkeys' }).getByText('My phone').waitFor();
  assert.equal((await phone.keys()).length, 1);
  await stage.look(page, 'account-passkey');

  // The same phone cannot be added twice.
  await addPasskey(page, 'My phone again');
  await announced(page, 'This passkey was added already.');

  await press(page, 'Sign out');
  await page.goto('/auth');
  await stage.look(page, 'sign-in-with-passkey');
  await press(page, 'Sign in with a passkey');
  await heading(page, scene.admin.username);

  // After the sign-in, the browser is redirected to the page that it requested.
  await press(page, 'Sign out');
  await heading(page, 'Sign in');
  const program = new Device('Desk');
  await program.askPIN({ strong: true });
  await page.goto(program.authPath('#?'));
  await press(page, 'Sign in with a passkey');
  await heading(page, '“Shelf for TV” wants to sign in');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await program.signIn(scene.admin.username);

  // Attack: a thief has the phone, which detects another finger.
  await press(page, 'Sign out');
  await heading(page, 'Sign in');
  await phone.setOwner(false);
  await page.goto('/auth');
  await press(page, 'Sign in with a passkey');
  await announced(page, 'Nothing was chosen, or it took too long. Try again.');
  await stage.look(page, 'sign-in-passkey-refused');
  await page.goto('/account');
  await heading(page, 'Sign in');
  await phone.setOwner(true);

  await press(page, 'Sign in with a passkey');
  await heading(page, scene.admin.username);
  await page.goto('/account/security');
  await page.getByText('Remove', { exact: true }).click();
  const form = page.locator('form', { has: page.getByRole('button', { name: 'Remove this passkey' }) });
  await form.getByLabel('Your password').fill(scene.admin.password);
  await stage.look(page, 'account-passkey-remove');
  await press(page, 'Remove this passkey');
  await page.getByRole('status').waitFor();
  await page.getByText('My phone', { exact: true }).waitFor({ state: 'detached' });

  // The phone still has the passkey, but it no longer works.
  stage.mayRefuse('/auth/passkey');
  await press(page, 'Sign out');
  await heading(page, 'Sign in');
  await page.goto('/auth');
  await press(page, 'Sign in with a passkey');
  await announced(page, 'This passkey was not accepted.');
  await stage.look(page, 'sign-in-passkey-removed');
});
