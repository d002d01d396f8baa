package login

import (
	"crypto/sha256"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

func TestPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pending{limit: 2}
		add := func(state string, life time.Duration) {
			p.add(state, signIn{&plexauth.PIN{Code: state, ExpiresAt: time.Now().Add(life)}, sha256.Sum256([]byte(state))})
		}
		take := func(state string, want bool) {
			t.Helper()
			in, ok := p.take(state, sha256.Sum256([]byte(state)))
			if ok != want || ok && in.pin.Code != state {
				t.Errorf("%s : got %v, %+v", state, ok, in)
			}
		}
		add("brief", time.Minute)
		add("long", time.Hour)
		time.Sleep(time.Minute)
		take("brief", false) // it has just expired
		if _, ok := p.get("brief"); ok {
			t.Error("an expired sign-in is returned")
		}
		if in, ok := p.get("long"); !ok || in.pin.Code != "long" {
			t.Errorf("got %+v, %v", in, ok)
		}
		add("new", 2*time.Minute)
		take("long", true) // the expired one was removed instead
		add("newer", 3*time.Minute)
		add("newest", 4*time.Minute)
		take("new", false) // it expired first, and was removed
		take("newer", true)
		take("newer", false)
		take("newest", true)
		if len(p.byState) != 0 {
			t.Errorf("%d sign-ins are left", len(p.byState))
		}
	})
}
