// Signing in, with a wrong password first and then with the right one, and signing out.

import { announced, assert, heading, press, scene, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await stage.open();
  await page.goto('/');
  await page.getByRole('link', { name: 'Sign in' }).click();
  await heading(page, 'Sign in');
  await stage.look(page, 'sign-in');

  await signIn(page, { ...scene.admin, password: 'something else' });
  await announced(page, 'The name or the password is not right.');
  assert.equal(await page.getByLabel('Name or e-mail').inputValue(), scene.admin.username, 'the name must be kept');
  assert.equal(await page.getByLabel('Password').inputValue(), '');
  await stage.look(page, 'sign-in-wrong-password');

  await signIn(page, { ...scene.admin, username: scene.admin.email.toUpperCase() });
  await heading(page, scene.admin.username);
  await stage.look(page, 'account');

  const [cookie] = await page.context().cookies();
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, 'Lax');

  await press(page, 'Sign out');
  await heading(page, 'Sign in');
  await page.goto('/account');
  await heading(page, 'Sign in');
  // A copy of the cookie no longer works.
  await page.context().addCookies([cookie]);
  await page.goto('/account');
  await heading(page, 'Sign in');

  // A page that needs a sign-in is shown after signing in.
  await page.goto('/account/second-factor');
  await signIn(page);
  await heading(page, 'Turn on the second factor');
});
