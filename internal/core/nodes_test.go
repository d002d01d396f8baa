package core_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// bound is how long what is revoked on one node may be accepted on another.
const bound = time.Second

// node opens a core on a PostgreSQL database.
func node(t *testing.T, address string, cfg core.Config) *coretest.Core {
	t.Helper()
	cfg.Database, cfg.Now = plexauth.Secret(address), time.Now
	return coretest.New(t, cfg)
}

// issue gives an account's device an access token.
func issue(t *testing.T, c *coretest.Core, a account.Account) plexauth.Secret {
	t.Helper()
	secret, err := c.Tokens.Issue(t.Context(), operator, a.ID, device.Device{ClientIdentifier: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// verify checks a token that must be good.
func verify(t *testing.T, c *coretest.Core, secret plexauth.Secret) token.Principal {
	t.Helper()
	p, err := c.Tokens.Verify(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// within fails the test unless a condition holds within the bound.
func within(t *testing.T, bound time.Duration, what string, condition func() bool) {
	t.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) > bound {
			t.Errorf("not within %v: %s", bound, what)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func isInvalid(c *coretest.Core, secret plexauth.Secret) func() bool {
	return func() bool {
		_, err := c.Tokens.Verify(context.Background(), secret)
		return errors.Is(err, token.ErrInvalid)
	}
}

func isUnavailable(c *coretest.Core, secret plexauth.Secret) func() bool {
	return func() bool {
		_, err := c.Tokens.Verify(context.Background(), secret)
		return fault.KindOf(err) == fault.Unavailable
	}
}

// Revoked on one node, revoked on every node within a second, also when no
// notification gets through.
func TestRevokedEverywhere(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	proxy, behind := pgtest.NewProxy(t, address)
	proxy.DropNotifications()
	a, b := node(t, address, core.Config{}), node(t, behind, core.Config{})
	mia := a.Add("mia")
	for range 5 {
		secret := issue(t, a, mia)
		transient, _ := b.Tokens.MintTransient(verify(t, b, secret), 0)
		verify(t, b, transient)
		if err := a.Tokens.Revoke(t.Context(), operator, verify(t, a, secret).TokenID); err != nil {
			t.Fatal(err)
		}
		if !isInvalid(a, secret)() {
			t.Error("the node that revoked the token accepts it")
		}
		within(t, bound, "the other node refuses it", isInvalid(b, secret))
		within(t, 0, "and its transient token", isInvalid(b, transient))
	}
	secret := issue(t, a, mia)
	verify(t, b, secret)
	if err := a.Accounts.Disable(t.Context(), operator, mia.ID); err != nil {
		t.Fatal(err)
	}
	within(t, bound, "the other node refuses the token of a disabled account", isInvalid(b, secret))
	if proxy.Dropped() == 0 {
		t.Error("no notification was dropped: the test proves nothing")
	}
}

// A node that does not hear of changes any more asks the database for each token,
// and refuses when that does not answer.
func TestCutOffNode(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	for name, sever := range map[string]func(*pgtest.Proxy){"cut": (*pgtest.Proxy).Cut, "frozen": (*pgtest.Proxy).Freeze} {
		t.Run(name, func(t *testing.T) {
			address := pgtest.Database(t)
			proxy, behind := pgtest.NewProxy(t, address)
			patientProxy, behindToo := pgtest.NewProxy(t, address)
			a, b := node(t, address, core.Config{}), node(t, behind, core.Config{})
			patient := node(t, behindToo, core.Config{StaleGrace: time.Hour})
			mia := a.Add("mia")
			kept, revoked := issue(t, a, mia), issue(t, a, mia)
			for _, c := range []*coretest.Core{b, patient} {
				verify(t, c, kept)
				verify(t, c, revoked)
			}
			sever(proxy)
			sever(patientProxy)
			if err := a.Tokens.Revoke(t.Context(), operator, verify(t, a, revoked).TokenID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(bound)
			for what, secret := range map[string]plexauth.Secret{"revoked": revoked, "kept": kept} {
				if !isUnavailable(b, secret)() {
					t.Errorf("the node accepts or rejects the %s token without knowing", what)
				}
			}
			// The operator chose to go on, and reads in the documents what that risks.
			verify(t, patient, kept)
			verify(t, patient, revoked)
			if err := b.DB.Ping(t.Context()); err == nil && name == "cut" {
				t.Error("the node says that it is ready")
			}

			proxy.Mend()
			patientProxy.Mend()
			for _, c := range []*coretest.Core{b, patient} {
				within(t, 20*time.Second, "the node accepts the token again", func() bool {
					_, err := c.Tokens.Verify(t.Context(), kept)
					return err == nil
				})
				within(t, 20*time.Second, "it refuses the revoked one", isInvalid(c, revoked))
			}
			within(t, 20*time.Second, "it trusts its copies again", b.DB.Trusts)
		})
	}
}

// Two nodes have one key. The second one does not make one up.
func TestNodesShareAKey(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := plexauth.Secret(pgtest.Database(t))
	dir := t.TempDir()
	cfg := func(name string) core.Config {
		return core.Config{Database: address, KeyFile: filepath.Join(dir, name, "usher.key")}
	}
	if created, err := opened(t, cfg("first")); err != nil || !created {
		t.Fatalf("the first node: created %v, %v", created, err)
	}
	for _, missing := range []bool{true, false} {
		if !missing {
			other := core.Config{Database: plexauth.Secret(pgtest.Database(t)), KeyFile: cfg("second").KeyFile}
			if _, err := opened(t, other); err != nil { // makes a key of another database
				t.Fatal(err)
			}
		}
		_, err := opened(t, cfg("second"))
		if keyErr := (*core.KeyError)(nil); !errors.As(err, &keyErr) || keyErr.Missing != missing {
			t.Errorf("a key that is missing: %v, error %v, want a KeyError", missing, err)
		}
	}
	if _, err := opened(t, cfg("first")); err != nil {
		t.Errorf("the first node again: %v", err)
	}
}

// The log of a cluster is one chain, whoever writes.
func TestOneAuditChain(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	nodes := []*coretest.Core{node(t, address, core.Config{}), node(t, address, core.Config{}), node(t, address, core.Config{})}
	done := make(chan error)
	var made atomic.Int64
	for _, c := range nodes {
		go func() {
			for range 50 {
				err := c.DB.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
					return c.Audit.Record(ctx, tx, operator, audit.Event{Kind: audit.SignIn})
				})
				if err != nil {
					done <- err
					return
				}
				made.Add(1)
			}
			done <- nil
		}()
	}
	for range nodes {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	rows, err := nodes[0].Audit.Verify(t.Context())
	if err != nil || rows < made.Load() {
		t.Errorf("the log has %d rows, %v; want at least %d", rows, err, made.Load())
	}
}

// A transient token is good on every node from the moment it is minted, and a
// clean stop of the node that minted it ends it.
func TestTransientOnAnyNode(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	proxy, behind := pgtest.NewProxy(t, address)
	proxy.DropNotifications()
	b := node(t, behind, core.Config{})
	a := node(t, address, core.Config{})
	secret := issue(t, a, a.Add("mia"))
	transient, _ := a.Tokens.MintTransient(verify(t, a, secret), 0)
	if p := verify(t, b, transient); p.Kind != token.Transient {
		t.Errorf("the other node reads a token of kind %v", p.Kind)
	}
	// What one may mint on another node is no more than there.
	again, _ := b.Tokens.MintTransient(verify(t, b, transient), 0)
	verify(t, a, again)

	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	within(t, bound, "the token ends with its node", isInvalid(b, transient))
	verify(t, b, again)
	verify(t, b, secret)
	// Attack: texts that look like tokens of other nodes.
	for _, forged := range []plexauth.Secret{transient[:len(transient)-1] + "A", "transient-" + transient[len("transient-"):20], "transient-"} {
		if !isInvalid(b, forged)() {
			t.Errorf("%d bytes that are no token are accepted", len(forged))
		}
	}
}

// A crash ends the transient tokens of a node within 30 seconds, also for a node
// whose clock is five seconds off, and not before the node could have renewed its
// lease.
func TestTransientEndsAfterACrash(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	for _, off := range []time.Duration{-5 * time.Second, 0, 5 * time.Second} {
		address := plexauth.Secret(pgtest.Database(t))
		crashed := coretest.New(t, core.Config{Database: address})
		other := coretest.New(t, core.Config{Database: address})
		other.Clock.Advance(off)
		secret := issue(t, crashed, crashed.Add("mia"))
		transient, _ := crashed.Tokens.MintTransient(verify(t, crashed, secret), 0)
		verify(t, other, transient)
		other.Clock.Advance(14 * time.Second)
		verify(t, other, transient)
		other.Clock.Advance(16 * time.Second)
		if !isInvalid(other, transient)() {
			t.Errorf("with a clock that is %v off: the token of a node that crashed 30 seconds ago is accepted", off)
		}
		verify(t, other, secret)
	}
}
