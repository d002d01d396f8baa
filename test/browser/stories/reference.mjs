// A developer reads the API reference, also without JavaScript.

import { assert, heading, story } from '../story.mjs';

await story(async (stage) => {
  const page = await stage.open();
  await page.goto('/docs');
  await heading(page, 'API reference');

  const operation = page.locator('#signIn');
  await operation.locator('summary').first().click();
  await operation.getByText('verificationCode').first().waitFor();
  await operation.locator('pre').first().waitFor({ state: 'attached' });
  await operation.getByText('Example').first().click();
  // All operations look alike. A picture of the whole page would take longer than those of all other pages
  // together.
  await page.evaluate(() => document.querySelectorAll('.operation:not(#signIn, #schema-Account)').forEach((other) => other.remove()));
  await stage.look(page, 'reference');

  const plain = await stage.open({ javaScriptEnabled: false });
  await plain.goto('/docs');
  await plain.getByRole('link', { name: 'Schemas' }).click();
  await plain.locator('#schema-Resource summary').click();
  await plain.locator('#schema-Resource').getByText('publicAddressMatches').waitFor();
  assert.ok((await plain.locator('details.operation').count()) > 80);
});
