package signing_test

import (
	"errors"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/signing"
)

type claims struct {
	Text string `json:"text"`
}

// With another key file, earlier keys cannot sign any more. Their signatures stay valid,
// and a new key signs immediately.
func TestAnotherKeyFile(t *testing.T) {
	dir := t.TempDir()
	before := coretest.New(t, core.Config{Dir: dir})
	old, err := before.Signing.Sign(t.Context(), claims{"old"})
	if err != nil {
		t.Fatal(err)
	}
	after := coretest.New(t, core.Config{Dir: dir, Key: seal.NewKey([32]byte{2})})
	text, err := after.Signing.Sign(t.Context(), claims{"new"})
	if err != nil {
		t.Fatal(err)
	}
	published, err := after.Signing.Published(t.Context())
	if err != nil || len(published) != 2 {
		t.Errorf("published are %v, %v", published, err)
	}
	for want, jwt := range map[string]string{"old": old, "new": text} {
		var got claims
		if err := after.Signing.Verify(t.Context(), jwt, &got); err != nil || got.Text != want {
			t.Errorf("%s: %v, %v", want, got, err)
		}
	}
}

// Processes whose clocks differ by five seconds share one key, and replace it together.
func TestOneKeyWithOtherClocks(t *testing.T) {
	for _, off := range []time.Duration{-5 * time.Second, 5 * time.Second} {
		dir := t.TempDir()
		one, two := coretest.New(t, core.Config{Dir: dir}), coretest.New(t, core.Config{Dir: dir})
		two.Clock.Advance(off)
		signed := func(c *coretest.Core) (by string) {
			t.Helper()
			if _, err := c.Signing.Sign(t.Context(), claims{"one"}); err != nil {
				t.Fatal(err)
			}
			states, err := c.Signing.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range states {
				if s.Signs {
					by = s.ID
				}
			}
			return by
		}
		first := signed(one)
		if got := signed(two); got != first {
			t.Errorf("with a clock that is %v off, a server creates its own key", off)
		}
		// A stolen key does not sign anywhere after it was replaced.
		one.Clock.Advance(time.Second)
		two.Clock.Advance(time.Second)
		if err := one.Signing.Replace(t.Context(), audit.Actor{}, true); err != nil {
			t.Fatal(err)
		}
		if second := signed(one); second == first {
			t.Error("the replaced key signs")
		}
		within := time.Now().Add(10 * time.Second)
		for signed(two) == first {
			if time.Now().After(within) {
				t.Fatalf("with a clock that is %v off, a server signs with a key that was replaced immediately", off)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// Attack: a stolen key signs on, because the server that replaces it has a clock that is
// behind that of the one which created it, or does so within the same millisecond.
func TestReplacedWithAnEarlierClock(t *testing.T) {
	for _, behind := range []time.Duration{0, time.Second, 5 * time.Second} {
		c := coretest.New(t, core.Config{})
		replaced := make(map[string]bool)
		for range 4 {
			if _, err := c.Signing.Sign(t.Context(), claims{"one"}); err != nil {
				t.Fatal(err)
			}
			published, err := c.Signing.Published(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			signs := published[len(published)-1].ID
			if replaced[signs] {
				t.Errorf("with a clock that is %v behind, a key signs that was replaced", behind)
			}
			replaced[signs] = true
			c.Clock.Advance(-behind)
			if err := c.Signing.Replace(t.Context(), audit.Actor{}, true); err != nil {
				t.Fatal(err)
			}
			c.Clock.Advance(behind)
		}
	}
}

// Two processes that need a key at the same time use the same one.
func TestOneKeyForAllProcesses(t *testing.T) {
	dir := t.TempDir()
	one, two := coretest.New(t, core.Config{Dir: dir}), coretest.New(t, core.Config{Dir: dir})
	errs := make(chan error)
	jwts := make(chan string, 2)
	for _, c := range []*coretest.Core{one, two} {
		go func() {
			text, err := c.Signing.Sign(t.Context(), claims{"one"})
			jwts <- text
			errs <- err
		}()
	}
	if err := errors.Join(<-errs, <-errs); err != nil {
		t.Fatal(err)
	}
	published, err := one.Signing.Published(t.Context())
	if err != nil || len(published) != 1 {
		t.Errorf("published are %v, %v", published, err)
	}
	for range cap(jwts) {
		text := <-jwts
		for _, c := range []*coretest.Core{one, two} {
			if err := c.Signing.Verify(t.Context(), text, new(claims)); err != nil {
				t.Error(err)
			}
		}
	}
	other := coretest.New(t, core.Config{})
	foreign, err := other.Signing.Sign(t.Context(), claims{"foreign"})
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Signing.Verify(t.Context(), foreign, new(claims)); !errors.Is(err, signing.ErrInvalid) {
		t.Errorf("another server's JWT: %v", err)
	}
}

// A key that is replaced immediately signs nothing more, and its signatures stay valid
// until they expire. Otherwise, the successor is published a day before it signs, once.
func TestReplace(t *testing.T) {
	c := coretest.New(t, core.Config{})
	old, err := c.Signing.Sign(t.Context(), claims{"old"})
	if err != nil {
		t.Fatal(err)
	}
	signer := func() (id string, keys int) {
		t.Helper()
		list, err := c.Signing.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range list {
			if k.Signs {
				id += k.ID
			}
		}
		return id, len(list)
	}
	replace := func(atOnce bool) error { return c.Signing.Replace(t.Context(), audit.Actor{Name: "test"}, atOnce) }
	first, _ := signer()
	for range 2 {
		if err := replace(false); err != nil {
			t.Fatal(err)
		}
	}
	if id, n := signer(); id != first || n != 2 {
		t.Errorf("before the day is over, %s signs, of %d keys", id, n)
	}
	c.Clock.Advance(24 * time.Hour)
	second, _ := signer()
	c.Clock.Advance(time.Second)
	if err := replace(true); err != nil {
		t.Fatal(err)
	}
	third, n := signer()
	if second == first || third == second || n != 3 {
		t.Errorf("the signers are %s, %s, %s, of %d keys", first, second, third, n)
	}
	if err := c.Signing.Verify(t.Context(), old, new(claims)); err != nil {
		t.Errorf("a signature of the first key: %v", err)
	}
	for range signing.MaxKeys {
		err = replace(true)
	}
	if !errors.Is(err, signing.ErrTooMany) {
		t.Errorf("replacing without end: %v", err)
	}
}
