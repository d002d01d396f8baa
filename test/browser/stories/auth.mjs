// A program opens the sign-in page with all parameters in the fragment, in each form that programs use.

import { Device } from '../device.mjs';
import { assert, heading, press, scene, signIn, story } from '../story.mjs';

await story(async (stage) => {
  for (const mark of ['#?', '#!?', '/#!?']) {
    const page = await stage.open();
    const program = new Device(`Desk ${mark.length}`);
    await program.askPIN({ strong: true });
    await page.goto(program.authPath(mark));
    await page.getByText('to go on with “Shelf for TV”').waitFor();
    if (mark === '#?') await stage.look(page, 'sign-in-for-a-program');
    await signIn(page);
    await heading(page, '“Shelf for TV” wants to sign in');
    if (mark === '#?') await stage.look(page, 'consent-strong');
    await press(page, 'Allow');
    await heading(page, / is signed in as /);
    await program.signIn(scene.admin.username);

    // Going back and confirming again has no further effect.
    await page.goBack();
    await heading(page, 'Not found');
    if (mark === '#?') await stage.look(page, 'auth-used-code');
  }

  // A code with another program's client identifier is unknown.
  const [program, other] = [new Device('Desk'), new Device('Thief')];
  await program.askPIN({ strong: true });
  other.pin = program.pin;
  const page = await stage.open();
  await page.goto(other.authPath('#?'));
  await signIn(page);
  await heading(page, 'Not found');
  assert.equal((await (await program.poll()).json()).authToken, null);
});
