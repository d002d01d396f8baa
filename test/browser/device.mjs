// A device without a keyboard: a program that asks for a PIN, shows it and waits.

import { assert, scene } from './story.mjs';

export class Device {
  constructor(name = 'Living room') {
    this.name = name;
    this.headers = {
      Accept: 'application/json',
      'X-Plex-Client-Identifier': `device-${name.toLowerCase().replace(/\W+/g, '-')}`,
      'X-Plex-Product': 'Shelf for TV',
      'X-Plex-Version': '2.1.0',
      'X-Plex-Platform': 'tvOS',
      'X-Plex-Device': 'Television',
      'X-Plex-Device-Name': name,
    };
  }

  get clientIdentifier() {
    return this.headers['X-Plex-Client-Identifier'];
  }

  // askPIN gets a code: four characters, or a strong one that is not to be typed. A web program names the address to
  // which a browser shall bring a proof.
  async askPIN({ strong = false, proofUrl = '' } = {}) {
    const body = proofUrl ? new URLSearchParams({ proofUrl }) : undefined;
    const answer = await fetch(`${scene.url}/api/v2/pins?strong=${strong}`, { method: 'POST', headers: this.headers, body });
    assert.equal(answer.status, 201);
    this.pin = await answer.json();
    return this.pin.code;
  }

  // poll asks once whether the PIN was linked, with the proof that a browser has brought.
  poll(proof) {
    const headers = proof ? { ...this.headers, 'X-Plex-Pin-Proof': proof } : this.headers;
    return fetch(`${scene.url}/api/v2/pins/${this.pin.id}`, { headers });
  }

  // signIn takes the token that it must have got by now, and uses it.
  async signIn(username) {
    const answer = await this.poll();
    assert.equal(answer.status, 200);
    this.token = (await answer.json()).authToken;
    assert.ok(this.token, 'the device got no token');
    const call = await this.call();
    assert.equal(call.status, 200);
    assert.equal((await call.json()).username, username);
  }

  // call is a call of a device that is signed in.
  call() {
    return this.get('/api/v2/user');
  }

  // resources asks for the servers that its person reaches.
  resources() {
    return this.get('/api/v2/resources');
  }

  get(path) {
    return fetch(`${scene.url}${path}`, { headers: { ...this.headers, 'X-Plex-Token': this.token } });
  }

  // authPath is the page that a program opens, as the real service's address has it: everything in the fragment.
  // mark is what stands in front of the parameters, "#?", "#!?" or "/#!?".
  authPath(mark, forwardUrl) {
    const params = new URLSearchParams({
      clientID: this.clientIdentifier, code: this.pin.code, 'context[device][product]': this.headers['X-Plex-Product'],
    });
    if (forwardUrl) params.set('forwardUrl', forwardUrl);
    return `/auth${mark}${params}`;
  }
}
