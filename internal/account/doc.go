// Package account manages and authenticates accounts.
//
// It owns accounts and their credentials: the password (argon2id), the second
// factor (TOTP, RFC 6238) and its backup codes, and their set-up; how names
// and e-mails are compared; how often a sign-in can fail; and which devices are
// known to have signed in before. It does not own tokens, sessions or devices:
// Verify returns a signin.Proof, and the package that issues a token for it
// spends the proof in the same transaction, so that a code works once.
package account
