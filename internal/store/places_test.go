package store_test

import (
	"context"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// places provides databases on PostgreSQL to tests. If a test passes, the next test gets
// its database, without the rows and with the same connections: opening connections took
// half of the processor time of the tests.
type places struct {
	model string // the URL of the database that the others are like
	free  []*place
}

// place is a database. Its handle is nil if the last test has closed it.
type place struct {
	url  string
	open *db.DB
}

// kept matches the tables that keep their rows: the versions of the schema, and the feed,
// whose numbers never restart for a process that follows it.
const kept = "^(schema_.*|change)$"

// next returns how to open the database of a test, which is its own until it ends.
func (p *places) next(t *testing.T) func() *db.DB {
	t.Helper()
	one := p.take(t)
	handles := 0
	t.Cleanup(func() {
		// With a second process there are changes that the first has yet to hear of, which
		// the next test must not.
		if one.empty(t); t.Failed() || handles > 1 {
			one.close(t)
		}
		if !t.Failed() {
			p.free = append(p.free, one)
		}
	})
	return func() *db.DB {
		if handles++; handles == 1 {
			return one.open
		}
		return opener(t, db.Config{URL: plexauth.Secret(one.url)})()
	}
}

func (p *places) take(t *testing.T) *place {
	t.Helper()
	one := new(place)
	if last := len(p.free) - 1; last >= 0 {
		one, p.free = p.free[last], p.free[:last]
	} else {
		one.url = pgtest.Copy(t, p.model)
	}
	if one.open == nil {
		var err error
		one.open, err = db.Open(t.Context(), db.Config{URL: plexauth.Secret(one.url), Migrations: store.Migrations()})
		if err != nil {
			t.Fatal(err)
		}
	}
	return one
}

func (o *place) empty(t *testing.T) {
	t.Helper()
	err := o.open.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, pgtest.Emptied(kept))
	})
	if err != nil {
		t.Error(err)
	}
}

func (o *place) close(t *testing.T) {
	t.Helper()
	if err := o.open.Close(); err != nil {
		t.Error(err)
	}
	o.open = nil
}

// close closes connections that tests have left open.
func (p *places) close(t *testing.T) {
	t.Helper()
	for _, one := range p.free {
		if one.open != nil {
			one.close(t)
		}
	}
}
