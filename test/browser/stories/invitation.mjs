// An invited person opens the link on a phone, and creates an account with a password. Another one creates an
// account with a passkey.

import { holdPasskeys } from '../passkeys.mjs';
import { announced, assert, confirm, heading, press, scene, signedIn, signIn, story, usher } from '../story.mjs';

await story(async (stage) => {
  usher(['server', 'add', 'Living room', '--id', 'living-room', '--connection', 'http://10.0.0.1:32400']);
  const page = await signedIn(stage);
  await page.goto('/admin/invitations');
  await stage.look(page, 'invitations-none');
  const invite = async (fields) => {
    await page.goto('/admin/invitations');
    for (const [label, value] of Object.entries(fields)) await page.getByLabel(label).fill(value);
    await page.getByLabel('Living room').check();
    await page.getByLabel('Your own password').fill(scene.admin.password);
    await press(page, 'Make a link');
    return page.locator('code.link').innerText();
  };
  await page.getByLabel('Name').fill(scene.admin.username);
  await page.getByLabel('Your own password').fill(scene.admin.password);
  await press(page, 'Make a link');
  await announced(page, 'exists already');
  const link = await invite({ Name: 'mia', 'E-mail': 'mia@example.org' });
  await heading(page, 'A link for mia');
  assert.ok(link.startsWith(`${scene.url}/invitation?key=`), link);
  await stage.look(page, 'invitation-link');
  await page.goto('/admin/invitations');
  await stage.look(page, 'invitations');

  const hers = await stage.open();
  await hers.goto(link);
  await heading(hers, 'Welcome');
  assert.equal(hers.url(), `${scene.url}/invitation`, 'the secret of the link must not stay in an address');
  await stage.look(hers, 'invitation');
  await hers.getByLabel('Password').fill('password');
  await press(hers, 'Make my account');
  await announced(hers, 'commonest');
  await stage.look(hers, 'invitation-common-password');
  await hers.getByLabel('Password').fill('the password of mia');
  await press(hers, 'Make my account');
  await heading(hers, 'mia');
  await press(hers, 'Sign out');
  await hers.goto('/auth');
  await signIn(hers, { username: 'mia@example.org', password: 'the password of mia' });
  await heading(hers, 'mia');
  await hers.goto(link);
  await heading(hers, 'Access denied');
  await stage.look(hers, 'invitation-used');

  const second = await invite({});
  const his = await stage.open();
  const phone = await holdPasskeys(his);
  await his.goto(second);
  await heading(his, 'Welcome');
  stage.mayRefuse('/invitation/passkey/challenge');
  await his.getByLabel('Name').fill('mia');
  await press(his, 'Use a passkey instead of a password');
  await announced(his, 'exists already');
  await his.getByLabel('Name').fill('noa');
  await press(his, 'Use a passkey instead of a password');
  await heading(his, 'noa');
  assert.equal((await phone.keys()).length, 1);
  await press(his, 'Sign out');
  await heading(his, 'Sign in');
  await his.goto('/auth');
  await press(his, 'Sign in with a passkey');
  await heading(his, 'noa');

  await invite({});
  await page.goto('/admin/invitations');
  await press(page, 'Revoke invitation 3');
  await heading(page, 'Revoke invitation 3?');
  await stage.look(page, 'invitation-revoke-question');
  await confirm(page, 'Revoke the invitation');
  await page.getByRole('status').filter({ hasText: 'does not work any more' }).waitFor();
});
