// usher below a path, behind a proxy that takes the path away: links, forms, scripts and cookies stay below it.

import { Device } from '../device.mjs';
import { addPasskey, holdPasskeys } from '../passkeys.mjs';
import { announced, assert, at, heading, press, scene, signedIn, story, typeCode } from '../story.mjs';

await story(async (stage) => {
  assert.equal(new URL(scene.url).pathname, '/usher');
  const page = await signedIn(stage);
  assert.equal(page.url(), at('/account'));
  await stage.look(page, 'account-below');
  const cookies = await page.context().cookies();
  assert.ok(cookies.length > 0 && cookies.every(({ path }) => path.startsWith('/usher')), JSON.stringify(cookies));

  // A script asks for the challenge, and what it is refused stands on the page.
  const phone = await holdPasskeys(page);
  stage.mayRefuse('/usher/account/passkeys/challenge');
  await addPasskey(page, 'My phone', 'wrong');
  await announced(page, 'Your own password is not right.');
  await addPasskey(page, 'My phone');
  await page.getByRole('region', { name: 'Passkeys' }).getByText('My phone').waitFor();
  assert.equal((await phone.keys()).length, 1);

  await press(page, 'Sign out');
  await page.goto(at('/link'));
  await heading(page, 'Sign in');
  assert.equal(new URL(page.url()).pathname, '/usher/auth');
  await press(page, 'Sign in with a passkey');
  await heading(page, 'Link a device');
  assert.equal(page.url(), at('/link'));
  const television = new Device();
  await typeCode(page, await television.askPIN());
  await press(page, 'Continue');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await television.signIn(scene.admin.username);

  // A program's parameters are in the fragment: a script leads on to the page that takes them.
  const program = new Device('Desk');
  await program.askPIN({ strong: true });
  await page.goto(at(program.authPath('#?').replace('/auth', '/')));
  await heading(page, '“Shelf for TV” wants to sign in');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await program.signIn(scene.admin.username);

  await page.getByRole('link', { name: 'Admin', exact: true }).click();
  await heading(page, 'Overview');
  await page.getByRole('navigation', { name: 'Pages for admins' }).getByRole('link', { name: 'Keys' }).click();
  await heading(page, 'Keys of the admin API');
  assert.equal(page.url(), at('/admin/keys'));
});
