// Attack: an attacker who knows the password waits at the second step. A change of the password or of the second
// factor invalidates their session immediately.

import { turnOn } from '../authenticator.mjs';
import { announced, heading, press, scene, signedIn, signIn, story, usher } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  await page.goto('/account/second-factor');
  const { codes } = await turnOn(page);

  // halfWay passes the first step in a new browser.
  const halfWay = async (password) => {
    const thief = await stage.open();
    await thief.goto('/link');
    await signIn(thief, { ...scene.admin, password });
    await heading(thief, 'One more step');
    return thief;
  };

  // sentBack submits a valid code, and expects the sign-in page.
  const sentBack = async (thief) => {
    await thief.getByLabel('Verification code').fill(codes[0]);
    await press(thief, 'Continue');
    await heading(thief, 'Sign in');
    await thief.goto('/auth/code');
    await heading(thief, 'Sign in');
    await thief.goto('/account');
    await heading(thief, 'Sign in');
  };

  // The password is changed on another page.
  let thief = await halfWay(scene.admin.password);
  await page.goto('/account/security');
  const form = page.getByRole('region', { name: 'Password', exact: true });
  await form.getByLabel('Your password now').fill(scene.admin.password);
  await form.getByLabel('New password').fill('the second password');
  await press(page, 'Change the password');
  await page.getByRole('status').filter({ hasText: 'Your password is changed.' }).waitFor();
  await sentBack(thief);
  await stage.look(thief, 'code-void');
  await signIn(thief);
  await announced(thief, 'The name or the password is not right.');

  // The password is changed on the command line.
  thief = await halfWay('the second password');
  usher(['account', 'set-password', scene.admin.username, '--password-stdin'], 'the third password\n');
  await sentBack(thief);

  // The second factor is turned off on another page.
  thief = await halfWay('the third password');
  await page.goto('/account/security');
  await page.getByText('Turn it off', { exact: true }).click();
  const off = page.locator('form', { has: page.getByRole('button', { name: 'Turn the second factor off' }) });
  await off.getByLabel('Your password').fill('the third password');
  await off.getByLabel('Verification code').fill(codes[9]);
  await press(page, 'Turn the second factor off');
  await page.getByRole('status').filter({ hasText: 'The second factor is off.' }).waitFor();
  await sentBack(thief);

  // The first browser is still signed in.
  await page.goto('/account');
  await heading(page, scene.admin.username);
});
