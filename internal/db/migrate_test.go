package db

import (
	"context"
	"database/sql"
	"errors"
	"testing"
)

// A schema that cannot be read is not newer.
func TestNewerOnlyIfRead(t *testing.T) {
	pool, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := checkNewer(t.Context(), pool, 2, 1); !errors.Is(err, ErrNewer) {
		t.Errorf("without a table of expansions: %v, want ErrNewer", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := checkNewer(ctx, pool, 2, 1); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNewer) {
		t.Errorf("with an ended context: %v, want context.Canceled", err)
	}
}
