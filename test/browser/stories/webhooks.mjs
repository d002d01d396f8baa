// A user adds the address of a receiver, copies the secret that signs its requests, and replaces the secret.

import { announced, assert, confirm, heading, press, signedIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  await page.goto('/account');
  await page.getByRole('navigation', { name: 'Your account' }).getByRole('link', { name: 'Webhooks' }).click();
  await heading(page, 'Webhooks');
  await stage.look(page, 'webhooks-none');

  const add = async (address) => {
    await page.getByRole('textbox', { name: /^Address/ }).fill(address);
    await press(page, 'Add the address');
  };
  await add('http://192.168.1.5/hook');
  await announced(page, 'not sent to an address that is not public');
  assert.equal(await page.getByRole('textbox', { name: /^Address/ }).inputValue(), 'http://192.168.1.5/hook', 'the address must be kept');
  await stage.look(page, 'webhooks-wrong');
  await add('https://example.org/hook');
  await add(`https://example.org/${'long'.repeat(60)}`);
  await stage.look(page, 'webhooks');
  await press(page, 'Remove https://example.org/hook');
  await page.getByRole('status').filter({ hasText: 'The address is removed.' }).waitFor();
  assert.equal(await page.getByText('https://example.org/hook', { exact: true }).count(), 0);

  // Showing the secret requires the password, and it is shown only on request.
  const secret = page.getByRole('region', { name: 'The secret' });
  await press(page, 'Show the secret');
  await heading(page, 'Show the secret of your webhooks?');
  await stage.look(page, 'webhook-secret-question');
  await page.getByLabel('Your own password').fill('wrong');
  await press(page, 'Show the secret');
  await announced(page, 'Your own password is not right.');
  await confirm(page, 'Show the secret');
  const first = await secret.locator('code.link').innerText();
  await stage.look(page, 'webhook-secret');
  await secret.getByRole('link', { name: 'I have it' }).click();
  await secret.waitFor({ state: 'detached' });
  assert.equal((await page.content()).includes(first), false, 'the secret must not be shown unasked');

  await press(page, 'Replace the secret');
  await heading(page, 'Replace the secret of your webhooks?');
  await confirm(page, 'Replace the secret');
  assert.notEqual(await secret.locator('code.link').innerText(), first);

  // If somebody else did this, she would get the notice.
  await page.goto('/account/notices');
  await page.getByText('The secret of your webhooks was shown').first().waitFor();
  await page.getByText('A webhook was added').first().waitFor();
  await stage.look(page, 'notices-webhooks');
});
