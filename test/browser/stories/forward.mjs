// Back to the program: automatically to an origin that an admin allowed, and to other addresses after the user has
// seen the address.

import { Device } from '../device.mjs';
import { elsewhere } from '../elsewhere.mjs';
import { assert, heading, press, scene, signIn, signedIn, story, usher } from '../story.mjs';

await story(async (stage) => {
  const program = await elsewhere('<h1>Welcome back</h1>');
  usher(['origin', 'add', program.origin]);
  stage.allow(program.origin);
  const device = new Device('Desk');
  await device.askPIN({ strong: true });
  const page = await stage.open();
  await page.goto(device.authPath('#?', `${program.origin}/return?state=1&x=%2F`));
  await signIn(page);
  await heading(page, '“Shelf for TV” wants to sign in');
  await stage.look(page, 'consent-forward');
  await press(page, 'Allow');
  await heading(page, 'Welcome back');
  assert.equal(page.url(), `${program.origin}/return?state=1&x=%2F`);
  assert.deepEqual(program.paths, ['/return?state=1&x=%2F'], 'it must be told nothing else');
  await device.signIn(scene.admin.username);

  // Attack: the forward URL of a site that imitates the program. The page does not redirect, and shows the whole
  // URL.
  const unknown = await elsewhere('<h1>Type your password</h1>');
  const target = `${unknown.origin}/usher.example.com/sign-in?${'long='.repeat(30)}`;
  const reader = await signedIn(stage);
  await device.askPIN({ strong: true });
  await reader.goto(device.authPath('#?', target));
  await press(reader, 'Allow');
  await heading(reader, 'You are signed in');
  await reader.getByText(target, { exact: true }).waitFor();
  await stage.look(reader, 'forward-confirm');
  assert.equal(new URL(reader.url()).origin, scene.url);
  assert.deepEqual(unknown.paths, []);
  stage.allow(unknown.origin);
  await reader.getByRole('link', { name: `Go on to ${new URL(unknown.origin).host}` }).click();
  await heading(reader, 'Type your password');
});
