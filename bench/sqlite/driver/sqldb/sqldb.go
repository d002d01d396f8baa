// Package sqldb implements the handles for drivers that are reached through database/sql.
package sqldb

import (
	"context"
	"database/sql"
	"errors"

	"github.com/usher-auth/usher/bench/sqlite/driver"
)

// Source is a database/sql driver and the form of its settings.
type Source struct {
	Driver string                   // registered name
	DSN    func(path string) string // data source name that sets [driver.Pragmas]
}

// reader shares one prepared statement between the connections of the pool.
type reader struct {
	db     *sql.DB
	lookup *sql.Stmt
}

// OpenReader implements [driver.Driver].
func (s Source) OpenReader(ctx context.Context, path string, conns int) (driver.Reader, error) {
	db, err := s.open(path, conns)
	if err != nil {
		return nil, err
	}
	lookup, err := db.PrepareContext(ctx, driver.Lookup)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &reader{db, lookup}, nil
}

// open opens a pool that does not close idle connections.
func (s Source) open(path string, conns int) (*sql.DB, error) {
	db, err := sql.Open(s.Driver, s.DSN(path))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// Lookup implements [driver.Reader].
func (r *reader) Lookup(ctx context.Context, hash []byte) (driver.Token, error) {
	t := driver.Token{Hash: hash}
	err := r.lookup.QueryRowContext(ctx, hash).Scan(&t.Account, &t.Device, &t.Created)
	if errors.Is(err, sql.ErrNoRows) {
		return driver.Token{}, driver.ErrNotFound
	}
	return t, err
}

// Value implements [driver.Reader].
func (r *reader) Value(ctx context.Context, query string) (value string, err error) {
	err = r.db.QueryRowContext(ctx, query).Scan(&value)
	return value, err
}

// Close implements [driver.Reader].
func (r *reader) Close() error {
	return errors.Join(r.lookup.Close(), r.db.Close())
}

// writer holds one connection out of the pool, since a transaction must not change connections.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // :: query → prepared on conn
}

// OpenWriter implements [driver.Driver].
func (s Source) OpenWriter(ctx context.Context, path string) (driver.Writer, error) {
	db, err := s.open(path, 1)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &writer{db: db, conn: conn, stmts: make(map[string]*sql.Stmt)}
	if err := w.Run(ctx, driver.Schema); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Insert implements [driver.Writer].
func (w *writer) Insert(ctx context.Context, t driver.Token) error {
	return w.exec(ctx, driver.Insert, t.Hash, t.Account, t.Device, t.Created)
}

// Run implements [driver.Writer].
func (w *writer) Run(ctx context.Context, query string) error {
	return w.exec(ctx, query)
}

// exec runs a statement and keeps it prepared.
func (w *writer) exec(ctx context.Context, query string, args ...any) error {
	stmt, ok := w.stmts[query]
	if !ok {
		var err error
		if stmt, err = w.conn.PrepareContext(ctx, query); err != nil {
			return err
		}
		w.stmts[query] = stmt
	}
	_, err := stmt.ExecContext(ctx, args...)
	return err
}

// Value implements [driver.Writer].
func (w *writer) Value(ctx context.Context, query string) (value string, err error) {
	err = w.conn.QueryRowContext(ctx, query).Scan(&value)
	return value, err
}

// Close implements [driver.Writer].
func (w *writer) Close() error {
	var errs []error
	for _, stmt := range w.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}
