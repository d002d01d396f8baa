// Package httpd is the common base of all faces of usher. It owns listeners and their
// shutdown, TLS certificates, limits on the number and duration of connections, client
// addresses behind reverse proxies, health checks, the request log and the metrics.
//
// It does not own the responses: routes, formats and pages belong to the faces. It
// imports neither the faces nor domain packages.
package httpd
