// A device without a keyboard: a program that starts a PIN, shows it and polls it.

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

  // askPIN starts a PIN: four characters, or a strong one that users do not type. A web program names the address
  // that a browser brings a proof to.
  async askPIN({ strong = false, proofUrl = '' } = {}) {
    const body = proofUrl ? new URLSearchParams({ proofUrl }) : undefined;
    const answer = await fetch(`${scene.url}/api/v2/pins?strong=${strong}`, { method: 'POST', headers: this.headers, body });
    assert.equal(answer.status, 201);
    this.pin = await answer.json();
    return this.pin.code;
  }

  // poll polls the PIN once, with the proof that a browser has brought.
  poll(proof) {
    const headers = proof ? { ...this.headers, 'X-Plex-Pin-Proof': proof } : this.headers;
    return fetch(`${scene.url}/api/v2/pins/${this.pin.id}`, { headers });
  }

  // signIn polls for the token, which must exist, and uses it.
  async signIn(username) {
    const answer = await this.poll();
    assert.equal(answer.status, 200);
    this.token = (await answer.json()).authToken;
    assert.ok(this.token, 'the device got no token');
    const call = await this.call();
    assert.equal(call.status, 200);
    assert.equal((await call.json()).username, username);
  }

  // call sends a request of a signed-in device.
  call() {
    return this.get('/api/v2/user');
  }

  // resources requests the servers that the account can reach.
  resources() {
    return this.get('/api/v2/resources');
  }

  get(path) {
    return fetch(`${scene.url}${path}`, { headers: { ...this.headers, 'X-Plex-Token': this.token } });
  }

  // authPath is the page that a program opens, in the form of the real service's address: all parameters are in the
  // fragment. mark is the text before the parameters: "#?", "#!?" or "/#!?".
  authPath(mark, forwardUrl) {
    const params = new URLSearchParams({
      clientID: this.clientIdentifier, code: this.pin.code, 'context[device][product]': this.headers['X-Plex-Product'],
    });
    if (forwardUrl) params.set('forwardUrl', forwardUrl);
    return `/auth${mark}${params}`;
  }
}
