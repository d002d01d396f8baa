// Linking a device in a browser without JavaScript, also with the address in the QR code.

import { Device } from '../device.mjs';
import { heading, press, scene, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await stage.open({ javaScriptEnabled: false });
  const television = new Device('Living room');
  const code = await television.askPIN();
  await page.goto('/link');
  await heading(page, 'Sign in');
  await signIn(page);
  await heading(page, 'Link a device');
  for (const [i, letter] of [...code].entries()) {
    await page.getByLabel(`Character ${i + 1} of 4`).fill(letter);
  }
  await press(page, 'Continue');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await television.signIn(scene.admin.username);

  const tablet = new Device('Kitchen');
  await page.goto(`/link?pin=${await tablet.askPIN()}`);
  await press(page, 'Continue');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await tablet.signIn(scene.admin.username);

  // A program that opens the sign-in page with a plain query does not need JavaScript either.
  const laptop = new Device('Desk');
  await laptop.askPIN({ strong: true });
  await page.goto(laptop.authPath('?'));
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await laptop.signIn(scene.admin.username);
});
