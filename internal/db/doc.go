// Package db is the database engine.
//
// It owns how the database is opened, migrated, backed up and closed; the
// transactions, and which writes share one commit; the feed of what
// each commit changed; and the caches that the feed invalidates. It knows the
// tables that it needs for that, schema_version, schema_expansion, change and
// move, and no other: every other statement is in package store. The tables that it copies
// to another database are those of the schema.
//
// # Writing
//
// [DB.Write] runs a function in a transaction. One connection writes. Writes
// that wait at the same time run one after the other, each in a savepoint, and
// share one durable commit: a burst of sign-ins costs a few fsyncs rather than
// one each. When Write returns nil, the change is on disk. [DB.Note] writes times that
// need not be exact, such as when a token was last used, and does not delay changes.
//
// # The feed of changes
//
// A writer declares what it changed where it writes ([Tx.Touch]). After the commit,
// and before Write returns, every cache in this process drops the touched entries.
// The touched keys are also rows of the change table, written in the same
// commit. Other processes poll that table, four times a second, and drop the
// same entries. A process that cannot determine what it missed drops everything.
//
// # Engines
//
// The engines are SQLite, in a file of this machine, and PostgreSQL, to which
// any number of processes on other machines can connect. The differences between
// them are in the engine struct. Statements use the subset that both share: $1
// parameters, RETURNING, ON CONFLICT, TRUE and FALSE.
//
// On PostgreSQL, the transactions that write take turns under an advisory lock.
// A connection that is lost is opened again, with pauses that grow to a second;
// until then reads and writes return [ErrUnavailable]. The feed is read on a
// separate connection. NOTIFY wakes it, as a hint: without, it is read four
// times a second.
package db
