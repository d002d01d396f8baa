package db_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/dbtest"
)

// After failures, a goroutine that looks for work waits longer and longer, even if the
// alarm rings. After a look without a failure, the alarm wakes it.
func TestLooker(t *testing.T) {
	d, err := db.Open(t.Context(), db.Config{Migrations: dbtest.Migrations})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	synctest.Test(t, func(t *testing.T) {
		alarm := d.Alarm("word")
		var l db.Looker
		failed := errors.New("failed on purpose")
		for i, test := range []struct {
			err  error
			want time.Duration
		}{
			{nil, 0}, {failed, time.Second}, {failed, 2 * time.Second}, {failed, 4 * time.Second}, {failed, 5 * time.Second},
			{nil, 0}, {failed, time.Second},
		} {
			alarm.Ring()
			began := time.Now()
			l.Wait(t.Context(), alarm, 5*time.Second, test.err)
			if got := time.Since(began); got != test.want {
				t.Errorf("look %d: waited for %v, want %v", i+1, got, test.want)
			}
		}
	})
}
