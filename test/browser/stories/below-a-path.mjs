// usher below a path, behind a proxy that removes the path: links, forms, scripts and cookies stay below it.

import { Device } from '../device.mjs';
import { addPasskey, holdPasskeys } from '../passkeys.mjs';
import { announced, assert, at, heading, open, press, scene, signedIn, story, typeCode } from '../story.mjs';

await story(async (stage) => {
  assert.equal(new URL(scene.url).pathname, '/usher');
  const page = await signedIn(stage);
  assert.equal(page.url(), at('/account'));
  await stage.look(page, 'account-below');
  const cookies = await page.context().cookies();
  assert.ok(cookies.length > 0 && cookies.every(({ path }) => path.startsWith('/usher')), JSON.stringify(cookies));

  // A script requests the challenge, and the page shows the error.
  const phone = await holdPasskeys(page);
  stage.mayRefuse('/usher/account/passkeys/challenge');
  await addPasskey(page, 'My phone', 'wrong');
  await announced(page, 'Your own password is not right.');
  await addPasskey(page, 'My phone');
  await page.getByRole('region', { name: 'Passkeys' }).getByText('My phone').waitFor();
  assert.equal((await phone.keys()).length, 1);

  await press(page, 'Sign out');
  await page.goto(at('/link'));
  await heading(page, 'Sign in');
  assert.equal(new URL(page.url()).pathname, '/usher/auth');
  await press(page, 'Sign in with a passkey');
  await heading(page, 'Link a device');
  assert.equal(page.url(), at('/link'));
  const television = new Device();
  await typeCode(page, await television.askPIN());
  await press(page, 'Continue');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await television.signIn(scene.admin.username);

  // A program's parameters are in the fragment: a script redirects to the page that reads them.
  const program = new Device('Desk');
  await program.askPIN({ strong: true });
  await page.goto(at(program.authPath('#?').replace('/auth', '/')));
  await heading(page, '“Shelf for TV” wants to sign in');
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await program.signIn(scene.admin.username);

  await page.getByRole('link', { name: 'Admin', exact: true }).click();
  await heading(page, 'Overview');
  await page.getByRole('navigation', { name: 'Pages for admins' }).getByRole('link', { name: 'Keys' }).click();
  await heading(page, 'Keys of the admin API');
  assert.equal(page.url(), at('/admin/keys'));

  // Links that other people open lead below the path, with their cookies.
  const link = async (button) => {
    await button.click();
    await heading(page, 'A link for');
    assert.equal(await page.locator('img.qr').evaluate((e) => e.naturalWidth > 0), true);
    return page.locator('code.link').innerText();
  };
  await page.goto(at('/admin/invitations'));
  await page.getByLabel('Your own password').fill(scene.admin.password);
  const invitation = await link(page.getByRole('button', { name: 'Make a link' }));
  assert.ok(invitation.startsWith(at('/invitation?key=')), invitation);
  const hers = await stage.open();
  await hers.goto(invitation);
  await heading(hers, 'Welcome');
  assert.equal(hers.url(), at('/invitation'));
  await hers.getByLabel('Name').fill('mia');
  await hers.getByLabel('Password').fill('the password of mia');
  await press(hers, 'Make my account');
  await heading(hers, 'mia');
  assert.equal(hers.url(), at('/account'));

  await page.goto(at('/admin/accounts'));
  await page.getByRole('link', { name: 'mia' }).click();
  for (const [which, path] of [['Make a link for a second factor', '/second-factor'], ['Create a link for a user who cannot sign in', '/reset']]) {
    await open(page, 'How they sign in', which);
    const form = page.locator('details', { has: page.locator('summary', { hasText: which }) }).last().locator('form');
    await form.getByLabel('Your own password').fill(scene.admin.password);
    const made = await link(form.getByRole('button'));
    assert.ok(made.startsWith(at(`${path}?key=`)), made);
    await hers.goto(made);
    await heading(hers, path === '/reset' ? 'Hello mia' : 'Turn on the second factor');
    assert.equal(hers.url(), at(path));
    await page.getByRole('link', { name: 'They have it' }).click();
    await heading(page, 'mia');
  }
  await hers.getByLabel('New password').fill('another password of mia');
  await press(hers, 'Set the password');
  await heading(hers, 'mia', true);
  const set = await hers.context().cookies();
  assert.ok(set.every((cookie) => cookie.path.startsWith('/usher')), JSON.stringify(set));

  // The API reference, and the document that it is generated from.
  await page.goto(at('/docs'));
  await heading(page, 'API reference');
  const document = await page.getByRole('link', { name: 'the OpenAPI document' }).getAttribute('href');
  assert.equal(new URL(document, page.url()).href, at('/api/openapi.yaml'));
  assert.equal((await fetch(at('/api/openapi.yaml'))).status, 200);
});
