// Somebody signs in as olga in an unknown browser, after many wrong passwords. olga sees a notice on her page, gets
// it by e-mail, and learns what to do.

import { openMailbox } from '../mailbox.mjs';
import { announced, assert, confirm, heading, press, scene, signedIn, signIn, story, usher } from '../story.mjs';

await story(async (stage) => {
  const inbox = await openMailbox(scene.mail);
  const page = await signedIn(stage);
  await page.getByRole('link', { name: 'Notices' }).first().click();
  await heading(page, 'Notices');
  await press(page, 'I have read them');
  await page.getByRole('status').filter({ hasText: 'The notices are marked as read.' }).waitFor();

  const thief = await stage.open();
  await thief.goto('/auth');
  for (let i = 0; i < 10; i++) {
    await signIn(thief, { ...scene.admin, password: `wrong ${i}` });
    await announced(thief, 'The name or the password is not right');
  }
  usher(['account', 'set-password', scene.admin.username, '--password-stdin'], 'another long password\n');

  await page.goto('/account');
  await page.getByText('2 new').waitFor();
  await page.getByRole('navigation', { name: 'Your account' }).getByRole('link', { name: 'Notices' }).click();
  await heading(page, 'Notices');
  await page.getByText('10 sign-ins failed within an hour').waitFor();
  await page.getByText('by command line').waitFor();
  await stage.look(page, 'notices');

  // The first e-mail is about the browser that olga signed in with. The others are delayed by ten minutes.
  const message = await inbox.next();
  assert.match(message, /A new browser signed in/);
  assert.ok(message.includes(`${scene.url}/account/notices`), message);
  assert.equal(inbox.messages.length, 0);

  await press(page, 'No e-mails about new devices');
  await page.getByRole('status').filter({ hasText: 'No more e-mails about new devices are sent.' }).waitFor();
  await stage.look(page, 'notices-quiet');
  await press(page, 'Sign out everything but this browser');
  await confirm(page, 'Sign out everything else');
  await page.getByRole('status').filter({ hasText: 'Everything but this browser is signed out.' }).waitFor();
});
