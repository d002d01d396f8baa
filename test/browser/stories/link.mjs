// A television shows four characters, and a phone links it: by typing them and by pasting them. An unknown code is
// rejected.

import { Device } from '../device.mjs';
import { announced, assert, heading, press, scene, signedIn, story, typeCode } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const username = scene.admin.username;

  const television = new Device('Living room');
  const code = await television.askPIN();
  await page.getByRole('link', { name: 'Link a device', exact: true }).click();
  await heading(page, 'Link a device');
  await stage.look(page, 'link');
  await typeCode(page, code.toLowerCase()); // the first box has the focus, and each moves it to the next
  await stage.look(page, 'link-filled');
  await press(page, 'Continue');
  await heading(page, '“Shelf for TV” wants to sign in');
  for (const shown of ['“Shelf for TV” “2.1.0”', '“Living room” (“tvOS”)', '127.0.0.1']) {
    await page.getByRole('definition').filter({ hasText: shown }).waitFor();
  }
  await page.getByText(code, { exact: true }).waitFor();
  await stage.look(page, 'consent');
  assert.equal((await (await television.poll()).json()).authToken, null, 'nothing is given before consent');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await stage.look(page, 'done');
  await television.signIn(username);

  const tablet = new Device('Kitchen');
  await page.goto('/link');
  await page.locator('input:focus').waitFor();
  await page.evaluate((text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text', ` ${text}\n`);
    document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  }, await tablet.askPIN());
  await press(page, 'Continue');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await tablet.signIn(username);

  // An unknown code, and a used one.
  for (const wrong of ['AEUO', code]) {
    await page.goto('/link');
    await typeCode(page, wrong);
    await press(page, 'Continue');
    await announced(page, 'No device shows this code now');
  }
  await stage.look(page, 'link-unknown-code');
});
