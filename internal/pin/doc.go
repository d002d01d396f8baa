// Package pin is sign-in on a device without a keyboard.
//
// It owns the codes, how long they live, who may be given the token that one
// leads to, and how often a code may be guessed at. It does not own who signs
// in: it is told the account, by whoever has seen a token or a session of it.
//
// # The way of a PIN
//
//	Start  a device makes a PIN and shows its code
//	Get    the device asks, again and again, whether there is a token
//	Find   a person has typed the code: which device is it?
//	Link   the person agrees: the PIN is the account's, once and for all
//	Get    the device is given its token, the same one at every call
//
// The token is handed out to the client identifier that made the PIN and to no
// other. It is not kept: it is derived from a key and the PIN's nonce, so that
// only its SHA-256 is stored, and it cannot be read any more once the PIN has
// expired. The token itself lives on, until it is revoked.
//
// A PIN that nobody links leaves nothing behind. One that is linked adds a
// token to the device's, as a sign-in does; earlier ones stay.
//
// # Guessing
//
// Four characters can be guessed by whoever may try often enough. Who guesses
// has an account, so tries are counted by account, as well as by address; the
// codes that wait at the same time are bounded, since each of them could be
// hit. When they are that many, the network that has the most loses its oldest
// to one that has few, so that nobody keeps the others from starting one. What
// a hit is worth: somebody else's device signed in to the guesser's account.
// The long codes are beyond guessing, and wrong ones of them are not counted.
// TestGuessingIsHopeless has the arithmetic.
package pin
