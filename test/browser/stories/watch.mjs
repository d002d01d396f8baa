// The stage itself: everything that makes a story fail is detected on a page that does all of it.

import { elsewhere } from '../elsewhere.mjs';
import { assert, Stage, story } from '../story.mjs';

await story(async ({ browser }) => {
  const stage = new Stage(browser);
  const page = await stage.open();
  const noticed = (text) => assert.ok(stage.faults.some((f) => f.includes(text)), `nothing was said of ${text}: ${stage.faults}`);

  const site = await elsewhere('<h1>Hello</h1><img src="/tracker.png" alt="">');
  await page.goto(site.origin);
  noticed(`asked elsewhere: ${site.origin}/`);
  noticed(`asked elsewhere: ${site.origin}/tracker.png`);
  assert.throws(() => stage.check(), /asked elsewhere/);

  await page.goto('/auth');
  assert.equal(stage.faults.length, 2, String(stage.faults));
  await page.evaluate(() => { // a policy must block each of these
    const script = document.createElement('script');
    script.textContent = 'document.title = "changed"';
    document.body.append(script);
    document.querySelector('h1').setAttribute('style', 'color: red');
  });
  noticed("violates the following Content Security Policy directive 'script-src 'self''");
  noticed("violates the following Content Security Policy directive 'style-src 'self''");
  assert.notEqual(await page.title(), 'changed');
  await page.evaluate(() => { setTimeout(() => { throw new Error('a mistake in a script'); }); });
  await page.waitForTimeout(100);
  noticed('a mistake in a script');
  await page.evaluate(() => fetch('/static/none.js'));
  noticed('404 from');

  await page.evaluate(() => { document.querySelector('label').remove(); });
  await assert.rejects(stage.look(page, 'watch-no-label'), /label/);
  await page.goto('/auth');
  await page.evaluate(() => { document.querySelector('h1').style.color = '#999'; });
  await assert.rejects(stage.look(page, 'watch-contrast'), /color-contrast/);
  await page.goto('/auth');
  await page.evaluate(() => { document.querySelector('h1').style.width = '400px'; });
  await assert.rejects(stage.look(page, 'watch-width'), /too wide/);
});
