// Code that all stories share.
//
// Run a story with `node stories/sign-in.mjs scene.json`. The Go test writes the scene, which has:
//
//   url          the server under test, with the host name localhost and its path, if any
//   setUpLink    the set-up link that it printed, if it has no account yet
//   mail         the address of the mail server, in stories about e-mail
//   started      when it was started, like Date.now
//   usher, data  its binary and its data folder
//   chromium     the browser
//   screenshots  the folder of this story's pictures
//   admin        the first account: username, email, password
//
// A story gets a stage: a page on a phone, and functions to use it. Meanwhile, the stage watches for requests to
// other servers, errors on the console (including breaches of the Content-Security-Policy) or in scripts, and
// unexpected responses. Each of them fails the story.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

export { assert };

export const scene = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const axe = readFileSync(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

const phone = { width: 390, height: 844 };
const desktop = { width: 1280, height: 900 };
const narrow = { width: 320, height: 640 }; // like a browser of 640 pixels at 200 %

// houseName is the server's name in the home network, for requests without TLS from another machine. Unlike
// localhost, browsers do not treat it as secure.
export const houseName = 'usher.house.test';

// story runs one story in a new browser.
export async function story(tell) {
  const browser = await chromium.launch({
    executablePath: scene.chromium,
    args: [
      ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
      // Requests to other machines fail.
      '--no-proxy-server',
      `--host-resolver-rules=MAP ${houseName} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1`,
    ],
  });
  try {
    const stage = new Stage(browser);
    await tell(stage);
    stage.check();
  } catch (error) {
    console.error(error.stack);
    await picturesOfFailure(browser);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

// picturesOfFailure takes a picture of each page at which a story failed.
async function picturesOfFailure(browser) {
  for (const [i, page] of browser.contexts().flatMap((context) => context.pages()).entries()) {
    const path = `${scene.screenshots}/FAILED-${i + 1}.png`;
    console.error(`${path} shows ${page.url()}`);
    await page.screenshot({ path }).catch((error) => console.error(error.message));
  }
}

export class Stage {
  constructor(browser) {
    this.browser = browser;
    this.faults = [];
    this.origins = new Set();
    this.refusable = new Set();
  }

  // check fails the story if something was detected in the background.
  check() {
    assert.ok(this.faults.length === 0, `what was seen on the side:\n${this.faults.join('\n')}`);
  }

  // open returns a new browser for the story, like that of another user or device: it has no cookies.
  async open({ javaScriptEnabled = true, locale = 'en-GB', timezoneId = 'UTC' } = {}) {
    const context = await this.browser.newContext({
      baseURL: scene.url, viewport: phone, javaScriptEnabled, locale, timezoneId, reducedMotion: 'reduce',
    });
    context.setDefaultTimeout(10_000);
    context.on('request', (request) => {
      if (!this.mayAsk(request.url())) this.faults.push(`asked elsewhere: ${request.url()}`);
    });
    // A page with a status of 400 or more is also on the console. Some stories expect such pages.
    const refused = new Set();
    context.on('response', (response) => {
      const page = response.request().isNavigationRequest() || this.refusable.has(new URL(response.url()).pathname);
      if (response.status() >= 500 || (response.status() >= 400 && !page)) {
        this.faults.push(`${response.status()} from ${response.url()}`);
      } else if (response.status() >= 400) {
        refused.add(response.url());
      }
    });
    context.on('console', (message) => {
      const expected = message.text().startsWith('Failed to load resource') && refused.has(message.location().url);
      if (['error', 'warning'].includes(message.type()) && !expected) {
        this.faults.push(`console on ${message.page()?.url()}: ${message.text()}`);
      }
    });
    context.on('weberror', (error) => this.faults.push(`script: ${error.error()}`));
    return context.newPage();
  }

  // mayAsk reports whether a request is to the server under test, below its path if it has one, or to an allowed
  // server.
  mayAsk(url) {
    return url.startsWith('data:') || [scene.url, ...this.origins].some((base) => url.startsWith(`${base}/`));
  }

  // allow lets a story's browser send requests to another server, which the story runs.
  allow(origin) {
    this.origins.add(origin);
  }

  // mayRefuse allows the requests of a page's scripts to fail at a path.
  mayRefuse(path) {
    this.refusable.add(path);
  }

  // look checks the current page, and takes pictures of it, which are named by the page and its state.
  async look(page, name) {
    const scripted = await page.evaluate(() => true).catch(() => false);
    assert.ok(scripted, `${name}: the page cannot be looked at`);
    await page.evaluate(axe);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      for (const [device, size] of Object.entries({ phone, desktop })) {
        await page.setViewportSize(size);
        await page.screenshot({ path: `${scene.screenshots}/${name}-${device}-${colorScheme}.png`, fullPage: true });
        await checkAccessible(page, `${name} (${device}, ${colorScheme})`);
      }
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(narrow);
    await checkWidth(page, name);
    await checkAccessible(page, `${name} (at 320)`);
    await page.setViewportSize(phone);
  }
}

// checkAccessible runs axe-core, with the debugger: the page's policy blocks other scripts.
async function checkAccessible(page, where) {
  const violations = await page.evaluate(async () => {
    const result = await globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      preload: false, // it would load the stylesheet again
    });
    return result.violations.map(({ id, help, nodes }) => (
      `${id}: ${help}\n${nodes.map((node) => `    ${node.html}\n    ${node.failureSummary}`).join('\n')}`
    ));
  });
  assert.ok(violations.length === 0, `axe-core about ${where}:\n${violations.join('\n')}`);
}

// checkWidth checks that the page does not scroll sideways.
async function checkWidth(page, where) {
  const { wide, widest } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    widest: [...document.querySelectorAll('body *')]
      .filter((e) => !e.classList.contains('skip') && e.getBoundingClientRect().right > innerWidth + 1)
      .map((e) => e.outerHTML.slice(0, 120)),
  }));
  assert.ok(wide <= 0, `${where} is ${wide} pixels too wide at 320: ${widest.join('\n')}`);
}

// at returns the address of a page of the server under test.
export function at(path) {
  return scene.url + path;
}

// heading waits for a page's heading, which contains the text or is exactly the text.
export function heading(page, text, exact = false) {
  return page.getByRole('heading', { level: 1, name: text, exact }).waitFor();
}

// announced waits for a text that screen readers announce immediately.
export async function announced(page, text) {
  await page.getByRole('alert').filter({ hasText: text }).waitFor();
}

// button clicks a button by its name.
export function press(page, name) {
  return page.getByRole('button', { name, exact: true }).click();
}

// confirm answers the confirmation page of a change that cannot be undone, with the password if necessary.
export async function confirm(page, button) {
  const password = page.getByLabel('Your own password');
  await page.getByRole('link', { name: 'Keep everything as it is' }).waitFor();
  if (await password.count()) await password.fill(scene.admin.password);
  await press(page, button);
}

// open opens collapsed sections, one inside the other.
export async function open(page, ...summaries) {
  for (const text of summaries) {
    const summary = page.locator('summary').filter({ hasText: new RegExp(`^${text}$`) });
    if (!await summary.evaluate((e) => e.closest('details').open)) await summary.click();
  }
}

// typeCode types into the boxes of /link as soon as the first of them has the focus.
export async function typeCode(page, code) {
  await page.locator('[aria-label="Character 1 of 4"]:focus').waitFor();
  await page.keyboard.type(code);
}

// signIn fills in the form and submits it.
export async function signIn(page, { username, password } = scene.admin) {
  await page.getByLabel('Name or e-mail').fill(username);
  await page.getByLabel('Password').fill(password);
  await press(page, 'Sign in');
}

// signedIn opens a page as a user.
export async function signedIn(stage, person = scene.admin, how = {}) {
  const page = await stage.open(how);
  await page.goto(at('/auth'));
  await signIn(page, person);
  await heading(page, person.username);
  return page;
}

// usher runs a command of usher while the server runs.
export function usher(argv, input = '') {
  return execFileSync(scene.usher, [...argv, '--data', scene.data], { input, encoding: 'utf8' });
}
