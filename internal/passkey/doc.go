// Package passkey implements sign-in with a key pair on a phone, a computer or a
// security key.
//
// It owns the two ceremonies of WebAuthn (adding a passkey, and proving possession
// of one) and their challenges. It does not own sessions or pages: the result of a
// ceremony is a signin.Proof, as for a password, and the transaction that spends
// the proof records the use of the passkey. github.com/go-webauthn/webauthn parses
// and verifies the responses of authenticators.
//
// # Ceremonies
//
//	BeginAdd           FinishAdd           a signed-in user adds a passkey
//	BeginSignIn        FinishSignIn        a passkey identifies an account, and proves it
//	BeginSecondFactor  FinishSecondFactor  after the password, a passkey is the second factor
//
// Each begins with a challenge, which is stored for five minutes, in memory or in the database that nodes share. It is
// bound to the browser that requested it, which the caller identifies by its
// session or by the secret of a cookie. It works once, for the ceremony that it was
// created for and, except for BeginSignIn, for one account.
//
// A passkey that signs in alone replaces the password and the second factor, so its
// authenticator must have verified the user by a fingerprint, a PIN or the like.
// Every passkey supports this, because adding one requires it, too.
//
// # Cloned authenticators
//
// An authenticator may count its signatures. If the count does not go up, the
// authenticator was cloned or the response was replayed, and the sign-in is
// rejected. Passkeys that are synchronised between devices do not count.
package passkey
