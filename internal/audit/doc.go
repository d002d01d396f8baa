// Package audit is the log of security-relevant events: what happened to which account,
// who did it, and from where.
//
// It owns the events and their wording, the hash chain that reveals changes, how many
// failed attempts get a row during a flood, and how long rows are retained. It does not
// own the storage of rows (package store), or the decision what to record: the domain
// packages call [Log.Record] in the transaction of the change.
//
// # The chain
//
// Each row holds the hash of the row before it, and rows are numbered without
// gaps. The two ends of the log, the last row that was written and the last
// that was pruned, are stored apart from it and move in the same transactions.
// [Log.Verify] therefore finds a row that was changed, added or removed, unless
// the attacker recomputed everything after it: the chain has no key.
package audit
