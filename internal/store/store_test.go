package store_test

import (
	"os"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/store/storetest"
	"github.com/usher-auth/usher/plexauth"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// opener returns what opens one database, again and again.
func opener(t *testing.T, cfg db.Config) func() *db.DB {
	return func() *db.DB {
		cfg.Migrations = store.Migrations()
		d, err := db.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() *db.DB { return opener(t, db.Config{Dir: t.TempDir()}) })
}

func TestPostgres(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	storetest.Run(t, func(t *testing.T) func() *db.DB {
		return opener(t, db.Config{URL: plexauth.Secret(pgtest.Database(t))})
	})
}
