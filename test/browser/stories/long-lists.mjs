// Many devices and accounts with long names: no page is longer than a few screens of a phone, and a truncated name
// is shown in full on demand. Searches find them.

import { Device } from '../device.mjs';
import { assert, heading, press, scene, signedIn, story, usher } from '../story.mjs';

const long = (text) => text.padEnd(44, 'm'); // without a place for a line break

// checkHeight makes sure that a page is less than 2,000 pixels high, on the narrowest phone.
async function checkHeight(page, where) {
  for (const width of [320, 390]) {
    await page.setViewportSize({ width, height: 800 });
    const { height, wide } = await page.evaluate(() => ({
      height: document.documentElement.scrollHeight,
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    }));
    console.log(`${where}, ${width} pixels wide: ${height} pixels high`);
    assert.ok(height < 2000, `${where} is ${height} pixels high at ${width}`);
    assert.ok(wide <= 0, `${where} is ${wide} pixels too wide at ${width}`);
  }
  await page.setViewportSize({ width: 390, height: 844 });
}

await story(async (stage) => {
  const page = await signedIn(stage);
  const first = new Device('First');
  await page.goto(`/auth?code=${await first.askPIN()}`);
  await press(page, 'Allow');
  await first.signIn(scene.admin.username);
  for (let i = 0; i < 28; i++) {
    const device = new Device(i % 4 ? `Device ${i}` : long(`Device${i}`));
    device.headers['X-Plex-Product'] = ['Shelf for TV', 'Player', 'Shelf for phones'][i % 3];
    device.headers['X-Plex-Platform'] = ['tvOS', 'Android', 'iOS', 'Windows'][i % 4];
    const answer = await fetch(`${scene.url}/api/v2/pins/link`, {
      method: 'PUT', headers: { ...first.headers, 'X-Plex-Token': first.token }, body: new URLSearchParams({ code: await device.askPIN() }),
    });
    assert.equal(answer.status, 204);
  }
  await page.goto('/account/devices');
  await heading(page, 'Devices');
  await page.getByRole('heading', { name: '29 signed in' }).waitFor();
  await checkHeight(page, 'devices');
  await stage.look(page, 'devices-many');

  // The exact time is shown when it has the keyboard focus.
  const time = page.locator('.when').first();
  assert.ok((await time.locator('.exact').boundingBox()).width <= 1);
  await time.hover();
  assert.ok((await time.locator('.exact').boundingBox()).width > 50);
  await page.mouse.move(0, 0);
  await time.focus();
  assert.ok((await time.locator('.exact').boundingBox()).width > 50);
  await stage.look(page, 'devices-time');

  await page.getByLabel('Search').fill('DEVICE 1');
  await page.getByLabel('Order').selectOption('name');
  await press(page, 'Show');
  await page.getByRole('heading', { name: 'Found for “DEVICE 1”' }).waitFor();
  assert.equal(await page.getByRole('button', { name: /^Sign out Device 1/ }).count(), 6); // and three more
  await page.getByRole('link', { name: 'Next page' }).click();
  await page.getByRole('link', { name: 'Previous page' }).waitFor();
  assert.equal(await page.getByRole('button', { name: /^Sign out Device 1/ }).count(), 3);
  await page.getByLabel('Search').fill(long('Device12'));
  await press(page, 'Show');
  await page.setViewportSize({ width: 320, height: 800 });
  const name = page.locator('details.name > summary').filter({ hasText: long('Device12') }).first();
  const cut = (await name.boundingBox()).height;
  await name.click();
  assert.ok((await name.boundingBox()).height > cut, 'a name that is cut is shown whole on demand');
  await stage.look(page, 'devices-found');

  for (let i = 0; i < 24; i++) usher(['account', 'add', long(`user${i}-`), '--password-stdin'], 'a password of theirs\n');
  await page.goto('/admin/accounts');
  await heading(page, 'Accounts');
  await checkHeight(page, 'accounts');
  await stage.look(page, 'accounts-many');
  await page.goto('/admin/tokens');
  await checkHeight(page, 'tokens');
  await page.goto('/account/browsers');
  await checkHeight(page, 'browsers');
});
