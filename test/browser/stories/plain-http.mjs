// A server at home, without TLS but with a name: browsers send it less about the origin of a form, and passkeys are
// not available. Everything else works.

import { assert, heading, houseName, press, scene, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const { port } = new URL(scene.url);
  const house = `http://${houseName}:${port}`;
  stage.allow(house);
  const page = await stage.open();
  await page.goto(`${house}/auth`);
  assert.equal(await page.evaluate(() => isSecureContext), false, 'the story is about a page that is not secure');
  await signIn(page);
  await heading(page, scene.admin.username);
  assert.equal(new URL(page.url()).origin, house);
  await stage.look(page, 'account-plain-http');
  await press(page, 'Sign out');
  await heading(page, 'Sign in');
});
