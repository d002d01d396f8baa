// Package home is who lives in one home, and who of them may become whom.
//
// It owns the users of a home and their roles, the managed users and the guest, who
// are no logins, the PINs, and the switch: the one right by which a token leads to
// the token of another account. It does not own the accounts themselves, how a PIN
// is hashed (package account), nor tokens.
//
// # The switch
//
// A token switches within its home only, and what it gets is its child: revoked
// with it, and gone no later than it. Who leaves a home loses at once what switches
// from and to them have led to.
//
//	target                         | without a PIN         | with its PIN
//	-------------------------------|-----------------------|-------------
//	managed user or guest, no PIN  | everybody of the home | nobody: a PIN that is sent must be right
//	managed user or guest, PIN     | owner and admins      | everybody of the home
//	account that signs in, no PIN  | that account          | nobody
//	account that signs in, PIN     | nobody                | everybody of the home
//
// Owner and admins may remove the PIN of a managed user, so asking them for it would
// protect nothing. An account that signs in has no such master: without a PIN of its
// own, nobody else becomes it. What cannot be read counts as a PIN that nothing
// matches.
package home
