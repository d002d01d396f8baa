// Package notify tells the owner of an account that a new device signed in, that the
// way to sign in has changed, or that somebody is trying passwords.
//
// It owns which events become notices, how many of them an account keeps, which are
// read, and which go out by e-mail, when and where to. It does not own the events
// (packages audit and device call it in the transaction of each), the texts, nor the
// sending of e-mails.
package notify
