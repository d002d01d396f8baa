package account_test

import (
	"errors"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/plexauth"
)

// Without a limit, wrong codes lock nothing and cause no notices. An account that an
// earlier limit locked is unlocked.
func TestNoLimitOfCodes(t *testing.T) {
	w := newFixture(t, core.Config{})
	e, _ := w.enrol(t)
	if got := tries(20, func(int) error { return w.signInAt(visitor, "", "000000") }); got != "code 20" {
		t.Errorf("the outcomes of the attempts are %s", got)
	}
	if g, err := w.Guesses(t.Context(), w.mia.ID); err != nil || g != (account.Guesses{}) {
		t.Errorf("the owner sees %+v, %v", g, err)
	}
	if err := w.signInAt(visitor, "", string(code(t, e, w.now()))); err != nil {
		t.Errorf("the right code: %v", err)
	}

	w = newFixture(t, core.Config{FailedTries: 3})
	e, _ = w.enrol(t)
	if got := tries(4, func(int) error { return w.signInAt(visitor, "", "000000") }); got != "code 3, limited 1" {
		t.Errorf("with a limit, the outcomes of the attempts are %s", got)
	}
	unlimited := coretest.New(t, core.Config{Dir: w.dir, HashCost: cheap})
	unlimited.Clock.Set(w.now())
	verify := func(code plexauth.Secret) error {
		_, err := unlimited.Accounts.Verify(t.Context(), visitor, account.Credentials{Login: "mia", Password: password, Code: code})
		return err
	}
	if err := verify("000000"); !errors.Is(err, account.ErrCode) {
		t.Errorf("once there is no limit any more, a wrong code returned %v, want ErrCode", err)
	}
	if err := verify(code(t, e, w.now())); err != nil {
		t.Errorf("once there is no limit any more, the right code returned %v", err)
	}
}
