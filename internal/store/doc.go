// Package store is the one place with SQL.
//
// It owns the rows (accounts, devices, tokens, sources, shares, settings), the
// transactions that change them and what "durable" means: a call that returns
// without an error has its change on disk. It announces every change to those
// who keep copies of rows in memory, before the call that made it returns, and
// it notices changes that another process made to the same database.
//
// It does not own what a row means. It never sees a password, a token or a
// TOTP seed: callers give it hashes and sealed bytes.
//
// # Reading and writing
//
// Reads run on a small pool of connections. Writes go through one connection,
// each as a function that runs in a savepoint; writes that wait at the same
// time share one durable commit, so a burst of sign-ins costs a few fsyncs
// rather than one each.
//
// The engine is SQLite. Queries use the subset that PostgreSQL shares ($1
// parameters, RETURNING, ON CONFLICT), so that it can stand behind the same
// methods.
package store
