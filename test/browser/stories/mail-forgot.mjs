// A user has lost the password, and the server can send e-mails: they sign in again without an admin's help.

import { openMailbox } from '../mailbox.mjs';
import { assert, heading, press, scene, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const inbox = await openMailbox(scene.mail);
  const page = await stage.open();
  await page.goto('/auth');
  await page.getByText('Password lost?').click();
  await stage.look(page, 'sign-in-mail');
  await page.getByRole('link', { name: 'Get a link by e-mail' }).click();
  await heading(page, 'Password lost');
  await stage.look(page, 'forgot');
  await page.getByLabel('Name or e-mail').fill(scene.admin.email);
  await press(page, 'Send me a link');
  await page.getByRole('status').filter({ hasText: 'a link is on its way' }).waitFor();
  await stage.look(page, 'forgot-sent');

  const message = await inbox.next();
  const [link] = message.match(/http\S+\/reset\?key=\S+/);
  assert.ok(link.startsWith(`${scene.url}/`), link);
  await page.goto(link);
  await heading(page, `Hello ${scene.admin.username}`);
  const password = 'a password that is not lost';
  await page.getByLabel('New password').fill(password);
  await press(page, 'Set the password');
  await heading(page, scene.admin.username, true);
  await press(page, 'Sign out');
  await page.goto('/auth');
  await signIn(page, { ...scene.admin, password });
  await heading(page, scene.admin.username);
});
