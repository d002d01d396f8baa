// Package pin implements sign-in on a device without a keyboard.
//
// It owns the codes, their lifetime, which client gets the token for a code, and the
// limits on guessing. It does not own authentication: the caller passes the account
// after it has checked a token or a session.
//
// # The steps of a PIN
//
//	Start  a device creates a PIN and shows its code
//	Get    the device polls for a token
//	Find   a user has entered the code: which device is it? FindUnasked: a link
//	       has it, which may be another site's
//	Link   the user agrees: the PIN belongs to the account from now on
//	Get    the device gets its token, the same one in every poll
//
// Only the client identifier that created the PIN gets the token. The token is not
// stored: it is derived from a key and the PIN's nonce. Only its SHA-256 is stored, and
// it cannot be derived any more once the PIN has expired. The token itself is valid
// until it is revoked.
//
// A PIN that was not linked leaves no trace. A linked PIN adds a token to the device,
// like a sign-in. Earlier tokens stay valid.
//
// # Guessing
//
// Four characters can be guessed with enough attempts. A guesser needs an account, so
// attempts are counted by account as well as by address. The number of pending codes is
// limited, because a guess can hit any of them. When the pool is full, the oldest PIN
// of the network with the most PINs is evicted in favour of a network with few, so that
// nobody can prevent others from starting one. A hit signs another user's device in to
// the guesser's account. Strong codes cannot be guessed, and wrong ones are not
// counted. TestGuessingIsHopeless has the arithmetic.
package pin
