// The second factor is turned on with an authenticator app, used, and turned off.

import { readFileSync } from 'node:fs';
import { keyOf, turnOn } from '../authenticator.mjs';
import { Device } from '../device.mjs';
import { announced, assert, heading, press, scene, signedIn, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  await page.getByRole('link', { name: 'Second factor', exact: true }).click();
  await heading(page, 'Security');
  await page.getByRole('link', { name: 'Turn it on' }).click();
  await heading(page, 'Turn on the second factor');
  await stage.look(page, 'factor');

  // A wrong code does not turn it on, and the key stays the same as in the app.
  const key = await keyOf(page);
  await page.getByLabel('Six digits').fill('000000');
  await page.getByLabel('Your password').fill(scene.admin.password);
  await press(page, 'Turn it on');
  await announced(page, 'The code is not right');
  assert.equal(await keyOf(page), key);
  await stage.look(page, 'factor-wrong-code');

  const { codes, spent, next } = await turnOn(page);
  assert.equal(new Set(codes).size, 10);
  await stage.look(page, 'backup-codes');
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download' }).click()]);
  const saved = readFileSync(await file.path(), 'utf8');
  assert.ok(codes.every((code) => saved.includes(code)), saved);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await press(page, 'Copy');
  await page.getByRole('status').filter({ hasText: 'Copied.' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), codes.join('\n'));
  assert.equal(await page.getByRole('button', { name: 'Print' }).isVisible(), true);
  await page.getByRole('link', { name: 'I have kept them' }).click();
  await page.getByText('On, 10 backup codes are left.').waitFor();
  await stage.look(page, 'account-with-factor');

  // After the first step, the user is not signed in.
  await press(page, 'Sign out');
  await page.goto('/account');
  await signIn(page);
  await heading(page, 'One more step');
  await stage.look(page, 'code');
  await page.goto('/account');
  await heading(page, 'One more step');
  const program = new Device('Desk');
  await program.askPIN({ strong: true });
  await page.goto(program.authPath('#?'));
  await page.waitForURL(/auth.code\?next=/);
  await heading(page, 'One more step');
  await page.getByLabel('Verification code').fill(spent);
  await press(page, 'Continue');
  await announced(page, 'The code is not right, or was used before.');
  await stage.look(page, 'code-wrong');
  await page.getByLabel('Verification code').fill(`${next.slice(0, 3)} ${next.slice(3)}`); // in the format of apps
  await press(page, 'Continue');
  await heading(page, '“Shelf for TV” wants to sign in');
  await page.goto('/account/security');

  await page.getByText('Turn it off', { exact: true }).click();
  const form = page.locator('form', { has: page.getByRole('button', { name: 'Turn the second factor off' }) });
  await form.getByLabel('Your password').fill(scene.admin.password);
  await press(page, 'Turn the second factor off');
  await announced(page, 'This requires a code of your second factor, or a passkey');
  await stage.look(page, 'account-factor-without-code');

  // Another phone replaces it, with a code from the first one.
  await page.getByRole('link', { name: 'Set it up anew' }).click();
  await heading(page, 'Turn on the second factor');
  await page.getByLabel('A code of your present second factor').fill(codes[0]);
  await stage.look(page, 'factor-anew');
  const again = await turnOn(page);
  await page.getByRole('link', { name: 'I have kept them' }).click();

  await page.getByText('Turn it off', { exact: true }).click();
  await form.getByLabel('Your password').fill(scene.admin.password);
  await form.getByLabel('Verification code').fill(again.codes[0]);
  await press(page, 'Turn the second factor off');
  await page.getByRole('status').filter({ hasText: 'The second factor is off.' }).waitFor();
  await stage.look(page, 'account-factor-off');
});
