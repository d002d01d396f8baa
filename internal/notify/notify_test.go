package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

var (
	operator = audit.Actor{Name: "command line"}
	at       = audit.Actor{Device: "Firefox", Address: "192.0.2.7"}
)

// fixture is a server with an admin, olga, and a member, mia.
type fixture struct {
	*coretest.Core
	*testing.T
	olga, mia account.Account
}

func newFixture(t *testing.T, cfg core.Config) *fixture {
	t.Helper()
	c := coretest.New(t, cfg)
	olga := c.AddAdmin("olga")
	return &fixture{c, t, olga, c.Add("mia")}
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// self is mia, who is signed in.
func (f *fixture) self() audit.Actor {
	return audit.Actor{AccountID: f.mia.ID, Device: at.Device, Address: at.Address}
}

// told returns the notices of an account, oldest first.
func (f *fixture) told(a account.Account) []notify.Notice {
	f.Helper()
	list, err := paging.Rows(f.Notices.List(f.Context(), a.ID, paging.Request{Limit: 1000}))
	f.must(err)
	slices.Reverse(list)
	return list
}

// kinds returns the kinds of mia's notices, the oldest first.
func (f *fixture) kinds() (kinds []notify.Kind) {
	f.Helper()
	for _, n := range f.told(f.mia) {
		kinds = append(kinds, n.Kind)
	}
	return kinds
}

func (f *fixture) wantKinds(what string, wanted ...notify.Kind) {
	f.Helper()
	if got := f.kinds(); !slices.Equal(got, wanted) {
		f.Errorf("%s: mia's notices are %q, want %q", what, got, wanted)
	}
}

func (f *fixture) signIn(client string) {
	f.Helper()
	d := device.Device{ClientIdentifier: client, Product: "Player", Name: "Den", Address: "192.0.2.9"}
	_, err := f.Tokens.SignIn(f.Context(), at, f.Prove(f.mia).Proof, d)
	f.must(err)
}

// wrong signs in as mia with a wrong password.
func (f *fixture) wrong(address string) {
	f.Helper()
	_, err := f.Accounts.Verify(f.Context(), audit.Actor{Address: address}, account.Credentials{Login: "mia", Password: "wrong"})
	if !errors.Is(err, account.ErrCredentials) {
		f.Fatal(err)
	}
}

// mails queues the due notices, and returns the e-mails.
func (f *fixture) mails() (sent []notify.Mail) {
	f.Helper()
	f.must(f.Notices.HandDue(f.Context(), func(_ context.Context, _ *db.Tx, m notify.Mail) error {
		sent = append(sent, m)
		return nil
	}))
	return sent
}

// Every change of how a user signs in creates a notice, whoever makes it and in whichever
// way.
func TestEveryWayIsTold(t *testing.T) {
	f := newFixture(t, core.Config{})
	ctx, id := t.Context(), f.mia.ID
	byOlga := audit.Actor{AccountID: f.olga.ID, Address: "192.0.2.1"}
	link := func() account.Verified {
		secret, _, err := f.Accounts.NewReset(ctx, byOlga, id, account.Reset{Password: true, SecondFactor: true}, 0)
		f.must(err)
		v, err := f.Accounts.UseReset(ctx, at, secret, account.ResetWith{New: "a password that is new"}, f.Sessions)
		f.must(err)
		return v
	}
	f.must(f.Accounts.SetPassword(ctx, f.self(), id, coretest.Password))
	f.must(f.Accounts.SetPassword(ctx, byOlga, id, coretest.Password))
	f.must(f.Accounts.SetPassword(ctx, operator, id, coretest.Password))
	_, err := f.Accounts.Enrol(ctx, operator, id, account.NewEnrolment("usher", "mia"), "")
	f.must(err)
	link()
	f.must(f.Accounts.SetEmail(ctx, byOlga, id, "new@example.org"))
	f.must(f.Accounts.Rename(ctx, byOlga, id, "mira"))
	f.must(f.Notices.SetQuiet(ctx, f.self(), id, true))
	f.must(f.Notices.SetQuiet(ctx, f.self(), id, true))
	f.must(f.Notices.SetQuiet(ctx, f.self(), id, false))
	type row struct {
		notify.Kind
		actor string
		link  bool
		from  string
	}
	wanted := []row{
		{notify.Password, "", false, "192.0.2.7"},
		{notify.Password, "olga", false, "192.0.2.1"},
		{notify.Password, "command line", false, ""},
		{notify.FactorAdded, "command line", false, ""},
		{notify.Link, "olga", false, "192.0.2.1"},
		{notify.Password, "", true, "192.0.2.7"},
		{notify.FactorRemoved, "", true, "192.0.2.7"},
		{notify.Email, "olga", false, "192.0.2.1"},
		{notify.Quiet, "", false, "192.0.2.7"},
	}
	var got []row
	for _, n := range f.told(f.mia) {
		got = append(got, row{n.Kind, n.Actor, n.ByLink, n.Address})
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("mia's notices are\n%v, want\n%v", got, wanted)
	}
	if n := f.told(f.olga); len(n) != 0 {
		t.Errorf("olga's notices are %v", n)
	}
}

// Attack: someone at an admin's open browser creates a key that outlives the session,
// or a program that has a token adds a webhook that outlives the token.
func TestKeysAndWebhooksAreTold(t *testing.T) {
	f := newFixture(t, core.Config{})
	ctx := t.Context()
	_, _, err := f.AdminKeys.Make(ctx, audit.Actor{AccountID: f.olga.ID, Address: "192.0.2.1"}, adminkey.NewKey{
		Name: "k", Scopes: []string{"audit:read"}, MakerID: f.olga.ID,
	})
	f.must(err)
	_, _, err = f.AdminKeys.Make(ctx, operator, adminkey.NewKey{Name: "console", Scopes: []string{"audit:read"}})
	f.must(err)
	if n := f.told(f.olga); len(n) != 1 || n[0].Kind != notify.AdminKey || n[0].Actor != "" || n[0].Address != "192.0.2.1" {
		t.Errorf("olga's notices are %+v", n)
	}
	const one, two = "https://one.example.org/", "https://two.example.org/"
	set := func(urls ...string) {
		t.Helper()
		_, err := f.Webhooks.Set(ctx, f.self(), f.mia.ID, urls)
		f.must(err)
	}
	set()
	f.wantKinds("nothing")
	set(one)
	f.wantKinds("one", notify.Webhook)
	set(one)
	f.must(f.Webhooks.Add(ctx, f.self(), f.mia.ID, one))
	f.wantKinds("the same", notify.Webhook)
	set(two)
	f.wantKinds("another one in its place", notify.Webhook, notify.Webhook)
	f.must(f.Webhooks.Remove(ctx, f.self(), f.mia.ID, two))
	f.wantKinds("none", notify.Webhook, notify.Webhook)
	f.must(f.Webhooks.Add(ctx, operator, f.mia.ID, two))
	_, err = f.Webhooks.Secret(ctx, operator, f.mia.ID)
	f.must(err)
	_, err = f.Webhooks.Renew(ctx, f.self(), f.mia.ID)
	f.must(err)
	f.wantKinds("the secret", notify.Webhook, notify.Webhook, notify.Webhook, notify.HookSecret, notify.HookSecret)
	if n := f.told(f.mia)[3]; n.Actor != "command line" {
		t.Errorf("it was shown to %q", n.Actor)
	}
}

// A device is new only once, even if it signs in many times concurrently.
func TestNewDevice(t *testing.T) {
	f := newFixture(t, core.Config{})
	proofs := make([]account.Verified, 20)
	for i := range proofs {
		proofs[i] = f.Prove(f.mia)
	}
	var wg sync.WaitGroup
	for _, v := range proofs {
		wg.Go(func() {
			d := device.Device{ClientIdentifier: "tv", Product: "Player", Name: "Den", Address: "192.0.2.9"}
			if _, err := f.Tokens.SignIn(t.Context(), at, v.Proof, d); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f.wantKinds("one device", notify.NewDevice)
	if n := f.told(f.mia)[0]; n.Device != "Player on Den" || n.Address != "192.0.2.9" || n.Actor != "" {
		t.Errorf("the notice is %+v", n)
	}
	f.signIn("phone")
	f.signIn("tv")
	f.wantKinds("two devices", notify.NewDevice, notify.NewDevice)
}

// Attack: someone who has the password sends the client identifier of one of the
// owner's devices, which every server that the device uses knows, to prevent a notice.
func TestStolenIdentifier(t *testing.T) {
	own := device.Device{ClientIdentifier: "tv", Product: "Player", Name: "Den", Address: "192.0.2.9"}
	elsewhere, program := own, own
	elsewhere.Address, program.Product = "198.51.100.1", "Script"
	for name, c := range map[string]struct {
		before func(*fixture, int64) error
		device device.Device
		told   bool
	}{
		"the device itself":    {func(*fixture, int64) error { return nil }, own, false},
		"from another network": {func(*fixture, int64) error { return nil }, elsewhere, true},
		"from another program": {func(*fixture, int64) error { return nil }, program, true},
		"the owner has signed it out": {func(f *fixture, id int64) error {
			return f.Tokens.RevokeDevice(f.Context(), f.self(), f.mia.ID, id)
		}, own, true},
		"somebody else has signed in with the same program": {func(f *fixture, _ int64) error {
			_, err := f.Tokens.SignIn(f.Context(), at, f.Prove(f.olga).Proof, own)
			return err
		}, own, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, core.Config{})
			signIn := func(d device.Device) {
				t.Helper()
				_, err := f.Tokens.SignIn(t.Context(), at, f.Prove(f.mia).Proof, d)
				f.must(err)
			}
			signIn(own)
			list, err := paging.Rows(f.Devices.List(t.Context(), f.mia.ID, paging.Request{}))
			f.must(err)
			f.must(c.before(f, list[0].ID))
			signIn(c.device)
			if n := len(f.told(f.mia)); n != 1+map[bool]int{true: 1}[c.told] {
				t.Errorf("mia has notices of %d sign-ins", n)
			}
		})
	}
}

// A sign-in of a known device runs no statements for notices.
func TestKnownDeviceCostsNothing(t *testing.T) {
	f := newFixture(t, core.Config{})
	f.signIn("tv")
	for range 3 {
		before := len(f.told(f.mia))
		err := f.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			// A cancelled context fails every statement but those that are not run.
			gone, cancel := context.WithCancel(ctx)
			cancel()
			return errors.Join(
				f.Notices.SignedIn(gone, tx, f.mia.ID, device.Device{}, false),
				f.Notices.Recorded(gone, tx, at, audit.Event{Kind: audit.SignIn, AccountID: f.mia.ID}),
				f.Notices.Recorded(gone, tx, at, audit.Event{Kind: audit.SessionStarted, AccountID: f.mia.ID}),
			)
		})
		if err != nil || len(f.told(f.mia)) != before {
			t.Errorf("a sign-in asks the database: %v", err)
		}
	}
}

// Attack: an attacker who has the password signs in on many devices, until the notice
// of the changed password is evicted.
func TestManyDevicesPushOutNothingElse(t *testing.T) {
	f := newFixture(t, core.Config{})
	f.must(f.Accounts.SetPassword(t.Context(), f.self(), f.mia.ID, coretest.Password))
	for i := range notify.PerKind + 5 {
		f.signIn(fmt.Sprint(i))
	}
	kinds := f.kinds()
	if len(kinds) != notify.PerKind+1 || kinds[0] != notify.Password {
		t.Errorf("%d notices, the first is of %q", len(kinds), kinds[0])
	}
}

// Many failed sign-ins create one notice per hour, wherever they come from.
func TestTries(t *testing.T) {
	f := newFixture(t, core.Config{})
	for i := range notify.ManyTries - 1 {
		f.wrong(fmt.Sprintf("192.0.2.%d", i))
	}
	f.wantKinds("a few")
	for range 5 {
		f.wrong("198.51.100.1")
	}
	f.wantKinds("many", notify.Tries)
	if n := f.told(f.mia)[0]; n.Tries != notify.ManyTries || n.Address != "198.51.100.1" {
		t.Errorf("the notice is %+v", n)
	}
	f.Clock.Advance(notify.TriesWithin + time.Minute)
	for range notify.ManyTries - 1 {
		f.wrong("198.51.100.1")
	}
	f.wantKinds("a few, an hour later", notify.Tries)
	f.wrong("198.51.100.1")
	f.wantKinds("many, an hour later", notify.Tries, notify.Tries)
	for range 20 {
		_, _ = f.Accounts.Verify(t.Context(), at, account.Credentials{Login: "nobody", Password: "wrong"})
	}
	if n := len(f.told(f.olga)); n != 0 {
		t.Errorf("olga has %d notices", n)
	}
}

// Notices are sent once, to the address that was confirmed at the time of the event, in
// at most one e-mail every ten minutes.
func TestMails(t *testing.T) {
	f := newFixture(t, core.Config{MembersSetEmail: true})
	ctx, id := t.Context(), f.mia.ID
	f.must(f.Notices.SetLanguage(ctx, id, "de"))
	f.signIn("tv")
	sent := f.mails()
	if len(sent) != 1 || sent[0].To != "mia@example.org" || sent[0].Username != "mia" || sent[0].Language != "de" || len(sent[0].Notices) != 1 {
		t.Fatalf("sent: %+v", sent)
	}
	if again := f.mails(); len(again) != 0 {
		t.Errorf("sent again: %+v", again)
	}
	// Attack: an attacker changes the password, and then the address, so that the owner is
	// not notified.
	f.must(f.Accounts.SetPassword(ctx, f.self(), id, coretest.Password))
	f.must(f.Accounts.SetEmail(ctx, f.self(), id, "thief@example.org"))
	f.must(f.Accounts.SetPassword(ctx, f.self(), id, coretest.Password))
	if early := f.mails(); len(early) != 0 {
		t.Errorf("sent within ten minutes: %+v", early)
	}
	f.Clock.Advance(notify.MailEvery)
	sent = f.mails()
	if len(sent) != 1 || sent[0].To != "mia@example.org" || len(sent[0].Notices) != 2 || sent[0].Notices[1].Kind != notify.Email {
		t.Errorf("sent: %+v", sent)
	}
	// The new address is not confirmed, so it gets nothing.
	f.Clock.Advance(notify.MailEvery)
	f.signIn("phone")
	if sent := f.mails(); len(sent) != 0 {
		t.Errorf("sent to an address that is not confirmed: %+v", sent)
	}
}

// Attack: between two e-mails, an attacker who has the password changes the password
// and the e-mail address, signs in on a device, and repeats each until the unsent
// notices for the owner are evicted.
func TestNothingPushesOutWhatIsToBeSent(t *testing.T) {
	f := newFixture(t, core.Config{MembersSetEmail: true})
	ctx, id := t.Context(), f.mia.ID
	f.signIn("tv")
	f.mails()
	f.must(f.Accounts.SetPassword(ctx, f.self(), id, coretest.Password))
	f.signIn("the thief's")
	f.must(f.Accounts.SetEmail(ctx, f.self(), id, "thief@example.org"))
	for i := range notify.PerKind + 1 {
		f.must(f.Accounts.SetPassword(ctx, f.self(), id, coretest.Password))
		f.must(f.Accounts.SetEmail(ctx, f.self(), id, fmt.Sprintf("thief%d@example.org", i)))
		f.signIn(fmt.Sprint(i))
	}
	f.Clock.Advance(notify.MailEvery)
	var kinds []notify.Kind
	for _, m := range f.mails() {
		for _, n := range m.Notices {
			kinds = append(kinds, n.Kind)
		}
		if m.To != "mia@example.org" {
			t.Errorf("sent to %s", m.To)
		}
	}
	if wanted := []notify.Kind{notify.Password, notify.NewDevice, notify.Email}; !slices.Equal(kinds, wanted) {
		t.Errorf("mia is sent %q, want %q", kinds, wanted)
	}
	// A sent notice is evicted by age like any other.
	f.must(f.Accounts.SetPassword(ctx, f.self(), id, coretest.Password))
	f.must(f.Accounts.SetEmail(ctx, f.self(), id, "thief@example.org"))
	f.signIn("one more")
	if n := len(f.told(f.mia)); n != 3*notify.PerKind {
		t.Errorf("%d notices are kept, want %d", n, 3*notify.PerKind)
	}
}

// Notices that are not accepted are tried again, for a day.
func TestMailsWait(t *testing.T) {
	f := newFixture(t, core.Config{})
	f.signIn("tv")
	full := errors.New("full")
	if err := f.Notices.HandDue(t.Context(), func(context.Context, *db.Tx, notify.Mail) error { return full }); !errors.Is(err, full) {
		t.Errorf("a full queue: %v", err)
	}
	f.Clock.Advance(time.Minute)
	if sent := f.mails(); len(sent) != 1 {
		t.Errorf("sent: %+v", sent)
	}
	f.Clock.Advance(time.Hour)
	f.signIn("phone")
	f.Clock.Advance(25 * time.Hour)
	if sent := f.mails(); len(sent) != 0 {
		t.Errorf("sent a day late: %+v", sent)
	}
}

// Notices that cannot be queued for one account do not delay those of others, however
// many there are. They are tried again later.
func TestOneAccountDelaysNobody(t *testing.T) {
	f := newFixture(t, core.Config{})
	ctx := t.Context()
	f.must(f.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for range 250 {
			n := notify.Notice{AccountID: f.olga.ID, Kind: notify.Password, At: tx.Now()}
			if err := (store.Notices{}).Insert(ctx, tx, n, "olga@example.org"); err != nil {
				return err
			}
		}
		return nil
	}))
	f.signIn("tv")
	noa := f.Add("noa")
	f.must(f.Accounts.SetPassword(ctx, operator, noa.ID, coretest.Password))
	broken := errors.New("this one cannot be sent")
	var sent []string
	hand := func(_ context.Context, _ *db.Tx, m notify.Mail) error {
		if broken != nil && m.Username == "olga" {
			return broken
		}
		sent = append(sent, m.Username)
		return nil
	}
	if err := f.Notices.HandDue(ctx, hand); !errors.Is(err, broken) || !slices.Equal(sent, []string{"mia", "noa"}) {
		t.Errorf("sent to %q, %v", sent, err)
	}
	broken = nil
	f.must(f.Notices.HandDue(ctx, hand)) // too early
	f.Clock.Advance(time.Minute)
	f.must(f.Notices.HandDue(ctx, hand))
	if !slices.Equal(sent, []string{"mia", "noa", "olga"}) {
		t.Errorf("in the end, sent to %q", sent)
	}
}

// If the queue is full, notices are not delayed beyond that.
func TestFullQueueDelaysNobody(t *testing.T) {
	f := newFixture(t, core.Config{})
	f.must(f.Accounts.SetPassword(t.Context(), operator, f.olga.ID, coretest.Password))
	f.signIn("tv")
	calls := 0
	err := f.Notices.HandDue(t.Context(), func(context.Context, *db.Tx, notify.Mail) error { calls++; return mail.ErrFull })
	if !errors.Is(err, mail.ErrFull) || calls != 1 {
		t.Errorf("after %d calls: %v", calls, err)
	}
	if sent := f.mails(); len(sent) != 2 {
		t.Errorf("sent: %+v", sent)
	}
}

// The e-mails about new devices can be turned off, and no others.
func TestQuiet(t *testing.T) {
	f := newFixture(t, core.Config{})
	f.must(f.Notices.SetQuiet(t.Context(), f.self(), f.mia.ID, true))
	f.signIn("tv")
	f.must(f.Accounts.SetPassword(t.Context(), f.self(), f.mia.ID, coretest.Password))
	sent := f.mails()
	if len(sent) != 1 || len(sent[0].Notices) != 2 || sent[0].Notices[0].Kind != notify.Quiet || sent[0].Notices[1].Kind != notify.Password {
		t.Errorf("sent: %+v", sent)
	}
	f.wantKinds("on the page", notify.Quiet, notify.NewDevice, notify.Password)
}

// Of many nodes that poll at the same time, one sends each notice.
func TestOneNodeSends(t *testing.T) {
	f := newFixture(t, core.Config{})
	nodes := []*notify.Service{f.Notices, f.Restart().Notices, f.Restart().Notices, f.Restart().Notices}
	f.signIn("tv")
	var mu sync.Mutex
	sent := 0
	var wg sync.WaitGroup
	for range 3 {
		for _, node := range nodes {
			wg.Go(func() {
				err := node.HandDue(t.Context(), func(context.Context, *db.Tx, notify.Mail) error {
					mu.Lock()
					defer mu.Unlock()
					sent++
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if sent != 1 {
		t.Errorf("%d e-mails were sent, want 1", sent)
	}
}

// Two nodes of one PostgreSQL database poll concurrently and repeatedly. Each account
// gets one e-mail.
func TestOneNodeOfTwoSends(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	place := plexauth.Secret(pgtest.Database(t))
	f := newFixture(t, core.Config{Database: place})
	other := coretest.New(t, core.Config{Database: place})
	people := []account.Account{f.mia, f.olga, f.Add("noa"), f.Add("ida"), f.Add("eve")}
	for _, a := range people {
		f.must(f.Accounts.SetPassword(t.Context(), operator, a.ID, coretest.Password))
	}
	var mu sync.Mutex
	sent := map[string]int{}
	var wg sync.WaitGroup
	for range 4 {
		for _, node := range []*notify.Service{f.Notices, other.Notices} {
			wg.Go(func() {
				err := node.HandDue(t.Context(), func(_ context.Context, _ *db.Tx, m notify.Mail) error {
					mu.Lock()
					defer mu.Unlock()
					sent[m.Username] += len(m.Notices)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for _, a := range people {
		if sent[a.Username] != 1 {
			t.Errorf("%s was sent %d notices, want 1", a.Username, sent[a.Username])
		}
	}
}

// Run sends notices that another process has written, after one announcement.
func TestRun(t *testing.T) {
	f := newFixture(t, core.Config{Now: time.Now})
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan notify.Mail, 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		f.Notices.Run(ctx, func(_ context.Context, _ *db.Tx, m notify.Mail) error {
			sent <- m
			return nil
		})
	})
	f.signIn("tv")
	if m := <-sent; m.To != "mia@example.org" {
		t.Errorf("sent: %+v", m)
	}
	cancel()
	wg.Wait()
	if n := len(sent); n != 0 {
		t.Errorf("%d more were sent", n)
	}
}

// A managed user cannot sign in, so nobody would read its notices.
func TestManagedUsersAreNotNotified(t *testing.T) {
	f := newFixture(t, core.Config{})
	kid, err := f.Homes.AddManaged(t.Context(), f.self(), f.mia.ID, "kid", "")
	f.must(err)
	f.must(f.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return f.Notices.SignedIn(ctx, tx, kid.Account.ID, device.Device{ClientIdentifier: "tv"}, true)
	}))
	if list := f.told(kid.Account); len(list) != 0 {
		t.Errorf("the notices are %+v", list)
	}
}

// Only the notices on the page are marked as seen, neither later ones nor those of
// other accounts.
func TestSeen(t *testing.T) {
	f := newFixture(t, core.Config{})
	f.signIn("tv")
	first := f.told(f.mia)[0]
	f.signIn("phone")
	f.must(f.Notices.See(t.Context(), f.olga.ID, 1<<40)) // attack: somebody else's number
	for _, step := range []struct {
		upTo   int64
		unseen int
	}{{0, 2}, {first.ID, 1}, {1 << 40, 0}} {
		f.must(f.Notices.See(t.Context(), f.mia.ID, step.upTo))
		n, err := f.Notices.Unseen(t.Context(), f.mia.ID)
		f.must(err)
		if n != step.unseen {
			t.Errorf("up to %d: %d are not seen, want %d", step.upTo, n, step.unseen)
		}
	}
}
