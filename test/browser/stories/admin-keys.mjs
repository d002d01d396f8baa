// An admin creates a key for a program, passes it on, and revokes it.

import { announced, assert, confirm, heading, press, scene, signedIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  await page.goto('/admin');
  await page.getByRole('navigation', { name: 'Pages for admins' }).getByRole('link', { name: 'Keys' }).click();
  await heading(page, 'Keys of the admin API');
  await stage.look(page, 'admin-keys-none');

  const fill = async (name, scopes, password = scene.admin.password) => {
    await page.getByLabel('Name').fill(name);
    for (const scope of scopes) await page.getByRole('checkbox', { name: scope }).check();
    await page.getByLabel('Your own password').fill(password);
    await press(page, 'Make the key');
  };
  await fill('dashboard', ['accounts:read', 'status:read'], 'wrong');
  await announced(page, 'Your own password is not right.');
  assert.equal(await page.getByLabel('Name').inputValue(), 'dashboard', 'the name must be kept');
  assert.ok(await page.getByRole('checkbox', { name: 'accounts:read' }).isChecked(), 'the scopes must be kept');
  await fill('dashboard', []);
  const made = page.getByRole('region', { name: 'The key dashboard' });
  const key = await made.locator('code.link').innerText();
  await stage.look(page, 'admin-key-made');

  // The key allows what its scopes say, and nothing else.
  const ask = async (path) => (await fetch(`${scene.url}${path}`, { headers: { Authorization: `Bearer ${key}` } })).status;
  assert.equal(await ask('/admin/api/v1/accounts'), 200);
  assert.equal(await ask('/admin/api/v1/servers'), 403);

  // The key is shown only once.
  await made.getByRole('link', { name: 'I have it' }).click();
  await made.waitFor({ state: 'detached' });
  assert.equal((await page.content()).includes(key), false, 'the key must not be shown again');

  // The longest name, and an expiry.
  await page.getByText('Say what it is for').click();
  await page.getByLabel('Last day').fill('2099-12-31');
  await fill('W'.repeat(40), ['accounts:write']);
  await page.getByRole('link', { name: 'I have it' }).click();
  await page.getByText('W'.repeat(40)).waitFor();
  await stage.look(page, 'admin-keys');

  await press(page, 'Revoke dashboard');
  await heading(page, 'Revoke the key dashboard?');
  await stage.look(page, 'admin-key-question');
  await page.getByRole('link', { name: 'Keep everything as it is' }).click();
  await heading(page, 'Keys of the admin API');
  assert.equal(await ask('/admin/api/v1/accounts'), 200);
  await press(page, 'Revoke dashboard');
  await confirm(page, 'Revoke the key');
  await page.getByRole('status').waitFor();
  assert.equal(await page.getByText('dashboard', { exact: true }).count(), 0);
  assert.equal(await ask('/admin/api/v1/accounts'), 401);
});
