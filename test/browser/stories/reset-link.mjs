// A user has lost the password and the phone. An admin creates a link, with which they sign in again.

import { announced, assert, heading, open, press, scene, signedIn, signIn, story, usher } from '../story.mjs';

const mia = { username: 'mia', password: 'the password of mia' };
const back = { username: 'mia', password: 'another password of mia' };

await story(async (stage) => {
  usher(['account', 'add', mia.username, '--password-stdin'], `${mia.password}\n`);
  const old = await stage.open();
  await old.goto('/auth');
  await old.getByText('Password lost?').click();
  await stage.look(old, 'sign-in-password-lost');
  await signIn(old, mia);
  await heading(old, 'mia');
  usher(['account', 'totp', mia.username, '--yes']); // on the lost phone

  const page = await signedIn(stage);
  await page.goto('/admin/accounts');
  await page.getByRole('link', { name: 'mia' }).click();
  await open(page, 'How they sign in', 'Create a link for a user who cannot sign in');
  const form = page.locator('form', { has: page.getByText('What they have lost') });
  await form.getByLabel('The second factor').check();
  await form.getByLabel('Your own password').fill(scene.admin.password);
  await stage.look(page, 'admin-account-reset');
  await form.getByRole('button').click();
  await heading(page, 'A link for mia');
  await stage.look(page, 'reset-link');
  const link = await page.locator('code.link').innerText();

  const hers = await stage.open();
  await hers.goto(link);
  await heading(hers, 'Hello mia');
  assert.equal(hers.url(), `${scene.url}/reset`, 'the secret of the link must not stay in an address');
  await stage.look(hers, 'reset');
  await hers.getByLabel('New password').fill('password');
  await press(hers, 'Set the password');
  await announced(hers, 'commonest');
  await stage.look(hers, 'reset-common-password');
  await hers.getByLabel('New password').fill(back.password);
  await press(hers, 'Set the password');
  await heading(hers, 'mia', true); // not "Hello mia"

  // Everyone who was signed in is signed out.
  await old.goto('/account');
  await heading(old, 'Sign in');
  await signIn(old, back);
  await heading(old, 'mia');
  await old.goto(link);
  await heading(old, 'Access denied');
});
