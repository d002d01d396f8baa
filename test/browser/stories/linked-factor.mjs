// An admin helps a user who has lost the phone with their second factor: with a link, and without seeing the new
// key.

import { turnOn } from '../authenticator.mjs';
import { announced, assert, heading, open, press, scene, signedIn, signIn, story, usher } from '../story.mjs';

const mia = { username: 'mia', password: 'the password of mia' };

await story(async (stage) => {
  usher(['account', 'add', mia.username, '--password-stdin'], `${mia.password}\n`);
  usher(['account', 'totp', mia.username, '--yes']); // on the lost phone
  const page = await signedIn(stage);
  await page.goto('/admin/accounts');
  await page.getByRole('link', { name: 'mia' }).click();
  await open(page, 'How they sign in', 'Make a link for a second factor');
  const form = page.locator('form', { has: page.getByRole('button', { name: 'Make a link' }) });
  await form.getByLabel('Your own password').fill(scene.admin.password);
  await stage.look(page, 'admin-account-link');
  await press(page, 'Make a link');
  await heading(page, 'A link for mia');
  await stage.look(page, 'factor-link');
  const link = await page.locator('code.link').innerText();
  assert.ok(link.startsWith(`${scene.url}/second-factor?key=`), link);

  // The admin does not see the key.
  await page.goto(link);
  await heading(page, 'Not possible now');
  await stage.look(page, 'factor-link-of-another');

  const hers = await stage.open();
  await hers.goto(link);
  await heading(hers, 'Sign in');
  assert.equal(hers.url().includes('key='), false, 'the secret of the link must not stay in an address');
  await signIn(hers, mia);
  await heading(hers, 'Turn on the second factor');
  await stage.look(hers, 'factor-by-link');
  await hers.getByLabel('Six digits').fill('000000');
  await hers.getByLabel('Your password').fill(mia.password);
  await press(hers, 'Turn it on');
  await announced(hers, 'The code is not right');
  const { codes } = await turnOn(hers, mia.password);
  await stage.look(hers, 'backup-codes-by-link');
  await hers.getByRole('link', { name: 'I have kept them' }).click();
  await heading(hers, 'Sign in');
  await signIn(hers, mia);
  await hers.getByLabel('Verification code').fill(codes[0]);
  await press(hers, 'Continue');
  await heading(hers, 'mia');
  await hers.getByText('9 backup codes are left').waitFor();

  await hers.goto(link);
  await heading(hers, 'Access denied');
  await stage.look(hers, 'factor-link-used');
});
