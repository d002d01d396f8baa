// A form is submitted after the session has ended: nothing is saved, and the pages say so and lead back to the
// form. With JavaScript, the submitted values are filled in again, except passwords, and only for the same account.

import { announced, assert, heading, open, press, scene, signedIn, signIn, story, usher } from '../story.mjs';

const mia = { username: 'mia', password: 'the password of mia' };

// endOther revokes every other session of an account, like a user who has lost a computer.
async function endOther(page) {
  await page.goto('/account/browsers');
  await press(page, 'Sign out everything but this browser');
  await press(page, 'Sign out everything else');
  await page.getByRole('status').waitFor();
  await heading(page, 'Browsers');
}

// fillIn fills the form of a new server in, and that of a new account.
async function fillIn(page) {
  await page.goto('/admin/servers?search=d');
  await open(page, 'Give its name and addresses');
  await page.getByRole('textbox', { name: 'Name' }).fill('Den');
  await page.getByLabel('Machine identifier').fill('den-4f2a');
  await page.getByLabel('Connections').fill('http://192.168.1.20:32400\nhttps://den.example.com:32400 remote');
  await page.getByLabel('Owner').selectOption('mia');
  await page.getByLabel('Share it with everyone').check();
}

await story(async (stage) => {
  usher(['account', 'add', mia.username, '--admin', '--password-stdin'], `${mia.password}\n`);
  const other = await signedIn(stage);
  for (const javaScriptEnabled of [true, false]) {
    const page = await signedIn(stage, scene.admin, { javaScriptEnabled });
    const how = javaScriptEnabled ? 'with' : 'without';
    await fillIn(page);
    await endOther(other);
    await press(page, 'Add');
    await heading(page, 'Sign in');
    await announced(page, 'You were signed out, so nothing was saved.');
    if (javaScriptEnabled) await stage.look(page, 'sign-in-unsaved');
    await signIn(page, { ...scene.admin, password: 'wrong' });
    await announced(page, 'The name or the password is not right.');
    await signIn(page);
    await heading(page, 'Servers');
    await announced(page, 'so nothing was saved. Send it again.');
    assert.equal(new URL(page.url()).searchParams.get('search'), 'd', 'the page is the one that was there');
    await page.screenshot({ path: `${scene.screenshots}/servers-unsaved-${how}.png`, fullPage: true });
    assert.equal(await page.getByText('What you typed is in the form again').isVisible(), javaScriptEnabled);
    if (javaScriptEnabled) {
      await stage.look(page, 'servers-unsaved');
      assert.equal(await page.getByLabel('Owner').inputValue(), '2');
      assert.ok(await page.getByLabel('Share it with everyone').isChecked());
      await press(page, 'Add');
      await page.getByRole('status').filter({ hasText: 'Added.' }).waitFor();
      await page.goto('/admin/servers');
      assert.equal(await page.getByRole('link', { name: 'Den', exact: true }).count(), 1);
    } else {
      await open(page, 'Give its name and addresses');
      assert.equal(await page.getByRole('textbox', { name: 'Name' }).inputValue(), '');
    }
  }

  // A password is not kept, and neither is anything for another account.
  const page = await signedIn(stage);
  const addAccount = async () => {
    await page.goto('/admin/accounts');
    await open(page, 'Add an account');
    await page.getByRole('textbox', { name: 'Name' }).fill('ben');
    await page.getByRole('textbox', { name: 'E-mail' }).fill('ben@example.org');
    await page.getByLabel('Their password').fill('the password of ben');
    await page.getByLabel('Your own password').fill(scene.admin.password);
    await endOther(other);
    await press(page, 'Add');
    await heading(page, 'Sign in');
    const kept = await page.evaluate(() => JSON.stringify({ ...sessionStorage }));
    assert.ok(kept.includes('ben@example.org'), kept);
    assert.ok(!kept.includes('the password') && !kept.includes(scene.admin.password.slice(0, 8)), kept);
  };
  await addAccount();
  await signIn(page);
  await heading(page, 'Accounts');
  assert.equal(await page.getByRole('textbox', { name: 'E-mail' }).inputValue(), 'ben@example.org');
  assert.equal(await page.getByLabel('Their password').inputValue(), '');
  assert.equal(await page.getByLabel('Your own password').inputValue(), '');
  await addAccount();
  await signIn(page, mia);
  await heading(page, 'Accounts');
  await announced(page, 'so nothing was saved. Send it again.');
  await open(page, 'Add an account');
  assert.equal(await page.getByRole('textbox', { name: 'E-mail' }).inputValue(), '');
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});
