// Package devicekey is the keys that devices prove themselves with, instead of
// keeping a token for ever.
//
// It owns the public keys that devices register, the nonces, what a JWT that a
// device signs must say, and its exchange for a JWT of this server. It does not
// own that JWT, nor the row that a key is revoked by (package token), nor the
// keys of this server (package signing).
//
// # The steps
//
//	Register  a device with a token names its public key
//	Nonce     it asks for a text that works once
//	Exchange  it signs the nonce, and gets a JWT of this server: for a week
//	Exchange  before that ends, or after, it does the same again
//
// A PIN may bring the key along: then its poll is the registration and the
// first exchange in one (ForPIN).
//
// # What a key is worth
//
// A key acts for its account for as long as its row is there, as an access token
// does. It is a child of the token that registered it, until its first JWT ends
// that token and the key takes its place. So a key that was registered with a
// token that somebody else can revoke ends with it.
//
// A JWT alone registers no key: otherwise a thief could use one JWT, which is good
// for a week, for ever. It takes a proof by the key that the JWT came from.
package devicekey
