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

// opener returns a function that opens one database repeatedly, until the test ends.
func opener(t *testing.T, cfg db.Config) func() *db.DB {
	return func() *db.DB {
		cfg.Migrations = store.Migrations()
		d, err := db.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		return d
	}
}

func TestSQLite(t *testing.T) {
	ran := &statements{texts: make(map[string]bool)}
	t.Run("Rows", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) func() *db.DB {
			open := opener(t, db.Config{Dir: t.TempDir()})
			return func() *db.DB {
				var d *db.DB
				t.Cleanup(func() { ran.add(d.Statements()) }) // after it has been closed
				d = open()
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
	all := &places{model: pgtest.Database(t)}
	defer all.close(t)
	model, err := db.Open(t.Context(), db.Config{URL: plexauth.Secret(all.model), Migrations: store.Migrations()})
	if err == nil {
		err = model.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, all.next)
}
