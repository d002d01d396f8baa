// Package driver is the common interface of the SQLite drivers under test: the two kinds of handle
// of a server, and the statements and settings that are the same for all of them.
package driver

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Statements that every driver runs.
const (
	Schema = `CREATE TABLE IF NOT EXISTS token (
		hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
		account_id INTEGER NOT NULL,
		device_id  INTEGER NOT NULL,
		created_at INTEGER NOT NULL
	) WITHOUT ROWID`
	Lookup = `SELECT account_id, device_id, created_at FROM token WHERE hash = ?`
	Insert = `INSERT INTO token (hash, account_id, device_id, created_at) VALUES (?, ?, ?, ?)`
)

// Pragma is one setting of a connection.
type Pragma struct {
	Name, Value string // as SQLite spells them
}

// Pragmas are set on every connection. Drivers differ in their defaults, synchronous included.
var Pragmas = []Pragma{
	{"busy_timeout", "5000"},
	{"journal_mode", "WAL"},
	{"synchronous", "FULL"},
	{"foreign_keys", "ON"},
}

// ErrNotFound is the error of a lookup without a result.
var ErrNotFound = errors.New("no such token")

// Token is one row.
type Token struct {
	Hash    []byte // 32 bytes
	Account int64
	Device  int64
	Created int64 // Unix seconds
}

// Driver is one candidate.
type Driver struct {
	Name   string // short, as in the table
	Module string // its Go module
	Cgo    bool   // whether it needs a C compiler

	// OpenReader opens an existing database with at most conns connections.
	OpenReader func(ctx context.Context, path string, conns int) (Reader, error)
	// OpenWriter opens a database with one connection, and creates the file and table if missing.
	OpenWriter func(ctx context.Context, path string) (Writer, error)
}

// Reader looks up tokens. It is safe for concurrent use.
type Reader interface {
	// Lookup finds a token by its hash, or returns ErrNotFound.
	Lookup(ctx context.Context, hash []byte) (Token, error)
	// Value returns the single value of a query.
	Value(ctx context.Context, query string) (string, error)
	Close() error
}

// Writer writes tokens on one connection. It is not safe for concurrent use.
type Writer interface {
	// Insert adds a token. Outside a transaction it is on disk when Insert returns.
	Insert(ctx context.Context, t Token) error
	// Run runs a statement that has no parameters and no rows, prepared on first use.
	Run(ctx context.Context, query string) error
	// Value returns the single value of a query.
	Value(ctx context.Context, query string) (string, error)
	Close() error
}

// InsertGroup commits the tokens together, each in its own savepoint, like a writer that serves
// several waiting requests at once. If one fails, none is stored.
func InsertGroup(ctx context.Context, w Writer, tokens []Token) (err error) {
	// IMMEDIATE takes the write lock at the start: a lock that is upgraded later can fail
	// halfway.
	if err := w.Run(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Run(ctx, "ROLLBACK"))
		}
	}()
	for _, t := range tokens {
		if err := insertInSavepoint(ctx, w, t); err != nil {
			return err
		}
	}
	return w.Run(ctx, "COMMIT")
}

// insertInSavepoint adds one token of a group.
func insertInSavepoint(ctx context.Context, w Writer, t Token) error {
	if err := w.Run(ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	if err := w.Insert(ctx, t); err != nil {
		return err
	}
	return w.Run(ctx, "RELEASE one")
}

// Sample returns the i-th token of the data set. Hashes of successive tokens are far apart in the
// table, as those of random tokens are.
func Sample(i int) Token {
	hash := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	return Token{
		Hash:    hash[:],
		Account: int64(i / 8),
		Device:  int64(i),
		Created: 1_700_000_000 + int64(i),
	}
}

// Create creates a database file with the first rows tokens of the data set.
func Create(ctx context.Context, d Driver, path string, rows int) (err error) {
	w, err := d.OpenWriter(ctx, path)
	if err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	// Closing the last connection moves the log into the file, so the file alone is the database.
	defer func() { err = errors.Join(err, w.Close()) }()
	group := make([]Token, 0, 10_000)
	for i := range rows {
		group = append(group, Sample(i))
		if len(group) < cap(group) && i < rows-1 {
			continue
		}
		if err := InsertGroup(ctx, w, group); err != nil {
			return err
		}
		group = group[:0]
	}
	return nil
}
