// Package notify informs the owner of an account that a new device signed in, that the
// way to sign in changed, or that someone is guessing passwords.
//
// It owns which events become notices, how many notices are stored for an account,
// which of them were seen, and which are sent by e-mail, when, and to which address. It
// does not own the events: packages audit and device call it in the transaction of each
// event. Nor does it own the texts, or the sending of e-mails.
package notify
