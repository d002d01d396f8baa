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
  await usher.addAccount({ username: 'noa', password: 'noa has a password' })
  await usher.addToHome('mia', 'noa', { homeAdmin: true })
  const noa = await usher.account('noa')
  assert.deepEqual([noa.home, noa.homeAdmin], ['mia', true])
  await usher.removeFromHome('mia', 'noa')
  assert.equal((await usher.account('noa')).home, undefined)
  await usher.removeAccount('mia')
  assert.ok(!(await usher.accounts()).some(a => a.username === 'Kid'))
})

async function reaches (username, server) {
  const { body } = await ask('/api/v2/resources', 'GET', await usher.issueToken(username))
  return body.some(resource => resource.clientIdentifier === server)
}

test('servers', async () => {
  await usher.addAccount({ username: 'mia', password: 'mia has a password' })
  const songs = { name: 'Songs', type: 'artist', number: 7 }
  const connections = [{ uri: 'https://192.0.2.9:32400' }]
  const attic = await usher.addServer({ name: 'Attic', id: 'attic', owner: 'mia', sections: ['Films', songs], connections, sharedWith: ['member'] })
  assert.deepEqual(attic, { name: 'Attic', id: 'attic', owner: 'mia', sections: [{ name: 'Films', type: 'movie', number: 1 }, songs], connections })
  assert.deepEqual((await usher.servers()).find(s => s.id === 'attic'), attic)
  assert.deepEqual([await reaches('mia', 'attic'), await reaches('member', 'attic')], [true, true])
  await usher.removeServer('attic')
  assert.equal(await reaches('mia', 'attic'), false)
})

test('shares', async () => {
  await usher.addAccount({ username: 'mia', password: 'mia has a password' })
  await usher.addServer({ name: 'Attic', id: 'attic', owner: 'mia', sections: ['Films', 'Songs'] })
  await usher.share('attic', 'member', ['Songs'])
  await usher.share('attic', 'admin')
  assert.deepEqual(await usher.shares(), [
    { server: 'attic', account: 'admin' }, { server: 'attic', account: 'member', sections: ['Songs'] }, { server: 'den', account: 'member' }
  ])
  assert.equal(await reaches('member', 'attic'), true)
  await usher.unshare('attic', 'member')
  assert.equal(await reaches('member', 'attic'), false)
  await usher.unfriend('mia', 'admin')
  assert.deepEqual((await usher.shares()).map(s => s.server), ['den'])
  await usher.befriend('mia', 'admin')
  await assert.rejects(usher.share('attik', 'member'), /no server with the id/)
})

test('invitations', async () => {
  await usher.addAccount({ username: 'mia', password: 'mia has a password' })
  await usher.addServer({ name: 'Attic', id: 'attic', owner: 'mia', sections: ['Films', 'Songs'] })
  const sent = await usher.invite('mia', 'member', 'attic', ['Songs'])
  assert.deepEqual(sent, { id: sent.id, sender: 'mia', to: 'member', server: 'attic', sections: ['Songs'] })
  assert.deepEqual(await usher.invitations(), [sent])
  await usher.acceptInvitation(sent.id)
  assert.equal(await reaches('member', 'attic'), true)
  await usher.endInvitation((await usher.invite('mia', 'zoe@example.org')).id)
  await ask('/api/v2/friends/invite?identifier=admin', 'POST', await usher.issueToken('mia'))
  const [theirs, ...others] = await usher.invitations()
  assert.deepEqual([theirs, others], [{ id: theirs.id, sender: 'mia', to: 'admin' }, []])
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
