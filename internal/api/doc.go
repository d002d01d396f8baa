// Package api implements the two planes of the protocol: the account plane, which
// replaces plex.tv, and the media plane, which replaces a media server.
//
// It owns the route tables (routes.go), the request path (request.go), the mapping of
// errors to responses (errors.go), the cache of encoded responses (cache.go), and the
// choice of the plane for paths of both (plane.go). Handlers are methods of a small
// struct per feature, in a file per feature: they read parameters, call one domain
// package and return a response. It does not own the rules about accounts, tokens and
// sources, the wire formats (package wire), or the pages (package web).
//
// # The path of a request
//
//	bytes → wire.ReadRequest → body → permission → token.Verify →
//	principal → handler → response or error → wire → bytes, log line, metrics
package api
