'use strict'
// Control the server of `usher exec` from a test. This is a CommonJS module because Jest, Vitest and node:test all load those.
const http = require('node:http')

const version = '0.1.0'
const timeout = 30_000

/** The server rejected a call, or could not be reached. */
class UsherError extends Error {
  constructor (message) {
    super(message)
    this.name = 'UsherError'
  }
}

/** The clock of the server. It does not affect the clock of the test. */
class Clock {
  #usher
  constructor (usher) { this.#usher = usher }

  async now () { return new Date((await this.#usher.call('GET', '/clock')).time) }
  async advance (seconds) { return this.#set({ advance: seconds }) }
  async set (time) { return this.#set({ time: new Date(time).toISOString() }) }
  async freeze () { return this.#set({ frozen: true }) }
  async unfreeze () { return this.#set({ frozen: false }) }
  async #set (fields) { return new Date((await this.#usher.call('POST', '/clock', fields)).time) }
}

/** The server that answers the program under test. */
class Usher {
  #url
  #token
  constructor ({ url = process.env.USHER_CONTROL, token = process.env.USHER_CONTROL_TOKEN } = {}) {
    if (!url) throw new UsherError('this program does not run in usher exec; start it with: usher exec -- COMMAND')
    this.#url = new URL(url)
    this.#token = token
    this.clock = new Clock(this)
  }

  async version () { return (await this.call('GET', '/')).version }

  /** Throws if this package belongs to another release of usher. */
  async checkVersion () {
    const theirs = (await this.call('GET', '/')).clients
    if (minor(theirs) !== minor(version)) {
      throw new UsherError(`this usher needs usher-exec ${theirs}, and this is ${version}: npm install usher-exec@${theirs}`)
    }
  }

  async reset () { await this.call('POST', '/reset') }

  async accounts () { return this.call('GET', '/accounts') }
  async account (username) {
    const found = (await this.accounts()).find(a => a.username === username)
    if (!found) throw new UsherError(`there is no account ${username}`)
    return found
  }

  async addAccount (fields) { return this.call('POST', '/accounts', fields) }
  async removeAccount (username) { await this.call('DELETE', at('accounts', username)) }

  async addToHome (owner, username, { homeAdmin = false } = {}) { await this.call('POST', at('homes', owner, 'users'), { username, homeAdmin }) }
  async removeFromHome (owner, username) { await this.call('DELETE', at('homes', owner, 'users', username)) }

  async servers () { return this.call('GET', '/servers') }
  async addServer (fields) { return this.call('POST', '/servers', fields) }
  async removeServer (id) { await this.call('DELETE', at('servers', id)) }

  async shares () { return (await this.call('GET', '/shares')).map(({ with: account, ...share }) => ({ ...share, account })) }
  async share (server, account, sections) { await this.call('POST', '/shares', { server, with: account, sections }) }
  async unshare (server, account) { await this.call('DELETE', at('shares', server, account)) }
  async befriend (account, other) { await this.call('POST', '/friends', [account, other]) }
  async unfriend (account, other) { await this.call('DELETE', at('friends', account, other)) }

  async invitations () { return (await this.call('GET', '/invitations')).map(invitation) }
  async invite (sender, to, server, sections) {
    return invitation(await this.call('POST', '/invitations', { from: sender, to, server, sections }))
  }

  async acceptInvitation (id) { await this.call('POST', at('invitations', id, 'accept')) }
  async endInvitation (id) { await this.call('DELETE', at('invitations', id)) }

  async issueToken (username, clientIdentifier = 'usher-exec') {
    return (await this.call('POST', at('accounts', username, 'tokens'), { clientIdentifier })).token
  }

  async revokeTokens (username) { await this.call('DELETE', at('accounts', username, 'tokens')) }
  async revokeToken (token) { await this.call('POST', '/tokens/revoke', { token }) }
  async verificationCode (username) { return (await this.call('GET', at('accounts', username, 'code'))).code }

  async approvePIN (code, account = 'member') {
    return (await this.call('POST', at('pins', code, 'approve'), { account })).forward
  }

  async refusePIN (code, account = 'member') { await this.call('POST', at('pins', code, 'refuse'), { account }) }

  async injectFault (fault, fields = {}) { return (await this.call('POST', '/faults', { fault, ...fields })).id }
  async removeFault (number) { await this.call('DELETE', at('faults', number)) }
  async clearFaults () { await this.call('DELETE', '/faults') }

  async requests () { return (await this.call('GET', '/requests')).map(r => ({ ...r, time: new Date(r.time) })) }
  async clearRequests () { await this.call('DELETE', '/requests') }

  /** Calls the control API. It uses node:http because tests may replace fetch. */
  call (method, path, body) {
    return new Promise((resolve, reject) => {
      const request = http.request({
        method, path, host: this.#url.hostname, port: this.#url.port, timeout, agent: false,
        headers: { Authorization: `Bearer ${this.#token}`, 'Content-Type': 'application/json' }
      }, response => {
        const parts = []
        response.on('data', part => parts.push(part))
        response.on('error', error => reject(new UsherError(`usher exec does not answer: ${error.message}`)))
        response.on('end', () => {
          const text = Buffer.concat(parts).toString()
          let answer
          try {
            answer = text ? JSON.parse(text) : undefined
          } catch (error) {
            return reject(new UsherError(`${method} ${path}: ${error.message}`))
          }
          if (response.statusCode < 300) return resolve(answer)
          reject(new UsherError(`${method} ${path}: ${answer ? answer.error : response.statusCode}`))
        })
      })
      request.on('timeout', () => request.destroy(new Error('timeout')))
      request.on('error', error => reject(new UsherError(`usher exec does not answer: ${error.message}`)))
      request.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

/** Returns the path with the given segments, which it escapes. */
function at (...parts) { return parts.map(part => '/' + encodeURIComponent(part)).join('') }

function invitation ({ from: sender, ...fields }) { return { ...fields, sender } }

function minor (v) { return v.split('.').slice(0, 2).join('.') }

/**
 * Returns the server, and resets it before each test. In Jest, and in Vitest with
 * globals, it needs no argument. With other test runners, pass their beforeEach.
 */
function useUsher ({ beforeEach = globalThis.beforeEach } = {}) {
  if (typeof beforeEach !== 'function') throw new UsherError('useUsher needs the beforeEach of the test runner: useUsher({ beforeEach })')
  const usher = new Usher()
  let checked
  beforeEach(async () => {
    checked ??= usher.checkVersion()
    await checked
    await usher.reset()
  })
  return usher
}

exports.Usher = Usher
exports.UsherError = UsherError
exports.useUsher = useUsher
exports.version = version
