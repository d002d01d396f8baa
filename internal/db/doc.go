// Package db is the database engine.
//
// It owns how the database is opened, migrated, backed up and closed; the
// transactions, and which writes share one commit; the feed that says what
// each commit changed; and the caches that the feed keeps honest. It knows the
// tables that it needs for that, schema_version, schema_expansion, change and
// move, and no other: every other statement is in package store. What it copies
// to another database is what it finds in the schema.
//
// # Writing
//
// [DB.Write] runs a function in a transaction. One connection writes. Writes
// that wait at the same time run one after the other, each in a savepoint, and
// share one durable commit: a burst of sign-ins costs a few fsyncs rather than
// one each. When Write returns nil, the change is on disk. [DB.Note] writes times that
// nobody relies on, such as when a token was last used, and delays no change.
//
// # The feed of changes
//
// A writer says what it touched where it writes ([Tx.Touch]). After the commit,
// and before Write returns, every cache in this process drops what was touched.
// The touched keys are also rows of the change table, written in the same
// commit. Other processes poll that table, four times a second, and drop the
// same entries. A process that cannot tell what it missed drops everything.
//
// # Engines
//
// The engines are SQLite, in a file of this machine, and PostgreSQL, to which
// any number of processes on other machines may connect. What differs between
// them is in the engine struct. Statements use the subset that both share: $1
// parameters, RETURNING, ON CONFLICT, TRUE and FALSE.
//
// On PostgreSQL, the transactions that write take turns under an advisory lock.
// A connection that is lost is opened again, with pauses that grow to a second;
// until then reads and writes return [ErrUnavailable]. The feed is read on a
// connection of its own. NOTIFY wakes it, as a hint: without, it is read four
// times a second.
package db
