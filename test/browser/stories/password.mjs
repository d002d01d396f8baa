// A new password and a new name. Signed-in devices stay signed in, unless the user wants to sign them out.

import { Device } from '../device.mjs';
import { announced, assert, heading, press, scene, signedIn, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const other = await signedIn(stage);
  const device = new Device('Den');
  await page.goto(`/auth?code=${await device.askPIN()}`);
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await device.signIn(scene.admin.username);

  const change = async (current, next, { others = false } = {}) => {
    await page.goto('/account/security');
    const form = page.getByRole('region', { name: 'Password', exact: true });
    await form.getByLabel('Your password now').fill(current);
    await form.getByLabel('New password').fill(next);
    if (others) await form.getByLabel('Also sign out everything but this browser').check();
    await press(page, 'Change the password');
  };
  await change('wrong', 'the second password');
  await announced(page, 'Your own password is not right.');
  await stage.look(page, 'account-wrong-password');

  await change(scene.admin.password, 'the second password');
  await page.getByRole('status').filter({ hasText: 'Your password is changed.' }).waitFor();
  await stage.look(page, 'account-password-changed');
  assert.equal((await device.call()).status, 200);
  await other.goto('/account');
  await heading(other, scene.admin.username);

  await change('the second password', 'the third password', { others: true });
  await page.getByRole('status').filter({ hasText: 'Your password is changed.' }).waitFor();
  assert.equal((await device.call()).status, 401);
  await other.goto('/account');
  await signIn(other);
  await announced(other, 'The name or the password is not right.');
  await signIn(other, { ...scene.admin, password: 'the third password' });
  await heading(other, scene.admin.username);

  await page.goto('/account/profile');
  const form = page.getByRole('region', { name: 'Name and e-mail' });
  await form.getByLabel('Name').fill('olga2');
  await form.getByLabel('Your password').fill('the third password');
  await press(page, 'Save');
  await page.getByRole('status').filter({ hasText: 'Saved.' }).waitFor();
  await stage.look(page, 'account-profile');
  await page.goto('/account');
  await heading(page, 'olga2');
});
