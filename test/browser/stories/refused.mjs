// A user denies access, and the device learns it with its next poll.

import { Device } from '../device.mjs';
import { assert, heading, press, signedIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const device = new Device('Unknown');
  const code = await device.askPIN();
  await page.goto(`/auth?code=${code}`);
  await press(page, 'Deny');
  await heading(page, 'Denied');
  await stage.look(page, 'refused');
  const answer = await device.poll();
  assert.equal(answer.status, 404);
  assert.equal((await answer.json()).errors[0].code, 1020);
  // The PIN can no longer be allowed.
  await page.goto(`/auth?code=${code}`);
  await heading(page, 'Not found');
});
