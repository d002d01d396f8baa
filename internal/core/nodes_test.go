package core_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/passkey/passkeytest"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// bound is how long what is revoked on one node may be accepted on another.
const bound = time.Second

var (
	modelOnce sync.Once
	// model is the address of a PostgreSQL database with the schema and without rows.
	model string
)

// database returns the address of a new PostgreSQL database with the schema. Copying one
// takes a fraction of the time of all migrations.
func database(t *testing.T) string {
	t.Helper()
	modelOnce.Do(func() {
		address := pgtest.Database(t)
		d, err := db.Open(t.Context(), db.Config{URL: plexauth.Secret(address), Migrations: store.Migrations()})
		if err == nil {
			err = d.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		model = address
	})
	if model == "" {
		t.Fatal("the first test could not create the schema")
	}
	return pgtest.Copy(t, model)
}

// node opens a core on a PostgreSQL database.
func node(t *testing.T, address string, cfg core.Config) *coretest.Core {
	t.Helper()
	cfg.Database, cfg.Now = plexauth.Secret(address), time.Now
	return coretest.New(t, cfg)
}

// issue issues an access token to a device of an account.
func issue(t *testing.T, c *coretest.Core, a account.Account) plexauth.Secret {
	t.Helper()
	secret, err := c.Tokens.Issue(t.Context(), operator, a.ID, device.Device{ClientIdentifier: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// verify verifies a token that must be valid.
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

// A token that is revoked on one node is revoked on every node within a second, even if no
// notification arrives.
func TestRevokedEverywhere(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := database(t)
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

// A node that no longer hears of changes asks the database for each token. If the database
// does not answer, the node rejects the request.
func TestCutOffNode(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	for name, sever := range map[string]func(*pgtest.Proxy){"cut": (*pgtest.Proxy).Cut, "frozen": (*pgtest.Proxy).Freeze} {
		t.Run(name, func(t *testing.T) {
			address := database(t)
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
			// The operator chose to continue. The documents describe the risk.
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

// Two nodes share one key. The second node does not create one.
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

// The audit log of a cluster is one chain, whichever node writes.
func TestOneAuditChain(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := database(t)
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

// A transient token is valid on every node from the moment it is minted. A clean stop of
// the node that minted it invalidates it.
func TestTransientOnAnyNode(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := database(t)
	proxy, behind := pgtest.NewProxy(t, address)
	proxy.DropNotifications()
	b := node(t, behind, core.Config{})
	a := node(t, address, core.Config{})
	secret := issue(t, a, a.Add("mia"))
	transient, _ := a.Tokens.MintTransient(verify(t, a, secret), 0)
	if p := verify(t, b, transient); p.Kind != token.Transient {
		t.Errorf("the other node reads a token of kind %v", p.Kind)
	}
	// A token that was minted on another node can mint no more than on its own node.
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
			t.Errorf("%d bytes that are not a token are accepted", len(forged))
		}
	}
}

// A node that cannot ask for another node's key does not reject the tokens that were sealed
// with it, even while it still trusts its cache.
func TestTransientOfAnUnknownNode(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := database(t)
	proxy, behind := pgtest.NewProxy(t, address)
	a := node(t, address, core.Config{})
	secret := issue(t, a, a.Add("mia"))
	for name, cfg := range map[string]core.Config{"strict": {}, "patient": {StaleGrace: time.Hour}} {
		b := node(t, behind, cfg)
		verify(t, b, secret)
		transient, _ := a.Tokens.MintTransient(verify(t, a, secret), 0)
		proxy.Cut()
		if !isUnavailable(b, transient)() {
			t.Errorf("%s: a node that has just been cut off judges a token that it cannot open", name)
		}
		proxy.Mend()
	}
}

// After a crash of a node, its transient tokens become invalid within 30 seconds, even if
// its clock is five seconds off. They stay valid for as long as the node could have renewed
// its lease.
func TestTransientExpiresAfterACrash(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	for _, off := range []time.Duration{-5 * time.Second, 0, 5 * time.Second} {
		address := plexauth.Secret(database(t))
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

// A node whose clock is an hour off affects no other node: their transient tokens stay
// valid everywhere. Its own become invalid in time after a crash.
func TestTransientOfANodeWithAWrongClock(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		address := plexauth.Secret(pgtest.Database(t))
		at := func(off time.Duration) (c *coretest.Core, advance func(time.Duration)) {
			var passed atomic.Int64
			now := func() time.Time { return time.Now().Add(off + time.Duration(passed.Load())) }
			return coretest.New(t, core.Config{Database: address, Now: now}), func(d time.Duration) { passed.Add(int64(d)) }
		}
		good, _ := at(0)
		other, advance := at(0)
		secret := issue(t, good, good.Add("mia"))
		ofGood, _ := good.Tokens.MintTransient(verify(t, good, secret), 0)
		wrong, _ := at(off) // it also removes expired rows
		ofWrong, _ := wrong.Tokens.MintTransient(verify(t, wrong, secret), 0)
		for _, c := range []*coretest.Core{good, other} {
			verify(t, c, ofGood)
			verify(t, c, ofWrong)
		}
		if isInvalid(wrong, ofGood)() {
			t.Errorf("with a clock that is %v off: a token of another node is not accepted", off)
		}
		advance(31 * time.Second)
		if !isInvalid(other, ofWrong)() {
			t.Errorf("with a clock that is %v off: the token of a node that crashed 31 seconds ago is accepted", off)
		}
	}
}

// Attack: guessing on one node after the other.
func TestLimitsHoldInTheCluster(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := database(t)
	cfg := core.Config{FailedTries: 4}
	nodes := []*coretest.Core{node(t, address, cfg), node(t, address, cfg), node(t, address, cfg)}
	mia := nodes[0].Add("mia")
	try := func(c *coretest.Core, password plexauth.Secret) error {
		_, err := c.Accounts.VerifyPassword(t.Context(), audit.Actor{Address: "192.0.2.1"}, account.Credentials{
			Login: mia.Username, Password: password,
		})
		return err
	}
	for i := range 4 {
		if err := try(nodes[i%len(nodes)], "wrong"); !errors.Is(err, account.ErrCredentials) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	late := node(t, address, cfg) // as after a restart
	for i, c := range append(nodes, late) {
		if err := try(c, coretest.Password); !errors.Is(err, account.ErrRateLimited) || fault.WaitOf(err) <= 0 {
			t.Errorf("node %d lets the next try through: %v", i, err)
		}
	}

	// The same limit applies to the PINs of homes.
	kid, err := nodes[0].Homes.AddManaged(t.Context(), operator, mia.ID, "Kid", "")
	if err == nil {
		err = nodes[0].Homes.SetManagedPIN(t.Context(), operator, mia.ID, kid.Account.UUID, "4321")
	}
	if err != nil {
		t.Fatal(err)
	}
	choose := func(c *coretest.Core, pin plexauth.Secret) error {
		_, err := c.Homes.Choose(t.Context(), audit.Actor{AccountID: mia.ID}, mia.ID, kid.Account.UUID, pin)
		return err
	}
	for i := range 4 {
		if err := choose(nodes[i%len(nodes)], "0000"); !errors.Is(err, home.ErrPIN) {
			t.Fatalf("PIN %d: %v", i, err)
		}
	}
	for i, c := range append(nodes, late) {
		if err := choose(c, "4321"); !errors.Is(err, home.ErrLocked) || fault.WaitOf(err) <= 0 {
			t.Errorf("node %d lets the next PIN through: %v", i, err)
		}
	}

	// The same limit applies to the codes of PINs.
	who := audit.Actor{AccountID: mia.ID, Address: "192.0.2.2"}
	limited := 0
	for i := range 8 {
		_, err := nodes[i%len(nodes)].PINs.Find(t.Context(), who, "4444")
		if fault.KindOf(err) == fault.Limited {
			limited++
		}
	}
	if limited != 4 {
		t.Errorf("%d of 8 wrong codes were limited, want 4", limited)
	}
}

// Attack: use the same code on two nodes at the same time.
func TestCodesAreUsedOnceInTheCluster(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := database(t)
	nodes := []*coretest.Core{node(t, address, core.Config{}), node(t, address, core.Config{}), node(t, address, core.Config{})}
	mia := nodes[0].Add("mia")
	enrolment := account.NewEnrolment("usher", "mia")
	codes, err := nodes[0].Accounts.Enrol(t.Context(), operator, mia.ID, enrolment, "")
	if err != nil {
		t.Fatal(err)
	}
	now, err := totp.GenerateCode(string(enrolment.Secret), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for what, code := range map[string]plexauth.Secret{"a code of the second factor": plexauth.Secret(now), "a backup code": codes[0]} {
		var wg sync.WaitGroup
		var good atomic.Int64
		for i := range 9 {
			wg.Go(func() {
				c := nodes[i%len(nodes)]
				v, err := c.Accounts.Verify(t.Context(), audit.Actor{}, account.Credentials{
					Login: "mia", Password: coretest.Password, Code: code,
				})
				if err == nil {
					_, err = c.Tokens.SignIn(t.Context(), audit.Actor{}, v.Proof, device.Device{ClientIdentifier: "test"})
				}
				switch {
				case err == nil:
					good.Add(1)
				case !errors.Is(err, account.ErrCode):
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		wg.Wait()
		if good.Load() != 1 {
			t.Errorf("%s was used %d times", what, good.Load())
		}
	}
}

// One node issues the challenge of a passkey, and the response arrives at another node, and
// at a third one at the same time if an attacker copied it.
func TestPasskeysOnAnyNode(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := database(t)
	a, b := node(t, address, core.Config{}), node(t, address, core.Config{})
	mia := a.Add("mia")
	party := passkey.Party{ID: "example.org", Origins: []string{"https://example.org"}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	options, err := a.Passkeys.BeginAdd(t.Context(), party, mia, "browser")
	must(err)
	phone, attestation := passkeytest.Create(t, options, party.Origins[0])
	must(b.Passkeys.FinishAdd(t.Context(), audit.Actor{AccountID: mia.ID}, party, mia, "browser", "phone", attestation))

	options, err = b.Passkeys.BeginSignIn(t.Context(), party, "browser", "192.0.2.1")
	must(err)
	answer := phone.Sign(t, options)
	var wg sync.WaitGroup
	var good atomic.Int64
	for i := range 6 {
		wg.Go(func() {
			c := []*coretest.Core{a, b}[i%2]
			v, err := c.Passkeys.FinishSignIn(t.Context(), audit.Actor{}, party, "browser", answer)
			if err == nil {
				_, err = c.Tokens.SignIn(t.Context(), audit.Actor{}, v.Proof, device.Device{ClientIdentifier: "test"})
			}
			switch {
			case err == nil:
				good.Add(1)
			case !errors.Is(err, passkey.ErrChallenge):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if good.Load() != 1 {
		t.Errorf("one response signed in %d times", good.Load())
	}
}

// All nodes of a cluster share one set-up link. Another cluster has another one.
func TestSetupLinkIsShared(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := database(t)
	a, b := node(t, address, core.Config{}), node(t, address, core.Config{})
	other := node(t, database(t), core.Config{})
	if a.SetupKey == "" || a.SetupKey != b.SetupKey || a.SetupKey == other.SetupKey {
		t.Error("the nodes have different set-up keys, or another cluster has the same one")
	}
	if coretest.New(t, core.Config{}).SetupKey != "" {
		t.Error("a process on SQLite does not create its own set-up key")
	}
}
