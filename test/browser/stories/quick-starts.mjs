// The pictures of the quick starts, one for each kind of reader. When a page has changed, copy them from
// build/screenshots/quick-starts to docs/pictures.

import { Device } from '../device.mjs';
import { assert, heading, scene, signedIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const picture = async (name, height) => {
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 720, height });
    await page.screenshot({ path: `${scene.screenshots}/${name}.png` });
  };

  // An operator sees the next steps.
  await page.getByRole('heading', { name: 'Next steps' }).waitFor();
  assert.equal(await page.locator('ol.steps > li').count(), 5);
  await picture('household', 760);

  // A developer sees the consent page of a program's users.
  const television = new Device('Living room TV');
  await page.goto(`/auth?code=${await television.askPIN()}`);
  await heading(page, '“Shelf for TV” wants to sign in as olga');
  await picture('program', 900);

  // A tester sees every operation of the API.
  await page.goto('/docs');
  await heading(page, 'API reference');
  const operation = page.locator('details.operation').filter({ hasText: '/api/v2/pins' }).first();
  await operation.scrollIntoViewIfNeeded();
  await operation.locator('summary').first().click();
  await operation.evaluate((e) => e.scrollIntoView({ block: 'start' }));
  await picture('tester', 640);
});
