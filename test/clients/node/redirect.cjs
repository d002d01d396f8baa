// Loaded with `node --require` before a client that speaks to https://plex.tv and nowhere else. It sends the TCP
// connection to the server under test and leaves the rest as it is: the client's own code, its URLs, its TLS and the
// host name it expects in the certificate. The certificate is from an authority that NODE_EXTRA_CA_CERTS names.
'use strict';

const net = require('node:net');

const hosts = new Set(['plex.tv', 'clients.plex.tv']);
const port = Number(process.env.USHER_TLS_PORT);
const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function redirected(...args) {
  // net.connect hands its normalised arguments on as one array, whose first element is the options.
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (hosts.has(options?.host) && Number(options.port) === 443) {
    options.host = '127.0.0.1';
    options.port = port;
  }
  return connect.apply(this, args);
};
