package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

//go:embed migrations
var migrationFiles embed.FS

// Migrations returns the schema's steps, for db.Config.
func Migrations() fs.FS {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return files
}

// scanner is a row of either kind.
type scanner interface{ Scan(dest ...any) error }

// collect scans every row of a query and closes it.
func collect[T any](rows *db.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// scanID scans a row that is an ID.
func scanID(row scanner) (id int64, err error) {
	err = row.Scan(&id)
	return id, err
}

// nullText keeps an absent text out of UNIQUE columns.
func nullText(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// nullID stores an absent reference as NULL.
func nullID(id int64) sql.NullInt64 { return sql.NullInt64{Int64: id, Valid: id != 0} }

// millis and fromMillis convert times to and from how they are stored.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

const (
	findSetting = "SELECT value FROM setting WHERE name = $1"
	putSetting  = `INSERT INTO setting (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`
)

// Settings is the table of values by name.
type Settings struct{ DB *db.DB }

// Find returns the value of a setting: db.ErrNotFound.
func (s Settings) Find(ctx context.Context, name string) (value []byte, err error) {
	err = s.DB.QueryRow(ctx, findSetting, name).Scan(&value)
	return value, db.Wrap("reading setting "+name, err)
}

// FindOrCreate returns the value of a setting. If it is not set, it stores what
// create returns. Two processes that do this concurrently get the same value.
func (s Settings) FindOrCreate(
	ctx context.Context, name string, create func() ([]byte, error),
) (value []byte, err error) {
	if value, err = s.Find(ctx, name); !errors.Is(err, db.ErrNotFound) {
		return value, err
	}
	fresh, err := create()
	if err != nil {
		return nil, fmt.Errorf("creating setting %s: %w", name, err)
	}
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		err := tx.Exec(ctx, "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, fresh)
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, findSetting, name).Scan(&value)
	})
	return value, db.Wrap("creating setting "+name, err)
}

// Put stores a setting, whatever it was before.
func (s Settings) Put(ctx context.Context, name string, value []byte) error {
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return tx.Exec(ctx, putSetting, name, value) })
	return db.Wrap("writing setting "+name, err)
}
