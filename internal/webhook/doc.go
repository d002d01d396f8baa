// Package webhook tells other programs what happens to an account, by a request to
// each address that the account has named.
//
// It owns the addresses, what is sent, its signature, and the queue: an event is
// stored in the transaction that makes it happen, and sent afterwards by one of the
// nodes of a database, again if that fails. It owns which networks a request may go
// to. It does not own the events: package device says when a device signs in.
package webhook
