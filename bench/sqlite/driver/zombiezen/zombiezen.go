// Package zombiezen measures zombiezen.com/go/sqlite: the same translated code as modernc's
// driver, with its own interface instead of database/sql.
//
// Its pool is a channel of connections. The module's sqlitex.Pool starts a goroutine on
// every Take, to watch a context. Here, that is done only for contexts that can be
// cancelled, like in the database/sql drivers.
//
// Because modernc's own driver is in this module too, zombiezen runs here on that newer translation
// of SQLite, not on the older one that its go.mod asks for. A program that chooses it gets the same
// by requiring modernc.org/sqlite itself.
package zombiezen

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/usher-auth/usher/bench/sqlite/driver"
)

// Driver is the candidate.
var Driver = driver.Driver{
	Name:       "zombiezen",
	Module:     "zombiezen.com/go/sqlite",
	OpenReader: openReader,
	OpenWriter: openWriter,
}

// open opens one connection with the common settings.
func open(path string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	for _, p := range driver.Pragmas {
		query := fmt.Sprintf("PRAGMA %s = %s", p.Name, p.Value)
		if err := sqlitex.ExecuteTransient(conn, query, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// interruptible lets ctx stop the connection's work until the returned function is called.
func interruptible(ctx context.Context, conn *sqlite.Conn) (release func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	conn.SetInterrupt(ctx.Done())
	return func() { conn.SetInterrupt(nil) }
}

// value returns the single value of a query.
func value(conn *sqlite.Conn, query string) (value string, err error) {
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			value = stmt.ColumnText(0)
			return nil
		},
	})
	return value, err
}

// reader is a pool: a channel of the idle connections.
type reader chan *sqlite.Conn

// openReader opens all connections.
func openReader(_ context.Context, path string, conns int) (driver.Reader, error) {
	r := make(reader, conns)
	for range conns {
		conn, err := open(path)
		if err != nil {
			return nil, errors.Join(err, r.closeIdle())
		}
		r <- conn
	}
	return r, nil
}

// Lookup implements [driver.Reader].
func (r reader) Lookup(ctx context.Context, hash []byte) (t driver.Token, err error) {
	conn := <-r
	defer func() { r <- conn }()
	defer interruptible(ctx, conn)()
	stmt, err := conn.Prepare(driver.Lookup) // the connection keeps it prepared
	if err != nil {
		return driver.Token{}, err
	}
	defer func() { err = errors.Join(err, stmt.Reset()) }()
	stmt.BindBytes(1, hash)
	found, err := stmt.Step()
	if err != nil {
		return driver.Token{}, err
	}
	if !found {
		return driver.Token{}, driver.ErrNotFound
	}
	return driver.Token{
		Hash:    hash,
		Account: stmt.ColumnInt64(0),
		Device:  stmt.ColumnInt64(1),
		Created: stmt.ColumnInt64(2),
	}, nil
}

// Value implements [driver.Reader].
func (r reader) Value(ctx context.Context, query string) (string, error) {
	conn := <-r
	defer func() { r <- conn }()
	defer interruptible(ctx, conn)()
	return value(conn, query)
}

// Close waits until every connection is idle, and closes it.
func (r reader) Close() error {
	var errs []error
	for range cap(r) {
		errs = append(errs, (<-r).Close())
	}
	return errors.Join(errs...)
}

// closeIdle closes the connections that a failed open has opened so far.
func (r reader) closeIdle() error {
	var errs []error
	for range len(r) {
		errs = append(errs, (<-r).Close())
	}
	return errors.Join(errs...)
}

// writer is one connection.
type writer struct {
	conn *sqlite.Conn
}

// openWriter opens the connection and creates the table.
func openWriter(ctx context.Context, path string) (driver.Writer, error) {
	conn, err := open(path)
	if err != nil {
		return nil, err
	}
	w := writer{conn}
	if err := w.Run(ctx, driver.Schema); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Insert implements [driver.Writer].
func (w writer) Insert(ctx context.Context, t driver.Token) error {
	return w.exec(ctx, driver.Insert, func(stmt *sqlite.Stmt) {
		stmt.BindBytes(1, t.Hash)
		stmt.BindInt64(2, t.Account)
		stmt.BindInt64(3, t.Device)
		stmt.BindInt64(4, t.Created)
	})
}

// Run implements [driver.Writer].
func (w writer) Run(ctx context.Context, query string) error {
	return w.exec(ctx, query, func(*sqlite.Stmt) {})
}

// exec runs a statement, which the connection keeps prepared.
func (w writer) exec(ctx context.Context, query string, bind func(*sqlite.Stmt)) (err error) {
	defer interruptible(ctx, w.conn)()
	stmt, err := w.conn.Prepare(query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stmt.Reset()) }()
	bind(stmt)
	_, err = stmt.Step()
	return err
}

// Value implements [driver.Writer].
func (w writer) Value(ctx context.Context, query string) (string, error) {
	defer interruptible(ctx, w.conn)()
	return value(w.conn, query)
}

// Close implements [driver.Writer].
func (w writer) Close() error {
	return w.conn.Close()
}
