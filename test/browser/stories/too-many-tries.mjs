// Attack: guessing a password. After ten wrong passwords, even the right one must wait.

import { announced, scene, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await stage.open();
  await page.goto('/auth');
  for (let i = 0; i < 10; i++) {
    await signIn(page, { ...scene.admin, password: `guess ${i}` });
    await announced(page, 'The name or the password is not right.');
  }
  await signIn(page);
  await announced(page, 'Too many failed tries. Wait a minute, then try again.');
  await stage.look(page, 'sign-in-too-many-tries');
});
