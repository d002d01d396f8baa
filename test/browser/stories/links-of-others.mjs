// Attack: another site opens links with wrong codes, in the query and in the fragment, so that the user's own
// attempts are rate-limited. A four-character code in such a link is checked only when the user continues.

import { Device } from '../device.mjs';
import { elsewhere } from '../elsewhere.mjs';
import { heading, press, scene, signedIn, story, typeCode } from '../story.mjs';

await story(async (stage) => {
  const television = new Device('Living room');
  const code = await television.askPIN();
  const links = ['?code=CCCC', '#?code=CCCC', `?code=${code}`];
  const site = await elsewhere(links.map((link, i) => `<p><a href="${scene.url}/auth${link}">Prize ${i}</a>`).join(''));
  stage.allow(site.origin);
  const page = await signedIn(stage);
  for (let i = 0; i < 12; i++) {
    await page.goto(site.origin);
    await page.getByRole('link', { name: `Prize ${i % 2}` }).click();
    await page.getByText('The link that you followed has a code in it.').waitFor();
  }
  await stage.look(page, 'link-followed');
  await page.goto('/link');
  await typeCode(page, code);
  await press(page, 'Continue');
  await heading(page, '“Shelf for TV” wants to sign in');

  // A link that the user wanted to follow continues.
  await page.goto(site.origin);
  await page.getByRole('link', { name: 'Prize 2' }).click();
  await heading(page, 'Link a device');
  await press(page, 'Continue');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await television.signIn(scene.admin.username);
});
