// Package api is the two planes of the protocol: the account plane, which is
// plex.tv in the wild, and the media plane, which is a media server there.
//
// It owns the route tables (routes.go), the request path (request.go), the mapping of
// errors to responses (errors.go), the cache of encoded responses (cache.go), and the
// choice of the plane for paths of both (plane.go). Handlers are methods of a small
// struct per feature, in a file per feature: they read parameters, call one
// domain package and return a response. It does not own any rule about accounts,
// tokens or sources, nor the shape of what crosses the wire (package wire), nor
// pages.
//
// # The path of a request
//
//	bytes → wire.ReadRequest → body → permission → token.Verify →
//	principal → handler → response or error → wire → bytes, log line, metrics
package api
