// The main forms in a browser without JavaScript: from the first account to each change by an admin, with
// confirmation pages, links that are shown once, and invalid forms.

import { turnOn } from '../authenticator.mjs';
import { Device } from '../device.mjs';
import { announced, assert, confirm, heading, open, press, scene, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const { admin } = scene;
  const page = await stage.open({ javaScriptEnabled: false });
  const said = (text) => page.getByRole('status').filter({ hasText: text }).waitFor();
  const picture = async (name) => {
    await page.screenshot({ path: `${scene.screenshots}/${name}.png`, fullPage: true });
    const dead = await page.getByRole('button', { name: /^(Copy|Print|Copy the address)$/ }).count();
    assert.equal(dead, 0, `${name} has buttons that do nothing`);
  };

  // Set-up.
  await page.goto(scene.setUpLink);
  await heading(page, 'Welcome');
  const setUp = async (password) => {
    await page.getByLabel('Name').fill(admin.username);
    await page.getByLabel('E-mail').fill(admin.email);
    await page.getByLabel('Password').fill(password);
    await press(page, 'Make the account');
  };
  await setUp('password');
  await announced(page, 'commonest');
  assert.equal(await page.getByLabel('E-mail').inputValue(), admin.email);
  await setUp(admin.password);
  await heading(page, admin.username);
  await picture('account');

  // The second factor, and signing in with it: by the app, and by a backup code.
  await page.goto('/account/second-factor');
  const { codes, next } = await turnOn(page);
  assert.equal(codes.length, 10);
  await picture('backup-codes');
  await page.getByRole('link', { name: 'I have kept them' }).click();
  await page.getByText('On, 10 backup codes are left.').waitFor();
  for (const code of [next, codes[0]]) {
    await press(page, 'Sign out');
    await page.goto('/account/profile');
    await signIn(page, { ...admin, password: 'wrong' });
    await announced(page, 'The name or the password is not right.');
    await signIn(page);
    await heading(page, 'One more step');
    await page.getByLabel('Verification code').fill('000000');
    await press(page, 'Continue');
    await announced(page, 'The code is not right');
    await page.getByLabel('Verification code').fill(code);
    await press(page, 'Continue');
    await heading(page, 'Profile');
  }

  // The account: name, e-mail and password.
  const profile = async (username, password) => {
    await page.getByRole('textbox', { name: 'Name' }).fill(username);
    await page.getByLabel('Your password').fill(password);
    await press(page, 'Save');
  };
  await profile('olga2', 'wrong');
  await announced(page, 'Your own password is not right.');
  assert.equal(await page.getByRole('textbox', { name: 'Name' }).inputValue(), 'olga2');
  await picture('profile-wrong');
  await profile('olga2', admin.password);
  await said('Saved.');
  await page.goto('/account/security');
  const password = 'the second password';
  await page.getByLabel('Your password now').fill(admin.password);
  await page.getByLabel('New password').fill(password);
  await press(page, 'Change the password');
  await said('Your password is changed.');
  Object.assign(admin, { username: 'olga2', password });

  // A device is linked, and removed after the question.
  const television = new Device('Living room');
  await page.goto(`/link?pin=${await television.askPIN()}`);
  await press(page, 'Continue');
  await picture('consent');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await television.signIn(admin.username);
  await page.goto('/account/devices');
  await press(page, 'Sign out Living room');
  await heading(page, 'Sign out “Living room”?');
  await picture('device-question');
  assert.equal((await television.call()).status, 200);
  await page.getByRole('link', { name: 'Keep everything as it is' }).click();
  await press(page, 'Sign out Living room');
  await confirm(page, 'Sign it out');
  await said('The device is signed out.');
  assert.equal((await television.call()).status, 401);

  // Accounts: added, renamed and promoted.
  await page.goto('/admin/accounts');
  const add = async (own) => {
    await open(page, 'Add an account');
    await page.getByRole('textbox', { name: 'Name' }).fill('mia');
    await page.getByLabel('Their password').fill('the first password');
    await page.getByLabel('Your own password').fill(own);
    await press(page, 'Add');
  };
  await add('wrong');
  await announced(page, 'Your own password is not right.');
  await picture('accounts-wrong');
  await add(password);
  await said('Added.');
  await heading(page, 'mia');
  await open(page, 'Name, e-mail and password', 'Give it another name');
  const rename = page.locator('form', { has: page.getByRole('button', { name: 'Change the name' }) });
  await rename.getByLabel('Their name').fill('mira');
  await rename.getByLabel('Your own password').fill(password);
  await press(page, 'Change the name');
  await heading(page, 'mira');
  await open(page, 'Role, disable or remove');
  await press(page, 'Make them an admin');
  await heading(page, 'Make mira an admin?');
  await picture('promote-question');
  await page.getByLabel('Your own password').fill('wrong');
  await press(page, 'Make them an admin');
  await announced(page, 'Your own password is not right.');
  await confirm(page, 'Make them an admin');
  await page.getByRole('status').waitFor();
  await picture('promoted');

  // An invitation, whose link is shown once and works.
  await page.goto('/admin/invitations');
  await page.getByRole('textbox', { name: 'Name' }).fill('noa');
  await page.getByLabel('Your own password').fill(password);
  await press(page, 'Make a link');
  await heading(page, 'A link for noa');
  await picture('invitation-link');
  const link = await page.locator('code.link').innerText();
  const theirs = await stage.open({ javaScriptEnabled: false });
  await theirs.goto(link);
  await heading(theirs, 'Welcome');
  await theirs.getByLabel('Password').fill('the password of noa');
  await press(theirs, 'Make my account');
  await heading(theirs, 'noa');

  // A server, a share of it, and taking that back.
  await page.goto('/admin/servers');
  await open(page, 'Give its name and addresses');
  const server = async (connections) => {
    await page.getByRole('textbox', { name: 'Name' }).fill('Den');
    await page.getByLabel('Machine identifier').fill('den-4f2a');
    await page.getByLabel('Connections').fill(connections);
    await press(page, 'Add');
  };
  await server('http://192.168.1.20:32400 remotely');
  await announced(page, 'there may stand local, remote or relay');
  assert.equal(await page.getByLabel('Machine identifier').inputValue(), 'den-4f2a');
  await picture('servers-wrong');
  await server('http://192.168.1.20:32400');
  await said('Added.');
  await page.getByRole('link', { name: 'Den', exact: true }).click();
  await page.getByLabel('Share it with').selectOption('noa');
  await press(page, 'Share');
  await said('Shared.');
  await picture('shared');
  await press(page, 'Take back the share of noa');
  await confirm(page, 'Take it back');
  await said('The share is taken back.');

  // A key, which is shown once, works, and is revoked.
  await page.goto('/admin/keys');
  await page.getByRole('textbox', { name: 'Name' }).fill('dashboard');
  await page.getByRole('checkbox', { name: 'accounts:read' }).check();
  await page.getByLabel('Your own password').fill(password);
  await press(page, 'Make the key');
  await picture('key');
  const headers = { Authorization: `Bearer ${await page.locator('code.link').innerText()}` };
  const status = async () => (await fetch(`${scene.url}/admin/api/v1/accounts`, { headers })).status;
  assert.equal(await status(), 200);
  await page.getByRole('link', { name: 'I have it' }).click();
  await press(page, 'Revoke dashboard');
  await confirm(page, 'Revoke the key');
  await page.getByRole('status').waitFor();
  assert.equal(await status(), 401);

  // Everything else is signed out, and another account is removed.
  await page.goto('/account/browsers');
  await press(page, 'Sign out everything but this browser');
  await confirm(page, 'Sign out everything else');
  await said('Everything but this browser is signed out.');
  await page.goto('/admin/accounts');
  await page.getByRole('link', { name: 'noa' }).click();
  await open(page, 'Role, disable or remove');
  await press(page, 'Remove noa');
  await picture('remove-question');
  await confirm(page, 'Remove noa');
  await page.getByRole('status').waitFor();
  assert.equal(await page.getByRole('link', { name: 'noa' }).count(), 0);
  await theirs.goto('/account');
  await heading(theirs, 'Sign in');
});
