package db

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"sync"
)

// preparer is a pool of connections or one of them.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	Close() error
}

// statements runs queries and caches each of them prepared: parsing a query
// takes SQLite as long as running it. Nearly all queries are constants, so they
// are few. PostgreSQL's driver caches them itself, for each connection. It is
// safe for concurrent use.
type statements struct {
	db        preparer
	arguments func([]any) ([]any, error) // of the engine; nil: unchanged
	once      bool                       // the driver caches

	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
}

func newStatements(db preparer, e engine) *statements {
	return &statements{db: db, arguments: e.arguments, once: e.remote, prepared: make(map[string]*sql.Stmt)}
}

// prepare returns the statement of a query.
func (s *statements) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.prepared[query]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt = s.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, translate(err)
	}
	s.prepared[query] = stmt
	return stmt, nil
}

// texts returns the queries that were prepared.
func (s *statements) texts() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Keys(s.prepared))
}

func (s *statements) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if s.once {
		args, err := s.arguments(args)
		if err != nil {
			return nil, err
		}
		res, err := s.db.ExecContext(ctx, query, args...)
		return res, translate(err)
	}
	stmt, err := s.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	res, err := stmt.ExecContext(ctx, args...)
	return res, translate(err)
}

func (s *statements) query(ctx context.Context, query string, args ...any) (*Rows, error) {
	if s.once {
		return s.queryOnce(ctx, query, args...)
	}
	stmt, err := s.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	return &Rows{rows}, translate(err)
}

// queryOnce is query for a statement that does not stay prepared.
func (s *statements) queryOnce(ctx context.Context, query string, args ...any) (*Rows, error) {
	if s.arguments != nil {
		var err error
		if args, err = s.arguments(args); err != nil {
			return nil, err
		}
	}
	rows, err := s.db.QueryContext(ctx, query, args...)
	return &Rows{rows}, translate(err)
}

func (s *statements) queryRow(ctx context.Context, query string, args ...any) Row {
	if s.once {
		return s.queryRowOnce(ctx, query, args...)
	}
	stmt, err := s.prepare(ctx, query)
	if err != nil {
		return Row{err: err}
	}
	return Row{row: stmt.QueryRowContext(ctx, args...)}
}

// queryRowOnce is queryRow for a statement that does not stay prepared.
func (s *statements) queryRowOnce(ctx context.Context, query string, args ...any) Row {
	if s.arguments != nil {
		var err error
		if args, err = s.arguments(args); err != nil {
			return Row{err: err}
		}
	}
	return Row{row: s.db.QueryRowContext(ctx, query, args...)}
}

// close closes the statements and then the connections. Closing a *sql.Conn
// does not close its statements, and SQLite keeps a database open, with its
// write-ahead log next to it, as long as it has statements.
func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, stmt := range s.prepared {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.db.Close())...)
}
