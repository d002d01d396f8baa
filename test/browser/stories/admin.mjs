// An admin adds an account and a server, and shares the server. The new user finds it on a device.

import { Device } from '../device.mjs';
import { announced, assert, confirm, heading, open, press, scene, signedIn, story } from '../story.mjs';

const mia = { username: 'mia', email: 'mia@example.com', password: 'the first password' };

await story(async (stage) => {
  const page = await signedIn(stage);
  await page.getByRole('link', { name: 'Admin', exact: true }).click();
  await heading(page, 'Overview');
  await stage.look(page, 'admin-overview');

  const tab = (name) => page.getByRole('navigation', { name: 'Pages for admins' }).getByRole('link', { name }).click();
  await tab('Accounts');
  await heading(page, 'Accounts');
  const add = async (own) => {
    const form = page.getByRole('region', { name: 'Add somebody' });
    if (!await form.getByLabel('Their password').isVisible()) await form.getByText('Add an account').click();
    await form.getByLabel('Name').fill(mia.username);
    await form.getByLabel('E-mail').fill(mia.email);
    await form.getByLabel('Their password').fill(mia.password);
    await form.getByLabel('Your own password').fill(own);
    await press(page, 'Add');
  };
  await add('wrong');
  await announced(page, 'Your own password is not right.');
  await stage.look(page, 'admin-accounts-wrong-password');
  await add(scene.admin.password);
  await page.getByRole('status').filter({ hasText: 'Added.' }).waitFor();
  await stage.look(page, 'admin-accounts');

  await tab('Servers');
  await heading(page, 'Servers');
  const form = page.getByRole('region', { name: 'Add a server' });
  await form.getByText('Give its name and addresses').click();
  await form.getByLabel('Name').fill('Den');
  await form.getByLabel('Machine identifier').fill('den-4f2a');
  await form.getByLabel('Connections').fill('http://192.168.1.20:32400\nhttps://den.example.com:32400 remote');
  await press(page, 'Add');
  await page.getByRole('status').filter({ hasText: 'Added.' }).waitFor();
  await stage.look(page, 'admin-servers');
  await page.getByRole('link', { name: 'Den', exact: true }).click();
  await heading(page, 'Den');
  await page.getByLabel('Share it with').selectOption('mia');
  await press(page, 'Share');
  await page.getByRole('status').filter({ hasText: 'Shared.' }).waitFor();
  await stage.look(page, 'admin-server');
  await page.goto('/admin/shares');
  await heading(page, 'Shares');
  assert.equal(await page.getByRole('button', { name: 'Take back the share of mia in Den' }).count(), 1);
  await stage.look(page, 'admin-shares');

  // The new user signs in, and their device sees the server.
  const hers = await signedIn(stage, mia);
  assert.equal(await hers.getByRole('link', { name: 'Admin', exact: true }).count(), 0);
  await hers.goto('/admin');
  await heading(hers, 'Access denied');
  await stage.look(hers, 'admin-refused');
  const television = new Device('Living room');
  await hers.goto(`/auth?code=${await television.askPIN()}`);
  await press(hers, 'Allow');
  await heading(hers, / is signed in as /);
  await television.signIn('mia');
  const servers = async () => (await (await television.resources()).json()).map((server) => server.name);
  assert.ok((await servers()).includes('Den'));

  await tab('Tokens');
  await heading(page, 'Live tokens');
  await stage.look(page, 'admin-tokens');
  assert.equal((await page.content()).includes(television.token), false, "a token's text must not be shown");

  await tab('Origins');
  await heading(page, 'Allowed origins');
  await page.getByRole('textbox', { name: 'Origin' }).fill('https://app.example.org');
  await press(page, 'Allow');
  await page.getByText('https://app.example.org', { exact: true }).waitFor();
  await stage.look(page, 'admin-origins');

  await tab('Providers');
  await heading(page, 'Providers');
  await stage.look(page, 'admin-providers');

  await tab('Audit log');
  await heading(page, 'Audit log');
  await stage.look(page, 'admin-audit');
  const row = page.getByRole('row').filter({ hasText: 'origin.allowed' }).first();
  const detail = row.locator('td').last();
  assert.equal(await detail.isVisible(), false, 'on a phone, a row has two lines');
  await row.locator('summary').click();
  assert.ok(await detail.isVisible(), 'a row that is opened is whole');
  await stage.look(page, 'admin-audit-row');
  await page.getByLabel('Account').fill('mia');
  await press(page, 'Search');
  await page.getByRole('row').filter({ hasText: 'mia' }).first().waitFor();
  assert.equal(await page.getByRole('row').filter({ hasText: 'origin' }).count(), 0);
  await open(page, 'Is it whole\\?');
  await press(page, 'Verify the chain');
  await heading(page, 'The log is whole');
  await stage.look(page, 'admin-verify');

  // The share and the account are removed.
  await tab('Servers');
  await page.getByRole('link', { name: 'Den', exact: true }).click();
  await press(page, 'Take back the share of mia');
  await stage.look(page, 'admin-share-question');
  await confirm(page, 'Take it back');
  await page.getByRole('status').filter({ hasText: 'The share is taken back.' }).waitFor();
  assert.equal((await servers()).includes('Den'), false);
  await tab('Accounts');
  await page.getByRole('link', { name: 'mia' }).click();
  await heading(page, 'mia');
  await stage.look(page, 'admin-person');
  await open(page, 'Role, disable or remove');
  await press(page, 'Disable mia');
  await heading(page, 'Disable mia?');
  await stage.look(page, 'admin-disable-question');
  await confirm(page, 'Disable mia');
  await page.getByRole('status').filter({ hasText: 'The account is disabled' }).waitFor();
  await stage.look(page, 'admin-person-disabled');
  assert.equal((await television.call()).status, 401);
  await hers.goto('/account');
  await heading(hers, 'Sign in');

  await tab('Overview');
  await heading(page, 'Overview');
  await page.getByText('The same as a table').click();
  await stage.look(page, 'admin-overview-after');
});
