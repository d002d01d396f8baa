// Package server is usher's HTTP face: the account plane, the media plane and
// the operator's endpoints.
//
// It owns the route tables (routes.go), the one way a request takes (serve.go),
// the one table from errors to answers (errors.go), the request log and the
// metrics. Handlers read parameters, ask one domain package and return an
// answer; they decide nothing about accounts, tokens or sources themselves.
//
// # A request's way
//
//	bytes → wire.ReadRequest → the route's limits → token.Verify →
//	principal → handler → answer or error → wire → bytes, log line, metrics
package server
