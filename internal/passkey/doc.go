// Package passkey is sign-in by a key pair that a phone, a computer or a
// security key holds.
//
// It owns the two ceremonies of WebAuthn (adding a passkey, and proving that
// one has it) and their challenges. It does not own sessions or pages: what
// comes out of a ceremony is a store.SignIn, the same kind of proof as a
// password's, and whoever spends it writes down the passkey's use in the same
// transaction. github.com/go-webauthn/webauthn reads and verifies what
// authenticators say.
//
// # Ceremonies
//
//	BeginAdd     FinishAdd      somebody who is signed in adds a passkey
//	BeginAlone   FinishAlone    a passkey says who somebody is, and proves it
//	BeginSecond  FinishSecond   after the password, it proves that it is they
//
// Each begins with a challenge, which is kept here, in memory, for five
// minutes. It is bound to the browser that asked for it, which the caller names
// by its session or by the secret of a cookie. It works once, for the ceremony
// that it was drawn for and, except alone, for one account.
//
// Alone, a passkey takes the place of the password and of the second factor,
// so its authenticator must have verified the person by a fingerprint, a PIN
// or the like. Every passkey can do so: adding one asks for it, too.
//
// # Copies
//
// An authenticator may count its signatures. One whose count does not go up
// was copied, or its answer was sent before: it is refused. Passkeys that are
// kept in step on several devices do not count.
package passkey
