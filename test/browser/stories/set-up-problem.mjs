// Set-up with everything that can go wrong: no link, a guessed link, and an invalid name.

import { assert, heading, press, scene, story } from '../story.mjs';

await story(async (stage) => {
  const page = await stage.open();
  await page.goto('/');
  await heading(page, 'Not set up yet');
  await stage.look(page, 'home-empty');

  for (const link of ['/setup', '/setup?key=', '/setup?key=GUESSED']) {
    await page.goto(link);
    await heading(page, 'Access denied');
  }
  await stage.look(page, 'set-up-wrong-link');

  await page.goto(scene.setUpLink);
  await heading(page, 'Welcome');
  await stage.look(page, 'set-up');
  await page.getByLabel('Name').fill('mia@home');
  await page.getByLabel('E-mail').fill('mia@example.com');
  await page.getByLabel('Password').fill('a password of mine');
  await press(page, 'Make the account');
  await page.getByRole('alert').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'setup-username', 'what is wrong has the focus');
  assert.equal(await page.getByLabel('E-mail').inputValue(), 'mia@example.com', 'what was typed must be kept');
  await stage.look(page, 'set-up-problem');

  // Two browsers have opened the link: the slower one does not create a second account.
  const slower = await stage.open();
  await slower.goto(scene.setUpLink);
  await page.getByLabel('Name').fill('mia');
  await page.getByLabel('Password').fill('a password of mine');
  await press(page, 'Make the account');
  await heading(page, 'mia');
  await slower.getByLabel('Password').fill('another password');
  await press(slower, 'Make the account');
  await heading(slower, 'Access denied');
});
