// Runs in `usher exec -- node --test`.
import test, { beforeEach } from 'node:test'
import assert from 'node:assert'
import { Usher, UsherError, useUsher } from '../index.js'

const usher = useUsher({ beforeEach })
const headers = { 'X-Plex-Client-Identifier': 'clients-node', Accept: 'application/json' }

async function ask (path, method = 'GET', token = undefined) {
  const response = await fetch('https://plex.tv' + path, { method, headers: token ? { ...headers, 'X-Plex-Token': token } : headers })
  const text = await response.text()
  return { status: response.status, body: response.ok && text ? JSON.parse(text) : text }
}

test('accounts', async () => {
  const member = await usher.account('member')
  assert.equal((await ask('/api/v2/user', 'GET', member.token)).body.username, 'member')
  await assert.rejects(usher.account('nobody'), /no account nobody/)
})

test('PINs', async () => {
  let pin = (await ask('/api/v2/pins', 'POST')).body
  assert.equal(await usher.approvePIN(pin.code), '')
  const { authToken } = (await ask(`/api/v2/pins/${pin.id}`)).body
  assert.equal((await ask('/api/v2/user', 'GET', authToken)).body.username, 'member')
  pin = (await ask('/api/v2/pins', 'POST')).body
  await usher.refusePIN(pin.code)
  assert.equal((await ask(`/api/v2/pins/${pin.id}`)).status, 404)
})

test('the clock', async () => {
  await usher.clock.freeze()
  const start = await usher.clock.set('2030-01-02T03:04:05Z')
  assert.equal(start.toISOString(), '2030-01-02T03:04:05.000Z')
  const pin = (await ask('/api/v2/pins', 'POST')).body
  assert.equal(await usher.clock.advance(16 * 60) - start, 16 * 60 * 1000)
  assert.equal((await ask(`/api/v2/pins/${pin.id}`)).status, 404)
  await usher.clock.unfreeze()
  assert.ok(await usher.clock.now() >= start)
})

test('tokens', async () => {
  const mia = await usher.addAccount({ username: 'mia', password: 'mia has a password', totp: 'KVJUQRKSKVJUQRKSKVJUQRKSKVJUQRKS' })
  assert.ok(mia.backupCodes[0].length >= 8)
  assert.equal((await usher.verificationCode('mia')).length, 6)
  const token = await usher.issueToken('mia')
  assert.equal((await ask('/api/v2/user', 'GET', token)).status, 200)
  await usher.revokeToken(token)
  assert.equal((await ask('/api/v2/user', 'GET', token)).status, 401)
  const second = await usher.issueToken('mia')
  await usher.revokeTokens('mia')
  assert.equal((await ask('/api/v2/user', 'GET', second)).status, 401)
})

test('home', async () => {
  await usher.addAccount({ username: 'mia', password: 'mia has a password' })
  const kid = await usher.addAccount({ username: 'Kid', managed: true, home: 'mia', pin: '5678' })
  assert.deepEqual([kid.home, kid.pin], ['mia', '5678'])
  const { users } = (await ask('/api/v2/home/users', 'GET', await usher.issueToken('mia'))).body
  assert.deepEqual(users.map(u => [u.title, u.protected]), [['mia', false], ['Kid', true]])
})

test('it is reset between tests', async () => {
  assert.deepEqual((await usher.accounts()).map(a => a.username), ['admin', 'member', 'twofactor', 'disabled', 'managed'])
})

test('faults', async () => {
  await usher.injectFault('rate-limit', { path: '/api/v2/ping', times: 1 })
  assert.equal((await ask('/api/v2/ping')).status, 429)
  assert.equal((await ask('/api/v2/ping')).status, 200)
  await usher.removeFault(await usher.injectFault('empty'))
  await usher.injectFault('bad-gateway')
  assert.equal((await ask('/api/v2/ping')).status, 502)
  await usher.clearFaults()
  assert.equal((await ask('/api/v2/ping')).status, 200)
  await assert.rejects(usher.injectFault('slwo'), /did you mean "slow"/)
})

test('requests', async () => {
  await ask('/api/v2/ping?a=1')
  const [request, ...others] = await usher.requests()
  assert.deepEqual(others, [])
  assert.deepEqual([request.method, request.host, request.path, request.status, request.query],
    ['GET', 'plex.tv', '/api/v2/ping', 200, { a: ['1'] }])
  await usher.clearRequests()
  assert.deepEqual(await usher.requests(), [])
})

test('errors', async () => {
  await assert.rejects(new Usher({ token: 'another' }).reset(), UsherError)
  assert.throws(() => new Usher({ url: '' }), /usher exec -- COMMAND/)
  assert.throws(() => useUsher({ beforeEach: 7 }), /needs the beforeEach/)
  await usher.checkVersion()
})
