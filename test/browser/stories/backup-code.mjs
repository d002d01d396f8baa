// The phone is lost: a backup code signs in, once.

import { turnOn } from '../authenticator.mjs';
import { announced, heading, press, scene, signedIn, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  await page.goto('/account/second-factor');
  const { codes: [code] } = await turnOn(page);

  const other = await stage.open();
  await other.goto('/auth');
  await signIn(other);
  await other.getByLabel('Verification code').fill(code);
  await press(other, 'Continue');
  await heading(other, scene.admin.username);
  await other.getByText('9 backup codes are left').waitFor();

  const again = await stage.open();
  await again.goto('/auth');
  await signIn(again);
  await again.getByLabel('Verification code').fill(code);
  await press(again, 'Continue');
  await announced(again, 'The code is not right, or was used before.');
});
