// The calls of Seerr and Overseerr about accounts, in the form of their server and of their page in the browser,
// and the fields that they read. `node seerr.mjs FOLDER` runs in usher exec. FOLDER has the package xml2js, with
// which Seerr reads XML. Every call becomes a line: the call, a tab, and the fields.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const { parseStringPromise } = createRequire(join(process.argv[2], 'package.json'))('xml2js')
const { USHER_CONTROL, USHER_CONTROL_TOKEN, USHER_SERVER_USHER_ID } = process.env
const [mia, noa] = [process.env.USHER_ACCOUNT_MIA_TOKEN, process.env.USHER_ACCOUNT_NOA_TOKEN]
const attic = process.env.USHER_SERVER_ATTIC_ID

async function call (name, read, check) {
  await check()
  console.log(`${name}\t${read}`)
}

// Requests of Seerr's server to plex.tv.
async function plexTV (token, path, headers = {}) {
  const res = await fetch(`https://plex.tv${path}`, { headers: { 'X-Plex-Token': token, Accept: 'application/json', ...headers } })
  const body = await res.text()
  if (!res.ok) throw new Error(`${path}: ${res.status} ${body}`)
  return body
}

const json = async (...request) => JSON.parse(await plexTV(...request))
const xml = async (...request) => parseStringPromise(await plexTV(...request))

// Requests of the page in the browser.
const browser = {
  Accept: 'application/json',
  'X-Plex-Product': 'Seerr',
  'X-Plex-Version': 'Plex OAuth',
  'X-Plex-Client-Identifier': randomUUID(),
  'X-Plex-Model': 'Plex OAuth',
  'X-Plex-Platform': 'Firefox',
  'X-Plex-Platform-Version': '140.0',
  'X-Plex-Device': 'Linux',
  'X-Plex-Device-Name': 'Firefox (Seerr)',
  'X-Plex-Device-Screen-Resolution': '1280x800',
  'X-Plex-Language': 'en'
}
const origin = 'https://seerr.example.org'

// A browser first asks whether the page may send such headers. The page gets the answer only if it may.
async function fromPage (method, path) {
  const url = `https://plex.tv${path}`
  const names = Object.keys(browser).map(name => name.toLowerCase()).filter(name => name !== 'accept').sort()
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: { Origin: origin, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': names.join(',') }
  })
  assert.ok(preflight.ok, `the preflight of ${path}: ${preflight.status}`)
  const list = header => (preflight.headers.get(header) ?? '').toLowerCase().split(/, */)
  for (const name of names) assert.ok(list('access-control-allow-headers').includes(name), `a page may not send ${name}`)
  assert.ok(list('access-control-allow-methods').includes(method.toLowerCase()), `a page may not send ${method}`)
  const res = await fetch(url, { method, headers: { ...browser, Origin: origin } })
  assert.ok(['*', origin].includes(res.headers.get('access-control-allow-origin')), 'a page may not read the answer')
  assert.ok(res.ok, `${method} ${path}: ${res.status}`)
  return res.json()
}

let pin, token
await call('POST /api/v2/pins?strong=true', 'id, code', async () => {
  pin = await fromPage('POST', '/api/v2/pins?strong=true')
  assert.equal(typeof pin.id, 'number')
  assert.match(pin.code, /^[0-9a-z]{25}$/)
})
await call('GET /api/v2/pins/{id}', 'authToken, expiresAt', async () => {
  const waiting = await fromPage('GET', `/api/v2/pins/${pin.id}`)
  assert.equal(waiting.authToken, null)
  const left = Date.parse(waiting.expiresAt) - Date.now()
  assert.ok(left > 29 * 60_000 && left <= 30 * 60_000, `the PIN expires at ${waiting.expiresAt}`)
  await fetch(`${USHER_CONTROL}/pins/${pin.code}/approve`, {
    method: 'POST', headers: { Authorization: `Bearer ${USHER_CONTROL_TOKEN}` }, body: JSON.stringify({ account: 'noa' })
  })
  token = (await fromPage('GET', `/api/v2/pins/${pin.id}`)).authToken
  assert.match(token, /^[0-9A-Za-z]{20}$/)
})

let user
await call('GET /users/account.json', 'user: id, uuid, email, username, title, thumb, hasPassword, authToken, subscription, roles, entitlements', async () => {
  user = (await json(token, '/users/account.json')).user
  assert.ok(Number.isInteger(user.id) && user.id > 0)
  assert.match(user.uuid, /^[0-9a-f]{16}$/)
  assert.match(user.thumb, new RegExp(`^https://.*${user.uuid}`))
  assert.deepEqual([user.email, user.username, user.title, user.hasPassword, user.authToken], ['noa@example.org', 'noa', 'noa', true, token])
  assert.equal(typeof user.subscription.active, 'boolean')
  assert.ok(Array.isArray(user.subscription.features) && Array.isArray(user.roles.roles) && Array.isArray(user.entitlements))
  await assert.rejects(json('notATokenOfAnybody00', '/users/account.json'), / 422 .*Invalid token/) // any error will do
})

await call('GET /api/resources?includeHttps=1', 'Device: name, product, productVersion, platform, clientIdentifier, createdAt, lastSeenAt, provides, owned, accessToken, publicAddressMatches, httpsRequired, synced, relay, dnsRebindingProtection, natLoopbackSupported, presence, home, sourceTitle; Connection: protocol, address, port, uri, local', async () => {
  const find = async token => (await xml(token, '/api/resources?includeHttps=1')).MediaContainer.Device.find(d => d.$.clientIdentifier === attic)
  const own = await find(mia)
  assert.deepEqual([own.$.name, own.$.product, own.$.provides.split(','), own.$.owned, own.$.presence], ['Attic', 'Plex Media Server', ['server'], '1', '1'])
  for (const time of [own.$.createdAt, own.$.lastSeenAt]) assert.ok(Math.abs(parseInt(time, 10) * 1000 - Date.now()) < 3_600_000, time)
  for (const name of ['publicAddressMatches', 'httpsRequired', 'synced', 'relay', 'dnsRebindingProtection', 'natLoopbackSupported']) assert.match(own.$[name], /^[01]$/, name)
  for (const name of ['productVersion', 'platform']) assert.equal(typeof own.$[name], 'string', name)
  assert.deepEqual(own.Connection.map(({ $: c }) => [c.protocol, c.address, parseInt(c.port, 10), c.uri, c.local]), [
    ['http', '192.0.2.5', 32400, 'http://192.0.2.5:32400', '1'], ['https', 'attic.example.org', 32401, 'https://attic.example.org:32401', '0']
  ])
  const shared = await find(noa)
  assert.deepEqual([shared.$.owned, shared.$.sourceTitle, shared.$.home], ['0', 'mia', '0'])
  assert.match(shared.$.accessToken, /^[0-9A-Za-z]{20}$/)
  assert.notEqual(shared.$.accessToken, noa)
})

await call('GET /api/users', 'User: id, title, username, email, thumb; Server: machineIdentifier', async () => {
  const { User: users } = (await xml(mia, '/api/users')).MediaContainer
  const byName = Object.fromEntries(users.map(u => [u.$.title, u]))
  assert.deepEqual(Object.keys(byName).sort(), ['Kid', 'noa', 'zoe'])
  assert.deepEqual([byName.noa.$.email, byName.noa.$.username, parseInt(byName.noa.$.id, 10)], ['noa@example.org', 'noa', user.id])
  assert.equal(byName.noa.$.thumb, user.thumb)
  assert.equal(byName.Kid.$.email, '') // Seerr ignores this user
  // The users that the server is shared with may sign in.
  for (const { Server } of users) assert.deepEqual(Server.map(s => s.$.machineIdentifier), [attic])
})

await call('GET /api/v2/ping', 'pong', async () => {
  assert.ok((await json(mia, '/api/v2/ping', { 'X-Plex-Client-Identifier': randomUUID() })).pong)
  await assert.rejects(json('notATokenOfAnybody00', '/api/v2/ping', { 'X-Plex-Client-Identifier': randomUUID() }), / 401 /)
})

await call('GET / of the server', 'MediaContainer: machineIdentifier, friendlyName', async () => {
  const res = await fetch('http://localhost:32400/', {
    headers: {
      'X-Plex-Token': mia, 'X-Plex-Client-Identifier': randomUUID(), 'X-Plex-Product': 'Seerr', 'X-Plex-Device-Name': 'Seerr', 'X-Plex-Platform': 'Seerr',
      'Content-Type': 'application/json', Accept: 'application/json'
    }
  })
  const { MediaContainer: server } = await res.json()
  assert.deepEqual([server.machineIdentifier, server.friendlyName], [USHER_SERVER_USHER_ID, 'usher'])
})
