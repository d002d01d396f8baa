package pin_test

import (
	"context"
	"errors"
	"testing"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
)

// taken is the table of PINs in which the first generated codes are taken.
type taken struct {
	pin.Rows
	codes int // that are taken
	drawn int
}

func (r *taken) Insert(ctx context.Context, tx *db.Tx, p pin.PIN) error {
	if r.drawn++; r.drawn <= r.codes {
		return db.ErrConflict
	}
	return r.Rows.Insert(ctx, tx, p)
}

// A code that is taken is generated again, at most twenty times.
func TestTakenCode(t *testing.T) {
	for codes, want := range map[int]int{0: 1, 1: 2, 19: 20, 20: 20, 100: 20} {
		c := coretest.New(t, core.Config{})
		rows := &taken{Rows: store.PINs{}, codes: codes}
		svc := pin.New(pin.Config{
			DB: c.DB, Rows: rows, Accounts: c.Accounts, Tokens: c.Tokens, Key: seal.NewKey([32]byte{1}), Audit: c.Audit,
			FailedTries: 10, Now: c.Clock.Now,
		})
		p, err := svc.Start(t.Context(), device.Device{ClientIdentifier: "tv"}, false, "")
		if rows.drawn != want {
			t.Errorf("with %d codes taken, %d are drawn, want %d", codes, rows.drawn, want)
		}
		if codes < 20 && (err != nil || p.Code == "") || codes >= 20 && !errors.Is(err, db.ErrConflict) {
			t.Errorf("with %d codes taken, the PIN is %+v, %v", codes, p, err)
		}
	}
}
