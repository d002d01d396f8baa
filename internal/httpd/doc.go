// Package httpd is what every face of usher stands on: listeners and their
// shutdown, TLS certificates, bounds and time limits on connections, client addresses
// behind reverse proxies, health checks, the request log and the metrics.
//
// It does not own what is answered: routes, formats and pages belong to the
// faces, and it imports none of them and no domain package.
package httpd
