// Package token authenticates requests.
//
// It owns access, transient and server tokens: minting, verifying, the
// reach of each, and revoking them with their parents. It does not own passwords or
// codes (package account returns a Proof to spend), nor what a server is.
//
// # Kinds
//
//	access     20 letters and digits; lives until revoked; SHA-256 stored
//	transient  "transient-…"; 48 hours at most; nothing stored: it is sealed
//	           with a key that the process makes when it starts. Nodes of one
//	           database share their keys under leases
//	server     20 letters and digits for one server, derived from the access
//	           token that listed the server; revoked with it; SHA-256 stored
//
// # The law of reach
//
// No response ever contains a secret that reaches further or lives longer than
// the token of the request. A transient token minted by a transient
// token has the same parent and at most the same expiry; a server token is revoked
// with the token that listed it; a transient or server token lists nothing.
//
// # The hot path
//
// A token's SHA-256 is looked up in a bounded cache. A revocation removes the
// entry before the revoking call returns; a concurrent lookup
// cannot put the entry back (see cache).
package token
