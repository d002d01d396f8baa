// Package home manages homes: their users, and who of them may switch to whom.
//
// It owns the users of a home and their roles, the managed users and the guest, who
// cannot sign in, the PINs, and the switch: the only way to exchange a token for a
// token of another account. It does not own the accounts themselves, the hashing of
// PINs (package account), or tokens.
//
// # The switch
//
// A token switches within its home only. The new token is its child: it is revoked with
// its parent, and expires no later. When a user leaves a home, the tokens from switches
// from and to that user are revoked immediately.
//
//	target                         | without a PIN         | with its PIN
//	-------------------------------|-----------------------|-------------
//	managed user or guest, no PIN  | every user            | nobody: a PIN that is sent must be correct
//	managed user or guest, PIN     | owner and admins      | every user
//	account that signs in, no PIN  | that account          | nobody
//	account that signs in, PIN     | nobody                | every user
//
// Owner and admins may remove the PIN of a managed user, so requiring it from them
// would protect nothing. Nobody has that right over an account that signs in: unless it
// has a PIN, nobody else can switch to it. A stored PIN that cannot be decoded is
// treated as a PIN that nothing matches.
package home
