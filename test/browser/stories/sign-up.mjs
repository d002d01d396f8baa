// Signing up, if the server allows it: with a name that is taken, and then with another one.

import { announced, assert, heading, press, scene, story } from '../story.mjs';

await story(async (stage) => {
  const page = await stage.open();
  await page.goto('/auth?next=/link');
  await page.getByRole('link', { name: 'Make an account' }).click();
  await heading(page, 'Make an account');
  await stage.look(page, 'sign-up');

  const fill = async (name) => {
    await page.getByLabel('Name', { exact: true }).fill(name);
    await page.getByLabel('Password').fill('a long enough secret');
    await press(page, 'Make the account');
  };
  await page.getByLabel('E-mail').fill('nora@example.com');
  await fill(scene.admin.username);
  await announced(page, 'An account with this name or e-mail exists already.');
  assert.equal(await page.getByLabel('E-mail').inputValue(), 'nora@example.com', 'the address must be kept');
  await stage.look(page, 'sign-up-taken');

  await fill('nora');
  await heading(page, 'Link a device');
});
