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
	ran := &statements{texts: make(map[string]bool)}
	t.Run("Rows", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) func() *db.DB {
			open := opener(t, db.Config{Dir: t.TempDir()})
			return func() *db.DB {
				d := open()
				t.Cleanup(func() { ran.add(d.Statements()) })
				return d
			}
		})
	})
	t.Run("Plans", func(t *testing.T) { checkPlans(t, ran.texts) })
}

func TestPostgres(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	pool := pgtest.Pool{Model: pgtest.Database(t), Kept: `schema\_%`}
	if err := opener(t, db.Config{URL: plexauth.Secret(pool.Model)})().Close(); err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(t *testing.T) func() *db.DB {
		return opener(t, db.Config{URL: plexauth.Secret(pool.Database(t))})
	})
}
