// A browser that prefers German gets the pages in German, and no page is wider because of it. A device is allowed,
// and then undone.

import { Device } from '../device.mjs';
import { announced, assert, heading, press, scene, story } from '../story.mjs';

await story(async (stage) => {
  const page = await stage.open({ locale: 'de-DE' });
  await page.goto('/auth');
  await heading(page, 'Anmelden');
  assert.equal(await page.getAttribute('html', 'lang'), 'de');
  await page.getByLabel('Name oder E-Mail').fill(scene.admin.username);
  await page.getByLabel('Passwort').fill('falsch');
  await press(page, 'Anmelden');
  await announced(page, 'Der Name oder das Passwort ist nicht richtig.');
  await stage.look(page, 'sign-in-german');
  await page.getByLabel('Passwort').fill(scene.admin.password);
  await press(page, 'Anmelden');
  await heading(page, scene.admin.username);
  await stage.look(page, 'account-german');

  const device = new Device('Wohnzimmer');
  await page.goto(`/auth?code=${await device.askPIN()}`);
  await heading(page, `“Shelf for TV” möchte sich als ${scene.admin.username} anmelden`);
  await stage.look(page, 'consent-german');
  await press(page, 'Erlauben');
  await heading(page, `“Wohnzimmer” ist angemeldet als ${scene.admin.username}`);
  await device.signIn(scene.admin.username);
  await stage.look(page, 'linked-german');
  await press(page, 'Rückgängig: wieder abmelden');
  await page.getByRole('status').filter({ hasText: 'Das Gerät ist abgemeldet.' }).waitFor();
  assert.equal((await device.call()).status, 401);

  await page.goto('/account/security');
  await page.getByLabel('Dein jetziges Passwort').fill('falsch');
  await page.getByLabel('Neues Passwort').fill('ein neues Passwort');
  await press(page, 'Passwort ändern');
  await announced(page, 'Dein eigenes Passwort ist nicht richtig.');
  await page.getByRole('alert').getByRole('link').click();
  assert.equal(await page.evaluate(() => document.activeElement.name), 'current', 'the summary leads to the field');
  await stage.look(page, 'security-german');
});
