// The overview shows an admin warnings, and the unknown paths that programs requested.

import { join } from 'node:path';
import { turnOn } from '../authenticator.mjs';
import { assert, heading, scene, signedIn, story, usher } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const warning = (text) => page.getByRole('region', { name: 'Warnings' }).getByText(text);
  const missed = page.getByRole('region', { name: 'Unknown paths' });
  await page.goto('/admin');
  await heading(page, 'Overview');
  await warning('Your account has no second factor').waitFor();
  await warning('There is no backup yet').waitFor();
  assert.equal(await missed.count(), 0);

  // Programs request unknown paths, some of which contain secrets.
  const paths = [
    '/library/sections', '/library/sections', '/hubs/home/recentlyAdded?X-Plex-Token=abcdefghij',
    '/library/sections'.repeat(4), '/status/sessions'.repeat(20),
  ];
  for (const path of paths) assert.equal((await fetch(`${scene.url}${path}`)).status, 404);
  await page.reload();
  await missed.getByText('Show them').click();
  await missed.getByText('/library/sections', { exact: true }).waitFor();
  assert.equal((await page.content()).includes('abcdefghij'), false, 'a secret must not be shown');
  await stage.look(page, 'admin-overview-warnings');

  // Resolved warnings disappear.
  usher(['backup', join(scene.data, 'backup.tar')]);
  await page.goto('/account/second-factor');
  await turnOn(page);
  await page.goto('/admin');
  await heading(page, 'Overview');
  assert.equal(await warning('Your account has no second factor').count(), 0);
  assert.equal(await warning('There is no backup yet').count(), 0);
});
