// A new operator, from the first start to the first sign-in, on a phone, with only the instructions on the screen.

import { assert, heading, press, scene, story, usher } from '../story.mjs';

await story(async (stage) => {
  const page = await stage.open();
  await page.goto(scene.setUpLink);
  await heading(page, 'Welcome');
  assert.equal(new URL(page.url()).search, '', 'the key is still in the address bar');
  const typing = { delay: 120 }; // milliseconds per key, for a slow typist
  await page.getByLabel('Password').pressSequentially('a password of mine', typing);
  await press(page, 'Make the account');
  await heading(page, 'admin');
  const seconds = (Date.now() - scene.started) / 1000;
  console.log(`from the first start to signed in: ${seconds.toFixed(1)} s`);
  assert.ok(seconds < 60, 'it takes more than a minute');
  // A list shows the next steps, with this server's address ready to be pasted.
  const steps = page.getByRole('region', { name: 'Next steps' });
  assert.equal(await steps.getByRole('listitem').count(), 5);
  assert.equal(await steps.locator('code.address').innerText(), scene.url);
  await stage.look(page, 'account-new');
  usher(['account', 'add', 'mia', '--password-stdin'], 'a password of hers\n');
  usher(['backup', `${scene.data}/copy.db`]);
  await page.reload();
  assert.deepEqual(await steps.locator('li.ticked a, li.ticked > span:not(.unseen)').allInnerTexts(), ['Add people', 'Make a backup']);
  await stage.look(page, 'account-steps');

  // The link works once. After that, it leads to the start page.
  const late = await stage.open();
  await late.goto(scene.setUpLink);
  await heading(late, 'Sign in');
  assert.equal(new URL(late.url()).pathname, '/');
  await stage.look(late, 'home');
});
