// Attacks: forward URLs that run a script or imitate another host, and a "next" that leads to another site. None
// works, and no PIN is linked.

import { Device } from '../device.mjs';
import { assert, heading, scene, signedIn, signIn, story } from '../story.mjs';

await story(async (stage) => {
  const page = await signedIn(stage);
  const device = new Device('Desk');
  await device.askPIN({ strong: true });
  for (const bad of [
    'javascript:alert(document.domain)', 'JaVaScRiPt://x/%0Aalert(1)', 'data:text/html,<h1>x', 'https://localhost@evil.example/',
    `${scene.url}@evil.example/`, '//evil.example/', '/\\evil.example', 'https:evil.example', 'https://evil.example\\@localhost/',
    'https://evil.example/\njavascript:', 'plex://x/',
  ]) {
    await page.goto(device.authPath('#?', bad));
    await heading(page, 'Invalid request');
    await page.goto(`/auth/done?${new URLSearchParams({ forwardUrl: bad })}`);
    await heading(page, 'Invalid request');
    assert.equal((await (await device.poll()).json()).authToken, null, `linked with ${bad}`);
  }
  await stage.look(page, 'auth-bad-forward');

  for (const next of ['//evil.example', '/\\evil.example', 'https://evil.example/', '/\t/evil.example', 'javascript:alert(1)']) {
    const other = await stage.open();
    await other.goto(`/auth?${new URLSearchParams({ next })}`);
    await signIn(other);
    await heading(other, scene.admin.username);
    assert.equal(other.url(), `${scene.url}/account`);
    await other.context().close();
  }
});
