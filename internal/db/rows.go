package db

import "database/sql"

// Rows is the result of a query. Its errors have this package's names.
type Rows struct{ *sql.Rows }

// Scan copies the columns of the current row.
func (r *Rows) Scan(dest ...any) error { return translate(r.Rows.Scan(dest...)) }

// Err returns the error that ended the iteration, if any.
func (r *Rows) Err() error { return translate(r.Rows.Err()) }

// Row is the result of a query that returns at most one row.
type Row struct {
	row *sql.Row
	err error
}

// Scan copies the columns of the row: sql.ErrNoRows if there is no row.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return translate(r.row.Scan(dest...))
}
