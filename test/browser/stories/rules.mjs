// olga lets mia sign in only with passkeys: her password stops working, and her passkey still works. When she has
// lost it, a link creates a new one. olga herself must set up a second factor, and can do nothing else before.

import { turnOn } from '../authenticator.mjs';
import { addPasskey, holdPasskeys } from '../passkeys.mjs';
import { announced, assert, confirm, heading, open, press, scene, signedIn, signIn, story, usher } from '../story.mjs';

const mia = { username: 'mia', password: 'the password of mia' };

await story(async (stage) => {
  usher(['account', 'add', mia.username, '--password-stdin'], `${mia.password}\n`);
  const hers = await signedIn(stage, mia);
  const phone = await holdPasskeys(hers);
  await addPasskey(hers, 'My phone', mia.password);
  await hers.getByRole('region', { name: 'Passkeys' }).getByText('My phone').waitFor();

  const page = await signedIn(stage);
  await page.getByText('Admins of this server need a second factor.').waitFor();
  await stage.look(page, 'account-factor-due');
  await page.goto('/admin');
  await page.getByRole('link', { name: 'Second factor of admins' }).click();
  await heading(page, 'Second factor of admins');
  await stage.look(page, 'admin-factor');
  await page.goto('/admin/accounts');
  await page.getByRole('link', { name: 'mia' }).click();
  await open(page, 'How they sign in', 'Rules for signing in');
  await page.getByLabel('The password is off').check();
  await stage.look(page, 'admin-account-rules');
  await press(page, 'Change the rules');
  await heading(page, 'Change how mia signs in?');
  await stage.look(page, 'admin-account-rules-sure');
  await confirm(page, 'Change the rules');
  await page.getByText('the password is off', { exact: true }).waitFor();

  // mia is notified, and her password no longer works.
  await hers.goto('/account/notices');
  await hers.getByText('The rules for how you sign in were changed').waitFor();
  await hers.goto('/account/security');
  await hers.getByText('only passkeys sign you in').waitFor();
  await stage.look(hers, 'security-password-off');
  await press(hers, 'Sign out');
  await hers.goto('/auth');
  await signIn(hers, mia);
  await announced(hers, 'The name or the password is not right');
  await press(hers, 'Sign in with a passkey');
  await heading(hers, 'mia');

  // A form that needs the password asks her for the passkey instead.
  await hers.goto('/account/profile');
  await hers.getByLabel('Name', { exact: true }).fill('mira');
  await stage.look(hers, 'profile-by-passkey');
  await press(hers, 'Save');
  await heading(hers, 'Confirm it with your passkey');
  await stage.look(hers, 'confirm-by-passkey');
  await press(hers, 'Use your passkey');
  await hers.getByRole('status').filter({ hasText: 'Saved.' }).waitFor();

  // The phone is lost: a link from olga creates a new passkey.
  await open(page, 'How they sign in', 'Create a link for a user who cannot sign in');
  const form = page.locator('form', { has: page.getByText('What they have lost') });
  await form.getByLabel('Your own password').fill(scene.admin.password);
  await form.getByRole('button').click();
  await heading(page, 'A link for mira');
  await page.getByText('makes a new passkey for mira, in place of all').waitFor();
  await stage.look(page, 'reset-link-passkey');
  const link = await page.locator('code.link').innerText();
  const another = await stage.open();
  const tablet = await holdPasskeys(another);
  await another.goto(link);
  await heading(another, 'Hello mira');
  await stage.look(another, 'reset-passkey');
  await press(another, 'Make a new passkey');
  await heading(another, 'mira', true); // not "Hello mira"
  assert.equal((await tablet.keys()).length, 1);
  assert.equal((await phone.keys()).length, 1, 'the lost phone still has its own');
  await hers.goto('/auth');
  stage.mayRefuse('/auth/passkey');
  await press(hers, 'Sign in with a passkey');
  await announced(hers, 'This passkey was not accepted.');

  // olga's grace period is over: she can only set up a second factor.
  usher(['account', 'admin-factor', 'required', '--within', '0s']);
  await page.goto('/admin');
  await heading(page, 'Turn on the second factor');
  await stage.look(page, 'factor-due');
  await turnOn(page);
  await page.goto('/admin');
  await heading(page, 'Overview');
});
