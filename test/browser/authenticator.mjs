// An authenticator app: RFC 6238 with the parameters that every such app uses: SHA-1, six digits and thirty
// seconds.

import { createHmac } from 'node:crypto';
import { press, scene } from './story.mjs';

// stepNow is the current time step, in units of thirty seconds.
function stepNow() {
  return Math.floor(Date.now() / 30_000);
}

// totp returns the code of a key (in base32) in a time step.
export function totp(key, step = stepNow()) {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', base32(key)).update(message).digest();
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

function base32(text) {
  const bits = [...text.replace(/[\s=]/g, '')]
    .map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter.toUpperCase()).toString(2).padStart(5, '0'))
    .join('');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

// keyOf returns the key that the page of the second factor shows next to the QR code.
export async function keyOf(page) {
  return (await page.getByText('or type this key:').locator('code').innerText()).trim();
}

// turnOn turns the second factor on. The page must be that of the second factor, and shows the backup codes
// afterwards. It returns them with the code that was used, and the next one, which the app shows half a minute
// later.
export async function turnOn(page, password = scene.admin.password) {
  const key = await keyOf(page);
  const step = stepNow();
  await page.getByLabel('Six digits').fill(totp(key, step));
  await page.getByLabel('Your password').fill(password);
  await press(page, 'Turn it on');
  await page.getByRole('heading', { name: 'The second factor is on' }).waitFor();
  return { codes: await page.getByRole('listitem').allInnerTexts(), spent: totp(key, step), next: totp(key, step + 1) };
}
