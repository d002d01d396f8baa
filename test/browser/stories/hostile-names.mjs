// Attack: the name of a device is HTML, or long enough to push important text off the page.

import { Device } from '../device.mjs';
import { assert, heading, press, scene, signedIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const markup = '"><img src=x onerror=alert(1)><script>alert(1)</script>';
  const devices = {
    markup: { 'X-Plex-Product': markup, 'X-Plex-Device-Name': markup, 'X-Plex-Platform': markup, 'X-Plex-Version': markup },
    long: { 'X-Plex-Product': 'W'.repeat(120), 'X-Plex-Device-Name': 'M'.repeat(120), 'X-Plex-Platform': 'iOS '.repeat(30) },
    silent: { 'X-Plex-Product': '', 'X-Plex-Device-Name': '', 'X-Plex-Device': '', 'X-Plex-Platform': '', 'X-Plex-Version': '' },
  };
  for (const [name, headers] of Object.entries(devices)) {
    const device = new Device(name);
    Object.assign(device.headers, headers);
    await page.goto(`/auth?code=${await device.askPIN()}`);
    await heading(page, /wants to sign in/);
    assert.equal(await page.locator('main img, main script').count(), 0);
    await stage.look(page, `consent-${name}`);
    await press(page, 'Allow');
    await heading(page, / is signed in as /);
    await device.signIn(scene.admin.username);
  }
  for (const [path, name] of [['/account/devices', 'account-devices'], ['/account/sign-ins', 'account-sign-ins'], ['/admin/tokens', 'tokens'], ['/admin/audit', 'audit']]) {
    await page.goto(path);
    assert.equal(await page.locator('main img, main section script:not([src])').count(), 0);
    await stage.look(page, `${name}-hostile`);
  }
  await page.goto(`/link?pin=${encodeURIComponent(markup)}`);
  await heading(page, 'Not found');
  assert.equal(await page.locator('main img, main script').count(), 0);
});
