// Every page for a signed-in user, with long names and full lists. On the narrowest phone, no page scrolls
// sideways or is longer than 2,000 pixels, in English or in German. Every page can be read with letters
// twice as large, used with only the keyboard, and used without JavaScript.

import { turnOn } from '../authenticator.mjs';
import { Device } from '../device.mjs';
import { addPasskey, holdPasskeys } from '../passkeys.mjs';
import { assert, at, heading, press, scene, signedIn, signIn, story, usher } from '../story.mjs';

const long = (text) => text.padEnd(44, 'm'); // without a place for a line break
const mia = { username: long('mia-'), password: 'the password of mia' };

// link signs a device in with another device's token, like programs do.
async function link(device, by) {
  const answer = await fetch(`${scene.url}/api/v2/pins/link`, {
    method: 'PUT', headers: { ...by.headers, 'X-Plex-Token': by.token }, body: new URLSearchParams({ code: await device.askPIN() }),
  });
  assert.equal(answer.status, 204);
}

// fill signs in many devices of an account, each with a different program.
async function fill(page, person) {
  const first = new Device(`First of ${person.username}`);
  await page.goto(`/auth?code=${await first.askPIN()}`);
  await press(page, 'Allow');
  await heading(page, / is signed in as /);
  await first.signIn(person.username);
  for (let i = 0; i < 9; i++) {
    const device = new Device(i % 4 ? `${person.username.slice(0, 4)} device ${i}` : long(`${person.username.slice(0, 4)} device ${i} `));
    device.headers['X-Plex-Product'] = `Program ${i}`;
    await link(device, first);
  }
}

// germanIn signs in a user who prefers German.
async function germanIn(stage) {
  const page = await stage.open({ locale: 'de-DE' });
  await page.goto('/auth');
  await page.getByLabel('Name oder E-Mail').fill(scene.admin.username);
  await page.getByLabel('Passwort').fill(scene.admin.password);
  await press(page, 'Anmelden');
  await heading(page, scene.admin.username);
  return page;
}

// width and height are the size of a page, and how much of it is beyond the right edge.
function size(page) {
  return page.evaluate(() => ({
    height: document.documentElement.scrollHeight,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
}

// tabThrough presses Tab from the top of a page to its end. It returns the elements that show no focus, are out of
// order, or are not reached.
async function tabThrough(page) {
  const wrong = [];
  const all = await page.evaluate(() => {
    const list = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
      .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled);
    list.forEach((e, i) => { e.dataset.place = i; });
    document.body.tabIndex = -1; // Tab begins here
    document.body.focus();
    return list.length;
  });
  for (let place = 0; place < all; place++) {
    await page.keyboard.press('Tab');
    const focus = await page.evaluate(() => {
      const e = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(e);
      const box = e.getBoundingClientRect();
      return {
        place: Number(e.dataset.place), html: e.outerHTML.slice(0, 120),
        seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && box.width > 0 && box.height > 0 && box.right > 0
          && box.top < innerHeight && box.bottom > 0 && box.left < innerWidth,
      };
    });
    if (!focus.seen) wrong.push(`nobody sees the focus of ${focus.html}`);
    if (focus.place !== place) {
      wrong.push(`Tab ${place + 1} leads to ${focus.place}, ${focus.html}`);
      break;
    }
  }
  return wrong;
}

// dead returns what a page without JavaScript shows but cannot do: buttons for scripts, and forms that nothing
// submits.
function dead(page) {
  return page.evaluate(() => [
    ...[...document.querySelectorAll('button[type=button]')].filter((e) => e.checkVisibility()).map((e) => e.outerHTML),
    ...[...document.forms].filter((f) => f.checkVisibility() && ![...f.elements].some((e) => e.type === 'submit' && e.checkVisibility()))
      .map((f) => f.outerHTML.slice(0, 200)),
  ]);
}

await story(async (stage) => {
  // Accounts, servers, shares, invitations, keys and origins: more than one page of each.
  const add = (name, ...flags) => usher(['account', 'add', name, '--password-stdin', ...flags], `${mia.password}\n`);
  add(mia.username, '--admin', '--email', `${long('mia')}@example.org`);
  for (let i = 0; i < 13; i++) add(long(`user${i}-`), '--email', `user${i}@example.org`);
  const addresses = ['http://192.168.100.200:32400', `https://${long('den')}.example.org:32400`, 'https://relay.example.org:443'];
  const server = (name, id, ...flags) => usher(['server', 'add', name, '--id', id,
    ...addresses.flatMap((uri) => ['--connection', uri]), '--relay', '--product-version', '1.40.0.7998', '--platform', 'Linux',
    '--platform-version', '6.12', '--device', long('Docker container on '), ...flags]);
  for (let i = 0; i < 13; i++) server(long(`Server ${i} `), `${i}`.padStart(40, 'abcdef'), ...(i > 9 ? ['--owner', mia.username] : []));
  const den = '0'.padStart(40, 'abcdef');
  for (let i = 0; i < 9; i++) usher(['share', 'add', den, long(`user${i}-`)]);
  for (let i = 1; i < 4; i++) usher(['share', 'add', `${i}`.padStart(40, 'abcdef'), mia.username]);
  for (let i = 0; i < 8; i++) {
    usher(['invite', 'create', '--name', long(`guest${i}-`), '--email', `guest${i}@example.org`, '--server', den]);
    usher(['admin-key', 'create', long(`key${i}-`).slice(0, 40), '--scope', 'accounts:write', '--scope', 'servers:write', '--scope', 'audit:read']);
    usher(['origin', 'add', `https://${long(`app${i}`)}.example.org`]);
  }

  const hers = await signedIn(stage, mia);
  await holdPasskeys(hers);
  await addPasskey(hers, long('My phone '), mia.password);
  await hers.getByRole('region', { name: 'Passkeys' }).getByText('My phone').waitFor();
  await fill(hers, mia);
  await hers.goto('/account/profile');
  await hers.getByRole('textbox', { name: 'E-mail' }).fill(`${long('mira')}@example.org`);
  await hers.getByLabel('Your password', { exact: true }).fill(mia.password);
  await press(hers, 'Save');
  await hers.getByRole('status').filter({ hasText: 'Saved.' }).waitFor();
  await hers.goto('/account/second-factor');
  await turnOn(hers, mia.password);

  const page = await signedIn(stage);
  await fill(page, scene.admin);
  for (let i = 0; i < 2; i++) usher(['home', 'add', scene.admin.username, long(`Child ${i} `), '--restriction', 'little_kid']);
  for (const path of ['/library/sections', '/status/sessions']) {
    assert.equal((await fetch(`${scene.url}${path}`)).status, 404);
  }

  const idIn = async (list, name) => {
    await page.goto(list);
    return (await page.getByRole('link', { name }).getAttribute('href'));
  };
  const account = await idIn('/admin/accounts', mia.username);
  const paths = [
    '/account', '/account/devices', '/account/browsers', '/account/security', '/account/notices', '/account/profile', '/account/sign-ins',
    '/account/webhooks', '/account/family', '/account/second-factor', '/admin', '/admin?span=week', '/admin/accounts', '/admin/accounts?search=u',
    account, `${account}/devices`, '/admin/invitations', '/admin/servers', await idIn('/admin/servers', long('Server 0 ')), '/admin/shares',
    '/admin/providers', '/admin/tokens', '/admin/origins', '/admin/keys', '/admin/audit', '/admin/audit/verify', '/admin/accounts/admin-factor', '/link',
    '/account/devices?search=olga',
  ];
  const wrong = [];
  const passes = {
    'in English': { width: 320, open: () => signedIn(stage), check: short },
    'in German': { width: 320, open: () => germanIn(stage), check: short },
    'with large letters': { width: 1280, open: () => signedIn(stage), prepare: enlarge, check: narrow },
    'by keyboard': { width: 1280, open: () => signedIn(stage), check: tabThrough },
    'without JavaScript': { width: 390, open: () => signedIn(stage, scene.admin, { javaScriptEnabled: false }), check: dead },
  };
  for (const [how, { width, open, prepare, check }] of Object.entries(passes)) {
    const reader = await open();
    await prepare?.(reader);
    await reader.setViewportSize({ width, height: 800 });
    for (const path of paths) {
      await reader.goto(at(path));
      for (const problem of await check(reader)) wrong.push(`${path} ${how}: ${problem}`);
      if (check === short) await reader.screenshot({ path: `${scene.screenshots}/${`${how} ${path}`.replace(/\W+/g, '-')}.png`, fullPage: true });
    }
    await reader.context().close();
  }
  assert.equal(wrong.length, 0, wrong.join('\n'));
});

// small is what is hard to hit with a finger: less than 44 pixels wide or high. A link in a sentence is as high as its line.
// What is put over a larger part of the page is as large as that.
function small(page) {
  return page.evaluate(() => [...document.querySelectorAll('a[href]:not(.skip), button, summary, select, textarea, input:not([type=hidden])')]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }))
    .filter((e) => {
      let target = e.closest('label') ?? e;
      if (getComputedStyle(e, '::after').position === 'absolute') {
        while (getComputedStyle(target).position === 'static') target = target.parentElement;
      }
      const { width, height } = target.getBoundingClientRect();
      const inSentence = e.matches('a') && [...e.parentElement.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
      return !inSentence && (width < 43.5 || height < 43.5);
    })
    .map((e) => `${e.outerHTML.slice(0, 120)} is ${Math.round(e.getBoundingClientRect().width)} by ${Math.round(e.getBoundingClientRect().height)}`));
}

async function short(page) {
  const { height, wide } = await size(page);
  console.log(`${page.url()}: ${height} pixels high`);
  return [...(height >= 2000 ? [`it is ${height} pixels high`] : []), ...(wide > 0 ? [`it is ${wide} pixels too wide`] : []), ...await small(page)];
}

async function narrow(page) {
  const { wide } = await size(page);
  return wide > 0 ? [`it is ${wide} pixels too wide`] : [];
}

// enlarge makes letters twice as large, like the setting of a browser. Everything else keeps its size.
async function enlarge(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Page.setFontSizes', { fontSizes: { standard: 32, fixed: 26 } });
}
