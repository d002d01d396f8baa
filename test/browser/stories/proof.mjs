// A web program gets the token only from the browser in which the user consented: the browser brings a proof.

import { Device } from '../device.mjs';
import { elsewhere } from '../elsewhere.mjs';
import { assert, heading, press, scene, signedIn, story, usher } from '../story.mjs';

await story(async (stage) => {
  const program = await elsewhere('<h1>Welcome back</h1>');
  stage.allow(program.origin);
  const web = new Device('Web');
  const token = async (proof) => (await (await web.poll(proof)).json()).authToken ?? null;
  const proofUrl = `${program.origin}/return?state=1&x=%2F`;
  const page = await signedIn(stage);

  // Attack: the program's link, with another address in it.
  await web.askPIN({ strong: true, proofUrl });
  await page.goto(web.authPath('#?', 'https://evil.example/'));
  await page.getByText('another address than the one that the program asked for').waitFor();
  await stage.look(page, 'other-forward');

  // The page shows which account the program gets, and which program. An origin that no admin allowed is shown
  // before the browser is redirected there.
  await page.goto(web.authPath('#?', proofUrl));
  await heading(page, '“Shelf for TV” wants to sign in');
  await page.getByText(`${scene.admin.username} (${scene.admin.email})`, { exact: true }).waitFor();
  await page.getByText(`the program at ${new URL(program.origin).host}, in this browser only`).waitFor();
  await stage.look(page, 'consent-proof');
  await press(page, 'Allow');
  await heading(page, 'You are signed in');
  await page.getByText(proofUrl, { exact: true }).waitFor();
  assert.ok(!page.url().includes('pinProof'), 'the proof is in an address of usher');
  assert.ok(!(await page.locator('main').innerText()).includes('pinProof'), 'the page shows the proof');
  assert.equal(await token(), null, 'attack: the account is given without the proof');
  await page.getByRole('link', { name: `Go on to ${new URL(program.origin).host}` }).click();
  await heading(page, 'Welcome back');
  const proof = new URL(page.url()).searchParams.get('pinProof');
  assert.equal(page.url(), `${proofUrl}&pinProof=${proof}`);
  assert.equal(await page.evaluate(() => document.referrer), '', 'the program learns the address of the page');
  assert.ok(await token(proof), 'the proof gives no token');
  assert.equal((await web.poll(proof)).status, 404, 'attack: the proof works twice');

  // Going back does not lead to the program again.
  await page.goBack();
  await heading(page, 'Not found');

  // The browser is redirected automatically to an origin that an admin allowed, even from a link without the
  // address.
  usher(['origin', 'add', program.origin]);
  await web.askPIN({ strong: true, proofUrl });
  await page.goto(web.authPath('#?'));
  await press(page, 'Allow');
  await heading(page, 'Welcome back');
  assert.ok(await token(new URL(page.url()).searchParams.get('pinProof')));
});
