// Signed-in devices and browsers: one device is signed out, then another browser, then everything except this
// browser.

import { Device } from '../device.mjs';
import { assert, confirm, heading, press, scene, signedIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const other = await signedIn(stage);
  const [den, attic] = [new Device('Den'), new Device('Attic')];
  for (const device of [den, attic]) {
    await page.goto(`/auth?code=${await device.askPIN()}`);
    await press(page, 'Allow');
    await heading(page, / is signed in as /);
    await device.signIn(scene.admin.username);
  }
  await page.goto('/account/devices');
  await stage.look(page, 'account-devices');

  await press(page, 'Sign out Den');
  await heading(page, 'Sign out “Den”?');
  assert.equal((await den.call()).status, 200, 'nothing ends before the question is answered');
  await stage.look(page, 'account-device-question');
  await page.getByRole('link', { name: 'Keep everything as it is' }).click();
  await press(page, 'Sign out Den');
  await confirm(page, 'Sign it out');
  await page.getByRole('status').filter({ hasText: 'The device is signed out.' }).waitFor();
  assert.equal((await den.call()).status, 401);
  assert.equal((await attic.call()).status, 200);
  await stage.look(page, 'account-device-signed-out');

  await page.goto('/account/browsers');
  await stage.look(page, 'account-browsers');
  await page.getByRole('region', { name: 'Signed in' }).getByRole('button', { name: /^Sign out Chrome/ }).click();
  await confirm(page, 'Sign it out');
  await page.getByRole('status').filter({ hasText: 'The browser is signed out.' }).waitFor();
  await other.goto('/account');
  await heading(other, 'Sign in');

  const third = await signedIn(stage);
  await press(page, 'Sign out everything but this browser');
  await heading(page, 'Sign out everything but this browser?');
  await page.getByText('1 device or program, with 1 token').waitFor();
  await stage.look(page, 'account-others-question');
  await confirm(page, 'Sign out everything else');
  await page.getByRole('status').filter({ hasText: 'Everything but this browser is signed out.' }).waitFor();
  assert.equal((await attic.call()).status, 401);
  await third.goto('/account');
  await heading(third, 'Sign in');
  await page.goto('/account');
  await heading(page, scene.admin.username);
});
