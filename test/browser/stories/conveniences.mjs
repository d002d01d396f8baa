// What the pages' script adds: all times are in the visitor's time zone, and a second click does not submit a form
// again.

import { Device } from '../device.mjs';
import { assert, heading, press, scene, signedIn, story } from '../story.mjs';

await story(async (stage) => {
  // Kathmandu's offset has a quarter of an hour. No page still has a time in UTC, or the name of that zone.
  const page = await signedIn(stage, scene.admin, { timezoneId: 'Asia/Kathmandu' });
  const television = new Device();
  await page.goto(`/auth?code=${await television.askPIN()}`);
  await press(page, 'Allow');
  await television.signIn(scene.admin.username);
  const there = (iso, options) => new Date(iso).toLocaleString('en-GB', { timeZone: 'Asia/Kathmandu', ...options });
  for (const path of ['/account/devices', '/account/browsers', '/account/sign-ins', '/account/notices', '/admin', '/admin?span=week', '/admin/tokens', '/admin/audit']) {
    await page.goto(path);
    const times = await page.locator('time[datetime]').evaluateAll((list) => list.map((e) => [e.dateTime, e.textContent]));
    assert.ok(times.length > 0, `${path} has no time`);
    for (const [iso, text] of times) {
      const clock = there(iso, { hour: '2-digit', minute: '2-digit' });
      const day = there(iso, { day: '2-digit' });
      assert.ok(text.includes(clock) || text.endsWith(`-${day}`), `${path}: ${iso} is shown as ${text}`);
    }
    const bars = await page.locator('[data-at]').evaluateAll((list) => list.map((e) => [e.dataset.at, e.textContent]));
    for (const [iso, text] of bars) assert.ok(text.includes(there(iso, { hour: '2-digit', minute: '2-digit' })), `${path}: ${iso} is shown as ${text}`);
    const shown = await page.evaluate(() => document.body.innerText + [...document.querySelectorAll('[aria-label]')].map((e) => e.ariaLabel).join('\n'));
    assert.equal(/\bUTC\b/.test(shown), false, `${path} names UTC: ${shown}`);
    assert.ok(shown.includes('times in Asia/Katmandu') || shown.includes('times in Asia/Kathmandu'), `${path} does not name the zone`);
  }

  // A click on a button while its form is being submitted.
  const tablet = new Device('Kitchen');
  await page.goto(`/auth?code=${await tablet.askPIN()}`);
  const sent = [];
  page.on('request', (request) => { if (request.method() === 'POST') sent.push(new URL(request.url()).pathname); });
  await page.route('**/auth/consent', async (route) => {
    await new Promise((resolve) => { setTimeout(resolve, 300); });
    await route.continue();
  });
  await page.getByRole('button', { name: 'Allow' }).dblclick();
  await heading(page, /“Kitchen” is signed in as /);
  assert.deepEqual(sent, ['/auth/consent']);
  await tablet.signIn(scene.admin.username);

  // A user who goes back to a submitted form can submit it again.
  await page.goto('/account/webhooks');
  await page.goBack();
  await press(page, 'Undo: sign it out again');
  await page.getByRole('status').filter({ hasText: 'The device is signed out.' }).waitFor();
  assert.equal((await tablet.call()).status, 401);
  await page.goBack(); // to the page with the button, from the browser's cache or reloaded
  if (await page.getByRole('button', { name: 'Undo: sign it out again' }).count()) await press(page, 'Undo: sign it out again');
  await heading(page, 'Not signed in');
  await stage.look(page, 'undone-twice');
});
