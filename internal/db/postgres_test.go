package db_test

import (
	"os"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/dbtest"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/plexauth"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestPostgres(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	dbtest.Run(t, func(t *testing.T) func(db.Config) (*db.DB, error) {
		url := plexauth.Secret(pgtest.Database(t))
		return func(cfg db.Config) (*db.DB, error) {
			cfg.URL = url
			return db.Open(t.Context(), cfg)
		}
	})
}
