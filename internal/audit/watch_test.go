package audit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
)

// watcher counts the events that it receives, and fails if a test wants it to.
type watcher struct {
	told int
	err  error
}

func (w *watcher) Recorded(context.Context, *db.Tx, audit.Actor, audit.Event) error {
	w.told++
	return w.err
}

// A log can have several watchers. One that is created again replaces the previous one.
func TestWatchers(t *testing.T) {
	w := newFixture(t, core.Config{})
	var first, again, other watcher
	w.Audit.Watch("a", &first)
	w.Audit.Watch("b", &other)
	w.add("mia")
	w.Audit.Watch("a", &again)
	w.add("noa")
	if first.told != 1 || other.told != 2 || again.told != 1 {
		t.Errorf("received: %d, %d and %d events", first.told, other.told, again.told)
	}
	again.err = errors.New("on purpose")
	_, err := w.Accounts.Add(t.Context(), nobody, account.NewAccount{Username: "ida", Password: coretest.Password})
	if !errors.Is(err, again.err) || len(w.lines()) != 2 {
		t.Errorf("a watcher that fails: %v, and the log is %q", err, w.lines())
	}
}
