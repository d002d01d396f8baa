// Package store contains all SQL: rows in, rows out.
//
// It owns the tables, their migrations and every statement, and declares in the
// same method which cached rows it changes (db.Tx.Touch). It
// decides nothing: what a row means, who can change it and what else has to
// change with it is in the packages whose types it stores. Each of them states
// in an interface what it needs stored, and a type of this package implements
// it. It never sees a password, a token or a TOTP seed: it receives hashes and
// sealed bytes.
//
// Methods that read take a db.Querier, and so work inside a transaction or
// outside of one. Methods that write take a db.Tx. Rows that do not exist are
// db.ErrNotFound, and violated unique keys db.ErrConflict.
package store
