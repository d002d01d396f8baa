// Attack: an attacker who knows the password guesses codes. The attacker is locked out. The owner can sign in with
// a browser that signed in before, and is notified.

import { totp } from '../authenticator.mjs';
import { announced, assert, heading, press, scene, signedIn, signIn, story, usher } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  await press(page, 'Sign out');
  const { secret } = JSON.parse(usher(['account', 'totp', scene.admin.username, '--json', '--yes']));

  const thief = await stage.open();
  await thief.goto('/auth');
  await signIn(thief);
  for (let i = 0; i < 10; i++) {
    await heading(thief, 'One more step');
    await thief.getByLabel('Verification code').fill('000000');
    await press(thief, 'Continue');
    await announced(thief, 'The code is not right');
  }
  await thief.getByLabel('Verification code').fill(totp(secret));
  await press(thief, 'Continue');
  await announced(thief, 'Too many failed tries. Wait a minute, then try again.');
  await stage.look(thief, 'code-locked');

  await page.goto('/auth');
  await signIn(page);
  await page.getByLabel('Verification code').fill(totp(secret));
  await press(page, 'Continue');
  await heading(page, scene.admin.username);
  const notice = page.getByRole('region', { name: 'Somebody may know your password' });
  await notice.getByText('gave 10 wrong codes').waitFor();
  await stage.look(page, 'account-guesses');
  await press(page, 'I have read this');
  await page.getByRole('status').filter({ hasText: 'The notice is gone.' }).waitFor();
  assert.equal(await notice.count(), 0);
});
