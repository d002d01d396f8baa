// Package account is who someone is.
//
// It owns accounts and what proves one: the password (argon2id), the second
// factor (TOTP, RFC 6238) and its backup codes; how names and e-mails are
// compared; and how often a sign-in may fail. It does not own tokens or
// sessions: Verify returns a signin.Proof, and the package that issues a token
// for it spends the proof in the same transaction, so that a code works once.
package account
