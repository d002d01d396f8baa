// Package api is the two planes of the protocol: the account plane, which is
// plex.tv in the wild, and the media plane, which is a media server there.
//
// It owns the route tables (routes.go), the one path that a request takes
// (request.go), the one table from errors to answers (errors.go), and answers
// that are cached in encoded form (cache.go), and which plane a path is for that
// both have (plane.go). Handlers are methods of a small
// struct per feature, in a file per feature: they read parameters, ask one
// domain package and return an answer. It does not own any rule about accounts,
// tokens or sources, nor the shape of what crosses the wire (package wire), nor
// pages.
//
// # The path of a request
//
//	bytes → wire.ReadRequest → body → who may call → token.Verify →
//	principal → handler → answer or error → wire → bytes, log line, metrics
package api
