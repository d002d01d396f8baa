// Package devicekey manages the keys with which devices authenticate, in place of a
// token that never expires.
//
// It owns the public keys that devices register, the nonces, the rules for JWTs that
// devices sign, and their exchange for a JWT of this server. It does not own that JWT
// or the row through which a key is revoked (package token), or the keys of this server
// (package signing).
//
// # The steps
//
//	Register  a device with a token names its public key
//	Nonce     it asks for a text that works once
//	Exchange  it signs the nonce, and gets a JWT of this server: for a week
//	Exchange  before that ends, or after, it does the same again
//
// A PIN may include the key: then its poll is both the registration and the first
// exchange (ExchangePIN).
//
// # What a key is worth
//
// A key acts for its account as long as its row exists, like an access token. It is a
// child of the token that registered it, until its first JWT revokes that token and the
// key takes its place. So a key that was registered with a token that someone else can
// revoke is revoked with it.
//
// A JWT is not sufficient to register a key: otherwise, a thief could turn a stolen
// JWT, which is valid for a week, into permanent access. A proof by the key that the
// JWT was issued for is required, too.
package devicekey
