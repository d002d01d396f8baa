package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"
)

// lostPreparer is a database whose connection is lost before a query is prepared.
type lostPreparer struct{ preparer }

func (lostPreparer) PrepareContext(context.Context, string) (*sql.Stmt, error) {
	return nil, driver.ErrBadConn
}

// A query that cannot even be prepared fails as one that cannot be run.
func TestPrepareIsUnavailable(t *testing.T) {
	s := newStatements(lostPreparer{}, sqliteEngine)
	_, exec := s.exec(t.Context(), "SELECT 1")
	_, query := s.query(t.Context(), "SELECT 1")
	row := s.queryRow(t.Context(), "SELECT 1").Scan()
	for name, err := range map[string]error{"exec": exec, "query": query, "queryRow": row} {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}
