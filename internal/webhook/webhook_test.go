package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/webhook"
	"github.com/usher-auth/usher/plexauth"
)

var operator = audit.Actor{Name: "test"}

// loopback is the network of the receivers in these tests.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// received is a request that a receiver got.
type received struct {
	payload   string
	signature string
	header    http.Header
}

// receiver is a program that receives webhooks.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []received
	// answer answers the n-th request, which counts from 0. Nil: 200.
	answer func(w http.ResponseWriter, n int)
}

func newReceiver(t *testing.T, answer func(http.ResponseWriter, int)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, received{req.FormValue("payload"), req.Header.Get(webhook.SignatureHeader), req.Header})
	if r.answer != nil {
		r.answer(w, len(r.got)-1)
	}
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

// wait waits until a number of requests have arrived.
func (r *receiver) wait(t *testing.T, n int) []received {
	t.Helper()
	for len(r.all()) < n {
		if t.Context().Err() != nil {
			t.Fatal("the test has ended")
		}
		time.Sleep(2 * time.Millisecond)
	}
	return r.all()
}

// fixture is a server with an admin, olga, and a member, mia.
type fixture struct {
	*coretest.Core
	*testing.T
	olga, mia account.Account
}

func newFixture(t *testing.T, cfg core.Config) *fixture {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := coretest.New(t, cfg)
	olga := c.AddAdmin("olga")
	return &fixture{c, t, olga, c.Add("mia")}
}

// run sends due requests until the test ends or stop is called.
func (f *fixture) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { f.Webhooks.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	f.Cleanup(stop)
	return stop
}

func (f *fixture) set(urls ...string) {
	f.Helper()
	if _, err := f.Webhooks.Set(f.Context(), operator, f.mia.ID, urls); err != nil {
		f.Fatal(err)
	}
}

// signIn signs in a device of mia.
func (f *fixture) signIn(client string) plexauth.Secret {
	f.Helper()
	d := device.Device{ClientIdentifier: client, Product: "Player", Name: "Living room", Address: "192.0.2.7"}
	tok, err := f.Tokens.SignIn(f.Context(), operator, f.Prove(f.mia).Proof, d)
	if err != nil {
		f.Fatal(err)
	}
	return tok
}

// waiting returns the number of queued requests.
func (f *fixture) waiting() (n int64) {
	f.Helper()
	if err := f.DB.QueryRow(f.Context(), "SELECT COUNT(*) FROM webhook_delivery").Scan(&n); err != nil {
		f.Fatal(err)
	}
	return n
}

// event is the part of a payload that a receiver reads.
type event struct {
	Event   string
	User    bool
	Owner   bool
	Account struct {
		ID    int64
		Title string
	}
	Server struct{ Title, UUID string }
	Player struct{ Title, UUID, PublicAddress string }
	Usher  struct {
		ID string
		At time.Time
	}
}

func decode(t *testing.T, text string) (e event) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return e
}

// The first sign-in of a device is two events, and each later one is one. Each request
// is signed, and contains no token.
func TestEvents(t *testing.T) {
	f := newFixture(t, core.Config{WebhookNetworks: loopback})
	r := newReceiver(t, nil)
	f.run()
	f.set(r.URL + "/hook?key=a%20b")
	secret, err := f.Webhooks.Secret(t.Context(), operator, f.mia.ID)
	if err != nil {
		t.Fatal(err)
	}
	first := f.signIn("tv")
	r.wait(t, 2)
	second := f.signIn("tv")
	got := r.wait(t, 3)
	ids := make(map[string]bool)
	for i, want := range []string{"device.new", "user.signin", "user.signin"} {
		e := decode(t, got[i].payload)
		if e.Event != want || !e.User || e.Owner || e.Account.ID != f.mia.ID || e.Account.Title != "mia" || e.Server.UUID != "self" ||
			e.Player.Title != "Player on Living room" || e.Player.UUID != "tv" || e.Player.PublicAddress != "192.0.2.7" {
			t.Errorf("%d: %+v", i, e)
		}
		if ids[e.Usher.ID] || e.Usher.At.IsZero() {
			t.Errorf("%d: the ID or the time is invalid: %s", i, got[i].payload)
		}
		ids[e.Usher.ID] = true
		if got[i].signature != "sha256="+webhook.Sign(secret, []byte(got[i].payload)) {
			t.Errorf("%d: the signature is %s", i, got[i].signature)
		}
		for _, tok := range []plexauth.Secret{first, second, secret} {
			if strings.Contains(got[i].payload+fmt.Sprint(got[i].header), string(tok)) {
				t.Errorf("%d: there is a secret in %s", i, got[i].payload)
			}
		}
		if !strings.HasPrefix(got[i].header.Get("Content-Type"), "multipart/form-data; boundary=") {
			t.Errorf("%d: %v", i, got[i].header)
		}
	}
}

// Failed requests are retried with growing delays, and finally dropped.
func TestRetries(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusServiceUnavailable) })
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, core.Config{WebhookNetworks: loopback})
		defer f.Close()
		f.set(r.URL)
		f.signIn("tv")
		start := time.Now()
		var at []time.Duration
		stop := f.run()
		defer stop()
		seen := 0
		for range 160 { // eighty minutes
			time.Sleep(30 * time.Second)
			synctest.Wait()
			for ; seen < len(r.all()); seen++ {
				at = append(at, time.Since(start))
			}
		}
		tries := len(webhook.Waits) + 1
		if len(at) != 2*tries {
			t.Fatalf("there were %d requests for two events, want %d each: %v", len(at), tries, at)
		}
		if stats := f.Webhooks.Stats(); stats.Sent != 0 || stats.Failed != int64(2*tries) || stats.Dropped != 2 {
			t.Errorf("the counts are %+v", stats)
		}
		last := 10*time.Second + time.Minute + 10*time.Minute + time.Hour
		if got := at[len(at)-1]; got < last || got > last+time.Minute {
			t.Errorf("the last request was after %s, want about %s", got, last)
		}
	})
}

// Requests that the receiver rejects permanently are not retried. Requests that are
// queued when a server stops are sent by the next one.
func TestRetriedRequests(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		again  bool
	}{
		"not found": {404, false}, "gone": {410, false}, "a redirect": {302, false},
		"too many": {429, true}, "busy": {503, true},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere := newReceiver(t, nil)
			r := newReceiver(t, func(w http.ResponseWriter, _ int) {
				w.Header().Set("Location", elsewhere.URL)
				w.WriteHeader(test.status)
			})
			clock := &coretest.Clock{}
			clock.Set(time.Now())
			f := newFixture(t, core.Config{WebhookNetworks: loopback, Now: clock.Now})
			f.set(r.URL)
			f.signIn("tv")
			stop := f.run()
			waitFor(t, func() bool { return f.Webhooks.Stats().Failed == 2 })
			stop()
			if waiting := f.waiting(); waiting > 0 != test.again || len(r.all()) != 2 || len(elsewhere.all()) != 0 {
				t.Errorf("%d wait after %d requests, and %d elsewhere", waiting, len(r.all()), len(elsewhere.all()))
			}
			if test.again {
				clock.Advance(time.Hour)
				f.run()
				r.wait(t, 4)
			}
		})
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for !done() {
		if t.Context().Err() != nil {
			t.Fatal("the test has ended")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Attack: an account registers an address inside the server's network, by number or by a
// name that resolves to it, and uses the response times to scan the network.
func TestOnlyPublicAddresses(t *testing.T) {
	r := newReceiver(t, nil)
	_, port, _ := strings.Cut(strings.TrimPrefix(r.URL, "http://"), ":")
	f := newFixture(t, core.Config{})
	for _, host := range []string{
		"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.100.100.200",
		"169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "[64:ff9b::a9fe:a9fe]", "168.63.129.16", "224.0.0.1", "255.255.255.255",
		"[::7f00:1]", "[2002:7f00:1::]",
	} {
		if _, err := f.Webhooks.Set(t.Context(), operator, f.mia.ID, []string{"http://" + host + ":" + port}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: error %v, want one of kind invalid", host, err)
		}
	}
	// Names are looked up when something is sent.
	f.set("http://localhost:" + port)
	f.run()
	f.signIn("tv")
	waitFor(t, func() bool { return f.Webhooks.Stats().Failed >= 2 })
	if n := len(r.all()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// Requests are sent to addresses in an allowed network.
func TestNetworks(t *testing.T) {
	f := newFixture(t, core.Config{WebhookNetworks: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}})
	f.set("http://192.168.1.7/", "http://[64:ff9b::c0a8:107]/", "http://[64:ff9b::808:808]/", "https://[2606:4700::1111]/", "https://8.8.8.8:8443/x")
	if _, err := f.Webhooks.Set(t.Context(), operator, f.mia.ID, []string{"http://192.168.2.7/"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("another network: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	f := newFixture(t, core.Config{})
	many := make([]string, webhook.PerAccount+1)
	for i := range many {
		many[i] = fmt.Sprint("https://example.org/", i)
	}
	for name, list := range map[string][]string{
		"too many": many, "no scheme": {"example.org"}, "another scheme": {"ftp://example.org"}, "a file": {"file:///etc/passwd"},
		"a password": {"https://a:b@example.org/"}, "no host": {"https:///x"}, "a line": {"https://example.org/\nx"},
		"too long": {"https://example.org/" + strings.Repeat("a", 3000)}, "empty": {""}, "a fragment": {"https://example.org/#x"},
	} {
		if _, err := f.Webhooks.Set(t.Context(), operator, f.mia.ID, list); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: error %v, want one of kind invalid", name, err)
		}
	}
	f.set(many[0], many[1], many[0])
	f.set(many[1], many[2])
	got, err := f.Webhooks.URLs(t.Context(), f.mia.ID)
	if err != nil || fmt.Sprint(got) != "[https://example.org/1 https://example.org/2]" {
		t.Errorf("%v, %v", got, err)
	}
	f.set()
	if got, err := f.Webhooks.URLs(t.Context(), f.mia.ID); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// Attack: an account fills the disk with requests that cannot be sent.
func TestQueueIsBounded(t *testing.T) {
	f := newFixture(t, core.Config{})
	var list []string
	for i := range webhook.PerAccount {
		list = append(list, fmt.Sprint("https://example.org/", i))
	}
	f.set(list...)
	for range 10 {
		f.signIn("tv")
	}
	n := f.waiting()
	if dropped := f.Webhooks.Stats().Dropped; n != webhook.MaxWaiting || dropped != 110-n {
		t.Errorf("%d wait, and %d were dropped", n, dropped)
	}
}

// A receiver that does not respond does not delay the webhooks of other accounts.
func TestSlowReceiver(t *testing.T) {
	f := newFixture(t, core.Config{WebhookNetworks: loopback})
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	quick := newReceiver(t, nil)
	f.set(slow.URL)
	if _, err := f.Webhooks.Set(t.Context(), operator, f.olga.ID, []string{quick.URL}); err != nil {
		t.Fatal(err)
	}
	f.run()
	f.signIn("tv")
	f.Token(f.olga, "laptop")
	if e := decode(t, quick.wait(t, 1)[0].payload); !e.Owner {
		t.Errorf("%+v", e)
	}
}

// A node queries which requests are due, and then when the next one is due. A request
// that becomes due between the two queries is sent immediately, and not half a minute
// later.
func TestDueDuringAQuery(t *testing.T) {
	f := newFixture(t, core.Config{})
	f.set("https://example.org/")
	f.signIn("tv")
	var due int64
	if err := f.DB.QueryRow(t.Context(), "SELECT MAX(due_at) FROM webhook_delivery").Scan(&due); err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(due)
	for name, c := range map[string]struct {
		begin, end time.Time // when the node looks
		wanted     time.Duration
	}{
		"before and after": {at.Add(-time.Hour), at.Add(time.Second), 0},
		"just before":      {at.Add(-time.Hour), at.Add(-2 * time.Second), 2 * time.Second},
		"long before":      {at.Add(-time.Hour), at.Add(-time.Hour), webhook.LookAgain},
	} {
		looks := []time.Time{c.begin, c.end}
		node := webhook.New(webhook.Config{
			DB: f.DB, Rows: store.Webhooks{}, Audit: f.Audit, Key: seal.NewKey([32]byte{1}),
			Now: func() time.Time { now := looks[0]; looks = append(looks[1:], c.end); return now },
		})
		if again, err := node.SendDue(t.Context()); err != nil || again != c.wanted {
			t.Errorf("%s: it looks again after %v, %v", name, again, err)
		}
	}
}

// Each account has its own secret, which stays the same until it is replaced.
func TestSecret(t *testing.T) {
	f := newFixture(t, core.Config{})
	secret := func(id int64) plexauth.Secret {
		s, err := f.Webhooks.Secret(t.Context(), operator, id)
		if err != nil || len(s) != 43 {
			t.Fatalf("%d characters, %v", len(s), err)
		}
		return s
	}
	before := secret(f.mia.ID)
	if before != secret(f.mia.ID) || before == secret(1) {
		t.Error("the secret is another one each time, or the same for everybody")
	}
	renewed, err := f.Webhooks.Renew(t.Context(), operator, f.mia.ID)
	if err != nil || renewed == before || renewed != secret(f.mia.ID) {
		t.Errorf("renewing: %v", err)
	}
	if _, err := f.Webhooks.Secret(t.Context(), operator, 99); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("an account that is not there: %v", err)
	}
}

// Users add and remove addresses one by one.
func TestAddAndRemove(t *testing.T) {
	f := newFixture(t, core.Config{})
	want := func(urls ...string) {
		t.Helper()
		if got, err := f.Webhooks.URLs(t.Context(), f.mia.ID); err != nil || fmt.Sprint(got) != fmt.Sprint(urls) {
			t.Errorf("the addresses are %v, %v, want %v", got, err, urls)
		}
	}
	add := func(url string) error { return f.Webhooks.Add(t.Context(), operator, f.mia.ID, url) }
	for _, url := range []string{"https://a.example.org/", "https://b.example.org/", "https://a.example.org/"} {
		if err := add(url); err != nil {
			t.Fatal(err)
		}
	}
	want("https://a.example.org/", "https://b.example.org/")
	for range 2 { // the second time, it is gone already
		if err := f.Webhooks.Remove(t.Context(), operator, f.mia.ID, "https://a.example.org/"); err != nil {
			t.Fatal(err)
		}
	}
	want("https://b.example.org/")
	if err := add("ftp://a.example.org/"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an invalid address: %v", err)
	}
	for n := range webhook.PerAccount - 1 {
		if err := add(fmt.Sprint("https://example.org/", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := add("https://example.org/more"); !errors.Is(err, webhook.ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
	if err := add("https://b.example.org/"); err != nil {
		t.Errorf("an existing one, without room for more: %v", err)
	}
}

// If each write fails and rings every alarm, the database is not queried again immediately.
func TestFailingWritesArePaused(t *testing.T) {
	log := new(lines)
	f := newFixture(t, core.Config{WebhookNetworks: loopback, Logger: slog.New(slog.NewTextHandler(log, nil))})
	f.set("http://127.0.0.1:1/")
	f.signIn("tv")
	if err := f.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, "CREATE TRIGGER broken BEFORE UPDATE ON webhook_delivery BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END")
	}); err != nil {
		t.Fatal(err)
	}
	f.run()
	const failed = "cannot look for webhooks"
	waitFor(t, func() bool { return log.count(failed) > 0 })
	began := time.Now()
	time.Sleep(200 * time.Millisecond)
	if n, most := log.count(failed), 2+int(time.Since(began).Seconds()); n > most {
		t.Errorf("%d tries, want at most %d", n, most)
	}
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}
