package store_test

import (
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/store/storetest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() *db.DB {
		dir := t.TempDir()
		return func() *db.DB {
			d, err := db.Open(t.Context(), db.Config{Dir: dir, Migrations: store.Migrations()})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	})
}
