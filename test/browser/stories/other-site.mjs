// Attacks from another site: a form that acts as the signed-in user, and a frame around a page.

import { elsewhere } from '../elsewhere.mjs';
import { assert, heading, scene, signedIn, story } from '../story.mjs';

await story(async (stage) => {
  const site = await elsewhere(`<form method="post" action="${scene.url}/account/revoke-others"><button>Win a prize</button></form>`);
  stage.allow(site.origin);
  const other = await signedIn(stage);
  const page = await signedIn(stage);
  await page.goto(site.origin);
  await page.getByRole('button').click();
  await heading(page, 'Access denied');
  await stage.look(page, 'form-of-another-site');
  await other.goto('/account');
  await heading(other, scene.admin.username);

  for (const path of ['/', '/account', '/link', '/auth', '/nothing']) {
    const { headers } = await page.request.get(path, { headers: { Accept: 'text/html' } }).then((r) => ({ headers: r.headers() }));
    assert.match(headers['content-security-policy'], /default-src 'none'.*frame-ancestors 'none'/, path);
    assert.doesNotMatch(headers['content-security-policy'], /unsafe/, path);
  }
  await page.goto('/nothing');
  await heading(page, 'Not found');
  await stage.look(page, 'nothing-here');
});
