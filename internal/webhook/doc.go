// Package webhook reports the events of an account to other programs, by a request to
// each address that the account has registered.
//
// It owns the addresses, the payload and its signature, the networks to which requests
// may be sent, and the queue: an event is stored in the transaction that causes it, and
// one of the nodes of the database sends it afterwards, with retries. It does not own
// the events: package device calls it when a device signs in.
package webhook
