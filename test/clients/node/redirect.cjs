// Loaded with `node --require` before a client that only connects to https://plex.tv. It redirects the TCP
// connection to the server under test, and changes nothing else: not the client's code, its URLs, its TLS or the
// host name that it expects in the certificate. NODE_EXTRA_CA_CERTS names the authority of that certificate.
'use strict';

const net = require('node:net');

const hosts = new Set(['plex.tv', 'clients.plex.tv']);
const port = Number(process.env.USHER_TLS_PORT);
const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function redirected(...args) {
  // net.connect passes its normalised arguments on as one array, whose first element is the options.
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (hosts.has(options?.host) && Number(options.port) === 443) {
    options.host = '127.0.0.1';
    options.port = port;
  }
  return connect.apply(this, args);
};
