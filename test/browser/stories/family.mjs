// A parent adds two children to the home. The television in the living room asks who is watching.

import { Device } from '../device.mjs';
import { announced, assert, confirm, heading, press, scene, signedIn, story, typeCode } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  await page.getByRole('link', { name: 'Family', exact: true }).click();
  await heading(page, 'Family');
  await stage.look(page, 'family-alone');
  const done = (text) => page.getByRole('status').filter({ hasText: text }).waitFor();

  const add = page.getByRole('region', { name: 'Add somebody' });
  for (const [name, restriction] of [['Ida', 'little_kid'], ['Maximilian-Alexander of the long name', 'teen']]) {
    await add.getByLabel('Name').fill(name);
    await add.getByLabel('Restriction').selectOption(restriction);
    await press(page, 'Add');
    await done('Added.');
  }
  await press(page, 'Add a guest');
  await done('Added.');
  await add.getByLabel('Name').fill('ida');
  await press(page, 'Add');
  await announced(page, 'Somebody in the home has this name');

  await page.getByText('Change', { exact: true }).first().click();
  const pin = async (digits, password) => {
    await page.getByLabel('New PIN').first().fill(digits);
    await page.getByLabel('Your own password').first().fill(password);
    await page.getByRole('button', { name: 'Set the PIN', exact: true }).first().click();
  };
  await stage.look(page, 'family-change');
  await pin('4321', 'wrong');
  await announced(page, 'Your own password is not right.');
  await pin('4321', scene.admin.password);
  await done('The PIN is set.');
  await stage.look(page, 'family');

  // The television shows a code, and a user chooses with only the keyboard.
  const television = new Device('Living room');
  const code = await television.askPIN();
  await page.goto('/link');
  await typeCode(page, code);
  await press(page, 'Continue');
  await heading(page, 'Who is watching?');
  await stage.look(page, 'who');
  await page.getByRole('link', { name: 'Ida' }).focus();
  await stage.look(page, 'who-chosen');
  await page.keyboard.press('Enter');
  await heading(page, '“Shelf for TV” wants to sign in as Ida');
  await page.getByRole('definition').filter({ hasText: 'Ida' }).waitFor();
  await page.getByLabel('PIN of Ida').fill('0000');
  await press(page, 'Allow');
  await announced(page, 'This is not the PIN.');
  await stage.look(page, 'who-wrong-pin');
  assert.equal((await (await television.poll()).json()).authToken, null, 'nothing is given for a wrong PIN');
  await page.getByLabel('PIN of Ida').fill('4321');
  await press(page, 'Allow');
  await heading(page, 'The device is signed in as Ida');
  await television.signIn(''); // a managed user has no username
  const account = await (await television.call()).json();
  assert.deepEqual([account.title, account.restricted, account.home], ['Ida', true, true]);

  // Ida is removed, and so the television is signed out.
  await page.goto('/account/family');
  await page.getByText('Change', { exact: true }).first().click();
  await press(page, 'Remove Ida');
  await heading(page, 'Remove Ida from your home?');
  await page.getByText('1 token of the devices that are linked for them').waitFor();
  await stage.look(page, 'family-remove-question');
  await confirm(page, 'Remove Ida');
  await done('Removed.');
  assert.equal((await television.call()).status, 401);
});
