// A program was reinstalled and appears twice: its owner merges the two devices. An admin searches tokens and
// merges the devices of another account.

import { Device } from '../device.mjs';
import { assert, confirm, heading, press, scene, signedIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const devices = [new Device('Living room'), new Device('Living room, installed anew'), new Device('A television with a name that is long')];
  for (const device of devices) {
    await page.goto(`/auth?code=${await device.askPIN()}`);
    await press(page, 'Allow');
    await heading(page, / is signed in as /);
    await device.signIn(scene.admin.username);
  }
  const [old, anew, other] = devices;
  await page.goto('/account/devices');
  await stage.look(page, 'account-devices-merge');
  await page.getByRole('link', { name: 'Merge Living room with another device', exact: true }).click();
  await heading(page, 'Merge devices');
  await stage.look(page, 'merge-choose');
  await page.getByRole('button', { name: /^Merge into Living room, installed anew, / }).click();
  await heading(page, 'Merge “Living room” into “Living room, installed anew”?');
  assert.equal((await old.call()).status, 200);
  await stage.look(page, 'merge-question');
  await confirm(page, 'Merge them');
  await page.getByRole('status').filter({ hasText: 'The two are one device now.' }).waitFor();
  await stage.look(page, 'merge-done');
  assert.equal((await old.call()).status, 200, 'it stays signed in');

  await page.goto('/admin/tokens');
  await page.getByLabel('Search').fill('living');
  await press(page, 'Show');
  await heading(page, 'Live tokens');
  await page.getByText('Found for “living”').waitFor();
  await stage.look(page, 'admin-tokens-search');
  await page.goto('/admin/accounts/1');
  await page.getByRole('link', { name: 'Its devices' }).click();
  await heading(page, `Devices of ${scene.admin.username}`);
  await stage.look(page, 'admin-devices');
  await page.getByRole('link', { name: /^Merge A television/ }).click();
  await heading(page, 'Merge devices');
  await page.getByRole('button', { name: /^Merge into Living room, installed anew, / }).click();
  await confirm(page, 'Merge them');
  await page.getByRole('status').filter({ hasText: 'The two are one device now.' }).waitFor();
  await stage.look(page, 'admin-devices-merged');

  await page.goto('/account/devices');
  await press(page, 'Sign out Living room, installed anew');
  await confirm(page, 'Sign it out');
  for (const device of [old, anew, other]) assert.equal((await device.call()).status, 401, 'one sign-out ends all');
});
