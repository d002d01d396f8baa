//go:build faults

package cluster_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/test/history"
	usher "github.com/usher-auth/usher/test/http/binary"
)

var (
	between  = flag.Duration("cluster.between", 2*time.Second, "how long clients work between two faults, and after the last")
	stopped  = flag.Duration("cluster.stopped", 8*time.Second, "how long a node is stopped")
	kills    = flag.Int("cluster.kills", 20, "how often the one node on SQLite is killed")
	leaseEnd = 30 * time.Second // until a killed node's transient tokens have expired
)

// scene is a cluster under traffic.
type scene struct {
	*traffic
	t       *testing.T
	c       *cluster
	binary  string
	servers []*usher.Server
	stop    func()
}

// node starts a server that listens at an address.
func (s *scene) start(database, listen string) *usher.Server {
	s.t.Helper()
	cmd := s.c.command(database, "serve", "--listen", listen, "--failed-tries", "0", "--trusted-proxy", "127.0.0.1")
	cmd.Path, cmd.Args[0] = s.binary, s.binary
	server, err := usher.Start(cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = server.Kill() })
	return server
}

// newScene starts a node on each of the databases, behind a balancer, and clients that send
// requests. The clients try backup codes, each of which works once.
func newScene(t *testing.T, c *cluster, binary string, front loadBalancer, databases ...string) *scene {
	t.Helper()
	s := &scene{traffic: &traffic{}, t: t, c: c, binary: binary}
	for _, name := range []string{"mia", "tom"} {
		c.usher(password, "account", "add", name, "--password-stdin")
	}
	var factor struct {
		Secret      string
		BackupCodes []string
	}
	if err := json.Unmarshal([]byte(c.usher("", "account", "totp", "tom", "--json", "--yes")), &factor); err != nil {
		t.Fatal(err)
	}
	s.codes, s.seed = factor.BackupCodes, factor.Secret
	s.adminKey = plexauth.Secret(regexp.MustCompile(`usher_ak_\S+`).FindString(
		c.usher("", "admin-key", "create", "clients", "--scope", "accounts:write", "--scope", "audit:read")))
	for _, database := range databases {
		server := s.start(database, "127.0.0.1:0")
		s.servers, s.nodes = append(s.servers, server), append(s.nodes, server.URL)
	}
	s.front = front.start(t, s.nodes)
	s.enter("nothing")
	s.mustSignIn()
	s.mustRegisterKey()
	ctx, cancel := context.WithCancel(t.Context())
	wait := s.run(ctx)
	s.stop = func() { cancel(); wait() }
	t.Cleanup(s.stop)
	return s
}

// mustSignIn signs in, so that there is a token that nobody revokes.
func (s *scene) mustSignIn() {
	s.t.Helper()
	if s.signIn(s.t.Context(), "first"); len(s.tokens) == 0 {
		s.t.Fatal("the first sign-in failed")
	}
	s.tokens[0].ending = true
}

// mustRegisterKey registers a device's key, which requests JWTs.
func (s *scene) mustRegisterKey() {
	s.t.Helper()
	key, err := plexauth.LoadDeviceKey(filepath.Join(s.t.TempDir(), "device.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	account, err := sdk(s.front, keyed, "").SignIn(s.t.Context(), plexauth.SignInRequest{Login: "mia", Password: password})
	if err != nil {
		s.t.Fatal(err)
	}
	// With a planted bug, the token may become valid only a moment later.
	await(s.t, "the key of a device", func() error {
		return sdk(s.front, keyed, string(account.AuthToken)).RegisterKey(s.t.Context(), key)
	})
	s.key = key
}

// fault causes a fault, lets the clients continue for some time, and then undoes it.
func (s *scene) fault(name string, long time.Duration, do, undo func()) {
	s.enter(name)
	do()
	time.Sleep(long)
	undo()
	s.enter("after: " + name)
	time.Sleep(*between)
}

// kill kills a node, and records which tokens that invalidates.
func (s *scene) kill(i int) {
	began := time.Now()
	if err := s.servers[i].Kill(); err != nil {
		s.t.Error(err)
	}
	s.ended(s.nodes[i], began, leaseEnd)
}

// again restarts a node at its address.
func (s *scene) again(i int, database string) {
	s.servers[i] = s.start(database, strings.TrimPrefix(s.nodes[i], "http://"))
}

// finish stops the clients and returns what the checker found.
func (s *scene) finish() []error {
	s.t.Helper()
	// On a busy machine, the clients need more time than the faults take.
	for deadline := time.Now().Add(3 * time.Minute); !s.enough() && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	s.stop()
	time.Sleep(bound)
	errs := s.judge(s.t)
	if !s.enough() {
		s.t.Error("the clients sent too few requests: the test proves nothing")
	}
	return errs
}

// enough reports whether the clients sent enough requests for the history to prove
// something.
func (s *scene) enough() bool {
	s.mu.Lock()
	accounts := len(s.accounts)
	s.mu.Unlock()
	return s.Count(history.Give, history.Yes) >= 10 && s.Count(history.Check, history.Yes) >= 200 &&
		s.Count(history.Use, history.Yes) >= 5 && accounts > 0
}

// Clients use three nodes behind HAProxy, with a primary and a synchronous standby, while
// one part after the other fails. Everything acknowledged is stored. A revoked token is
// rejected everywhere a second later. A code that works once works only once.
func TestFaults(t *testing.T) {
	primary, err := pgtest.Start("fsync=on")
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Stop()
	c := newCluster(t)
	c.address = primary.Database(t)
	standby := primary.Standby(t)
	defer standby.Stop()

	// The third node connects to both through proxies that drop notifications.
	here, behindHere := pgtest.NewProxy(t, c.address)
	there, behindThere := pgtest.NewProxy(t, replacePort(t, c.address, standby.Port))
	here.DropNotifications()
	there.DropNotifications()
	direct := both(t, c.address, replacePort(t, c.address, standby.Port))
	proxied := both(t, behindHere, behindThere)
	c.address = direct
	s := newScene(t, c, usherBinary, haproxy, direct, direct, proxied)
	time.Sleep(*between)

	s.fault("a node is killed", *between, func() { s.kill(0) }, func() { s.again(0, direct) })
	lapses := *stopped > leaseEnd/2 // a lease is 20 s, renewed every 5 s
	s.fault("a node stops for "+stopped.String(), *stopped,
		func() {
			if lapses {
				s.lapse(s.nodes[1], true)
			}
			_ = s.servers[1].Signal(syscall.SIGSTOP)
		},
		func() { _ = s.servers[1].Signal(syscall.SIGCONT) })
	if lapses {
		time.Sleep(6 * time.Second) // until it has renewed its lease
		s.lapse(s.nodes[1], false)
	}
	s.fault("a node is cut off from the database", 2**between,
		func() { here.Cut(); there.Cut() },
		func() { here.Mend(); there.Mend() })
	s.fault("the primary is killed, the standby promoted", 2**between,
		func() { primary.Kill(); standby.Promote(t) }, func() {})
	s.fault("a node stops cleanly", *between, func() {
		began := time.Now()
		if err := s.servers[1].Stop(); err != nil {
			t.Error(err)
		}
		s.ended(s.nodes[1], began, time.Since(began)+bound)
	}, func() { s.again(1, direct) })
	s.enter("until every lease has ended")
	time.Sleep(max(0, leaseEnd-2**stopped))

	for _, err := range s.finish() {
		t.Error(err)
	}
	c.usher("", "audit", "verify") // it fails if the chain is broken or forked
	t.Log(s.table())
	if here.Dropped()+there.Dropped() == 0 {
		t.Error("no notification was dropped: the test proves less than it says")
	}
	for _, w := range s.windows {
		if strings.Contains(w.name, "killed") && strings.Contains(w.name, "a node") && w.failed+w.refused > clients {
			t.Errorf("%s: %d requests failed, which is more than were in flight", w.name, w.failed+w.refused)
		}
	}
}

// While no synchronous standby answers, nothing is acknowledged that would be lost with the
// primary. Token checks continue.
func TestStandbyIsLost(t *testing.T) {
	primary, err := pgtest.Start("fsync=on")
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Stop()
	c := newCluster(t)
	c.address = primary.Database(t)
	standby := primary.Standby(t)
	defer standby.Stop()
	nodes := []*node{c.node(c.address), c.node(c.address)}
	c.usher(password, "account", "add", "mia", "--password-stdin")
	token := nodes[0].signIn("mia")
	nodes[1].want(token, 200, 0)
	standby.Kill()
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() {
			form := url.Values{"login": {"mia"}, "password": {password}}
			// A request that waits longer than the limit gets no answer.
			if status, body := send(t.Context(), "POST", n.URL+"/api/v2/users/signin", "test", "", form); status != 503 && status != 0 {
				t.Errorf("a sign-in without the standby: %d %s, want 503 or none", status, body)
			}
		})
	}
	for _, n := range nodes {
		n.want(token, 200, 0)
	}
	wg.Wait()
	if err := standby.Launch(); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			form := url.Values{"login": {"mia"}, "password": {password}}
			status, body := send(t.Context(), "POST", n.URL+"/api/v2/users/signin", "test", "", form)
			if status == 201 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("a sign-in with the standby back: %d %s", status, body)
			}
		}
	}
}

// nginx has no health checks, but hides a dead node from clients.
func TestNginx(t *testing.T) {
	c := newCluster(t)
	s := newScene(t, c, usherBinary, nginx, c.address, c.address)
	time.Sleep(*between)
	s.fault("a node is killed", *between, func() { s.kill(0) }, func() { s.again(0, c.address) })
	for _, err := range s.finish() {
		t.Error(err)
	}
	t.Log(s.table())
	for _, w := range s.windows {
		if w.failed+w.refused > clients {
			t.Errorf("%s: %d requests failed, which is more than were in flight", w.name, w.failed+w.refused)
		}
	}
}

// PgBouncer in session mode works like a database.
func TestPgBouncer(t *testing.T) {
	c := newCluster(t)
	s := newScene(t, c, usherBinary, haproxy, pgbouncer(t, c.address, "session"), c.address)
	s.fault("a node is killed", *between, func() { s.kill(0) }, func() { s.again(0, pgbouncer(t, c.address, "session")) })
	for _, err := range s.finish() {
		t.Error(err)
	}
}

// PgBouncer in the other modes would mix up the settings of connections. usher does not
// start behind it, and the error says what to do.
func TestPgBouncerInOtherModes(t *testing.T) {
	c := newCluster(t)
	c.usher(password, "account", "add", "mia", "--password-stdin")
	for _, mode := range []string{"transaction", "statement"} {
		pooled := pgbouncer(t, c.address, mode)
		for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"account", "list"}, {"backup", filepath.Join(t.TempDir(), "copy")}} {
			out, err := c.command(pooled, args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "pool_mode = session") {
				t.Errorf("usher %s behind PgBouncer in mode %s: %v\n%s", args, mode, err, out)
			}
		}
	}
}

// A node with SQLite is killed repeatedly, at random times.
func TestSQLiteIsKilled(t *testing.T) {
	c := &cluster{t: t, keyFile: filepath.Join(t.TempDir(), "usher.key")}
	s := newScene(t, c, usherBinary, haproxy, c.address)
	for range *kills {
		time.Sleep(100*time.Millisecond + rand.N(400*time.Millisecond))
		began := time.Now()
		if err := s.servers[0].Kill(); err != nil {
			t.Error(err)
		}
		s.ended(s.nodes[0], began, 0) // its key is only in its memory
		s.again(0, c.address)
	}
	for _, err := range s.finish() {
		t.Error(err)
	}
	c.usher("", "audit", "verify")
	t.Log(s.table())
}

// both returns the URL of two servers. Connections use the one that accepts writes.
func both(t *testing.T, first, second string) string {
	t.Helper()
	a, b := parse(t, first), parse(t, second)
	a.Host += "," + b.Host
	q := a.Query()
	q.Set("target_session_attrs", "read-write")
	a.RawQuery = q.Encode()
	return a.String()
}

func replacePort(t *testing.T, address string, port int) string {
	t.Helper()
	u := parse(t, address)
	u.Host = fmt.Sprint(u.Hostname(), ":", port)
	return u.String()
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// plant is a bug that the checker must find.
type plant struct {
	name, file, old, new string
	// do makes the bug visible.
	do func(*scene)
}

var plants = []plant{
	{
		"a node does not read the feed", "internal/db/feed.go",
		"	rows, err := readChanges(ctx, conn, seen)\n", "	rows, err := []published(nil), error(nil)\n	seen = 0\n",
		func(*scene) { time.Sleep(5 * time.Second) },
	},
	{
		"a write is acknowledged before it is committed", "internal/db/commit.go",
		"		firstID, lastID, err = c.commit(ctx, done)\n", `		for _, j := range waiting {
			j.done <- nil
		}
		time.Sleep(100 * time.Millisecond)
		firstID, lastID, err = c.commit(ctx, done)
		waiting = nil
`,
		func(s *scene) {
			for range 6 {
				time.Sleep(500 * time.Millisecond)
				s.kill(0)
				s.again(0, s.c.address)
			}
		},
	},
	{
		"a lease does not end", "internal/token/keys.go",
		"lease      = 20 * time.Second", "lease      = 20 * time.Hour",
		func(s *scene) {
			time.Sleep(3 * time.Second)
			s.kill(0)
			s.again(0, s.c.address)
			time.Sleep(leaseEnd + 2*time.Second)
		},
	},
	{
		"a backup code works as often as one likes", "internal/store/proofs.go",
		`return tx.ExecOne(ctx, "DELETE FROM backup_code WHERE account_id = $1 AND hash = $2", id, code[:])`, "return nil",
		func(*scene) { time.Sleep(5 * time.Second) },
	},
}

// TestPlantedBugs proves that the checker detects the bugs that it must detect.
func TestPlantedBugs(t *testing.T) {
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			s := newScene(t, c, p.build(t), haproxy, c.address, c.address)
			for tries := 0; tries < 5 && len(s.Check(bound)) == 0; tries++ {
				p.do(s)
			}
			errs := s.finish()
			if len(errs) == 0 {
				t.Fatal("the checker does not detect it")
			}
			t.Logf("the checker reports %d errors: %v", len(errs), errs[0])
		})
	}
}

// build builds usher with the bug.
func (p plant) build(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, filepath.FromSlash(p.file))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), p.old) != 1 {
		t.Fatalf("%s has changed: update the planted bug", p.file)
	}
	dir := t.TempDir()
	changed := filepath.Join(dir, "changed.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), p.old, p.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := usher.Build(dir, "-overlay", filepath.Join(dir, "overlay.json"))
	if err != nil {
		t.Fatal(err)
	}
	return binary
}
