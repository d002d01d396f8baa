// Signing in and linking a device without a mouse. The focus is always visible.

import { Device } from '../device.mjs';
import { assert, heading, scene, story, typeCode } from '../story.mjs';

// tabTo presses Tab until a button or a link with a name has the focus. Every element on the way must show the
// focus.
async function tabTo(page, name) {
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press('Tab');
    const focus = await page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      const box = document.activeElement.getBoundingClientRect();
      return {
        name: document.activeElement.innerText || document.activeElement.getAttribute('aria-label'),
        seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && box.left >= 0 && box.width > 0,
      };
    });
    assert.ok(focus.seen, `nobody sees that ${focus.name} has the focus`);
    if (focus.name === name) return;
  }
  assert.fail(`Tab does not come to ${name}`);
}

await story(async (stage) => {
  const device = new Device('Living room');
  const code = await device.askPIN();
  const page = await stage.open();
  await page.goto('/');
  await tabTo(page, 'Skip to the content');
  await stage.look(page, 'home-skip-link');
  await tabTo(page, 'A device shows a code');
  await page.keyboard.press('Enter');
  await heading(page, 'Sign in');
  await page.locator('#auth-sign-in-login:focus').waitFor(); // it has the focus from the start
  await page.keyboard.type(scene.admin.username);
  await page.keyboard.press('Tab');
  await page.keyboard.type(scene.admin.password);
  await page.keyboard.press('Enter');
  await heading(page, 'Link a device');
  await typeCode(page, `${code[0]}${code[1]}X`);
  await page.keyboard.press('Backspace'); // the focus is in the fourth box, which is empty, so it moves back
  await page.keyboard.type(code[2] + code[3]);
  await page.keyboard.press('Enter');
  await heading(page, '“Shelf for TV” wants to sign in');
  await tabTo(page, 'Allow');
  await stage.look(page, 'consent-focus');
  await page.keyboard.press('Enter');
  await heading(page, / is signed in as /);
  await tabTo(page, 'To your account');
  await page.keyboard.press('Enter');
  await heading(page, scene.admin.username);
  await device.signIn(scene.admin.username);
  await tabTo(page, 'Sign out');
  await page.keyboard.press('Space');
  await heading(page, 'Sign in');
});
