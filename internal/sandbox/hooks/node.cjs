// Leads Node programs that "usher exec" runs without a network of their own to
// usher, and keeps them from other hosts. usher exec puts its settings in place of
// the object below, and requires this file by NODE_OPTIONS.
'use strict'
const settings = {} // usher exec: settings
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')

const connect = net.Socket.prototype.connect
const name = host => String(host || 'localhost').replace(/^\[|\]$/g, '').replace(/\.$/, '').toLowerCase()
const ours = host => settings.domains.some(d => host === d || host.endsWith('.' + d))
const local = host => host === 'localhost' || host.endsWith('.localhost') || host === os.hostname().toLowerCase() ||
  host === '::1' || host === '0.0.0.0' || host === '::' || net.isIPv4(host) && host.startsWith('127.')
const may = host => settings.allowAll || settings.allow.includes(host)

// report writes down a refused host. usher reads the file at the end.
function report (host, port) {
  fs.appendFileSync(settings.refused, `${host.replace(/\s/g, '')} ${port || 0}\n`)
}

net.Socket.prototype.connect = function (...args) {
  const list = Array.isArray(args[0]) ? args[0] : null // what net.connect has read already
  const options = readOptions(list ?? args)
  if (options === null) return connect.apply(this, args)
  const host = name(options.host)
  const port = Number(options.port)
  if (ours(host) || local(host) && port === settings.localPort) {
    const led = { ...options, host: settings.address[0], port: settings.address[1], lookup: undefined, autoSelectFamily: false }
    if (list) list[0] = led
    else args = [led, ...args.filter(a => typeof a === 'function')]
  } else if (!local(host) && !may(host)) {
    report(host, port)
    const error = new Error(`usher exec: ${host} is refused; --allow ${host} opens it`)
    process.nextTick(() => this.destroy(Object.assign(error, { code: 'ECONNREFUSED', syscall: 'connect', address: host, port })))
    return this
  }
  return connect.apply(this, args)
}

// readOptions returns where a connection goes; null if that is not a host.
function readOptions (args) {
  const first = args[0]
  if (first !== null && typeof first === 'object') return first.path == null ? first : null
  if (typeof first === 'string' && isNaN(Number(first))) return null // a path
  return { port: first, host: typeof args[1] === 'string' ? args[1] : undefined }
}
