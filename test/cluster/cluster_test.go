package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db/pgtest"
	usher "github.com/usher-auth/usher/test/http/binary"
)

// usherBinary is the path of the binary that all tests of this package run.
var usherBinary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

// buildAndRun builds the binary, runs the tests, and removes it.
func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "usher-cluster-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if usherBinary, err = usher.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return pgtest.Main(m)
}

// bound is how long a token that is revoked on one node may be accepted on another.
const bound = time.Second

// password is the password of every account, and secret that of the database.
const (
	password = "correct horse battery"
	secret   = "s3cret-of-the-database"
)

// cluster is one database with the key file that its nodes share.
type cluster struct {
	t       *testing.T
	address string // if empty, SQLite next to the key file
	keyFile string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	u, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), secret)
	return &cluster{t, u.String(), filepath.Join(t.TempDir(), "keys", "usher.key")}
}

// command returns a command with the cluster's data.
func (c *cluster) command(address string, args ...string) *exec.Cmd {
	where := []string{"--database", address, "--key-file", c.keyFile}
	if address == "" {
		where = []string{"--data", filepath.Dir(c.keyFile)}
	}
	cmd := exec.Command(usherBinary, append(args, where...)...)
	cmd.Env = usher.Env()
	return cmd
}

// usher runs a command that must succeed, and returns what it printed.
func (c *cluster) usher(input string, args ...string) string {
	c.t.Helper()
	cmd := c.command(c.address, args...)
	cmd.Stdin = strings.NewReader(input + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("usher %s: %v\n%s", args, err, out)
	}
	if strings.Contains(string(out), secret) {
		c.t.Errorf("usher %s prints the database's password", args)
	}
	return string(out)
}

// node is a node with its running server.
type node struct {
	*usher.Server
	t *testing.T
}

// node starts a server with the database at an address, which may be a proxy's.
func (c *cluster) node(address string, flags ...string) *node {
	c.t.Helper()
	args := append([]string{"serve", "--listen", "127.0.0.1:0"}, flags...)
	server, err := usher.Start(c.command(address, args...))
	if err != nil {
		c.t.Fatal(err)
	}
	n := &node{server, c.t}
	c.t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			c.t.Error(err)
		}
		if strings.Contains(server.Log()+server.Printed(), secret) {
			c.t.Error("a node prints or logs the database's password")
		}
	})
	return n
}

// answer is a response.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with a token, unless it is empty, and form values in pairs.
func (n *node) ask(method, path, token string, form ...string) answer {
	n.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, n.URL+path, strings.NewReader(values.Encode()))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Plex-Client-Identifier", "cluster-test")
	if token != "" {
		r.Header.Set("X-Plex-Token", token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// value returns a value from an answer that must have the given status.
func (a answer) value(t *testing.T, status int, key string) string {
	t.Helper()
	var values map[string]any
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.UseNumber()
	if a.status != status || decoder.Decode(&values) != nil {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return fmt.Sprint(values[key])
}

// signIn returns a new token of an account.
func (n *node) signIn(login string) string {
	n.t.Helper()
	return n.ask("POST", "/api/v2/users/signin", "", "login", login, "password", password).value(n.t, 201, "authToken")
}

// check returns the status of a token check.
func (n *node) check(token string) int {
	n.t.Helper()
	return n.ask("GET", "/api/v2/user", token).status
}

// want fails the test unless the check of a token returns a status within a time limit.
func (n *node) want(token string, status int, within time.Duration) {
	n.t.Helper()
	began := time.Now()
	for {
		got := n.check(token)
		if got == status {
			return
		}
		if time.Since(began) > within {
			n.t.Fatalf("the token's check has status %d after %v, want %d", got, time.Since(began), status)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Two nodes act as one server, even if no notification arrives.
func TestTwoNodes(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	c := newCluster(t)
	proxy, behind := pgtest.NewProxy(t, c.address)
	proxy.DropNotifications()
	a := c.node(c.address)
	b := c.node(behind)
	c.usher(password, "account", "add", "mia", "--password-stdin")

	token := a.signIn("mia")
	b.want(token, 200, 0)
	transient := b.ask("GET", "/security/token?type=delegation&scope=all", token)
	if transient.status != 200 {
		t.Fatalf("a transient token: %d %s", transient.status, transient.body)
	}
	other := b.signIn("mia")
	a.want(other, 200, 0)

	// A PIN that is created on one node is linked on another, and polled on the first.
	pin := a.ask("POST", "/api/v2/pins", "")
	id, code := pin.value(t, 201, "id"), pin.value(t, 201, "code")
	if linked := b.ask("PUT", "/api/v2/pins/link", token, "code", code); linked.status != 204 {
		t.Fatalf("linking a PIN on the other node: %d %s", linked.status, linked.body)
	}
	time.Sleep(bound)
	if got := a.ask("GET", "/api/v2/pins/"+id, ""); !strings.Contains(got.body, `"authToken":"`) {
		t.Errorf("the PIN on the node that created it: %d %s", got.status, got.body)
	}

	if out := a.ask("DELETE", "/api/v2/users/signout", token); out.status != 204 {
		t.Fatalf("signing out: %d %s", out.status, out.body)
	}
	b.want(token, 401, bound)
	c.usher("", "account", "disable", "mia")
	a.want(other, 401, bound)
	b.want(other, 401, bound)
	if proxy.Dropped() == 0 {
		t.Error("no notification was dropped: the test proves nothing")
	}
}

// A node that is cut off from the database reports it, rejects requests, and recovers.
func TestCutOff(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	c := newCluster(t)
	proxy, behind := pgtest.NewProxy(t, c.address)
	a := c.node(c.address)
	b := c.node(behind)
	c.usher(password, "account", "add", "mia", "--password-stdin")
	token := a.signIn("mia")
	b.want(token, 200, 0)
	if got := b.ask("GET", "/readyz", ""); got.status != 200 {
		t.Errorf("/readyz: %d", got.status)
	}

	proxy.Cut()
	time.Sleep(bound)
	if got := b.ask("GET", "/api/v2/user", token); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("a token on a node that is cut off: %d, Retry-After %q; want 503", got.status, got.header.Get("Retry-After"))
	}
	signIn := b.ask("POST", "/api/v2/users/signin", "", "login", "mia", "password", password)
	if signIn.status != 503 || signIn.header.Get("Retry-After") == "" {
		t.Errorf("a sign-in on a node that is cut off: %d %s; want 503", signIn.status, signIn.body)
	}
	if got := b.ask("GET", "/readyz", ""); got.status != 503 {
		t.Errorf("/readyz of a node that is cut off: %d, want 503", got.status)
	}
	if got := b.ask("GET", "/healthz", ""); got.status != 200 {
		t.Errorf("/healthz of a node that is cut off: %d, want 200: a restart would not help", got.status)
	}
	a.want(token, 200, 0)

	proxy.Mend()
	b.want(token, 200, 10*time.Second)
	b.signIn("mia")
}

// The password of the database can be given in the ways of libpq. Only the database
// receives it.
func TestDatabasePassword(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	c := newCluster(t)
	c.usher(password, "account", "add", "mia", "--password-stdin")
	u, err := url.Parse(c.address)
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, c.address, "CREATE ROLE "+pgtest.Guarded+" LOGIN SUPERUSER PASSWORD '"+secret+"'")
	u.User = url.User(pgtest.Guarded)
	file := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(file, []byte("*:*:*:"+pgtest.Guarded+":"+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for variable, good := range map[string]bool{
		"PGPASSWORD=" + secret: true, "PGPASSFILE=" + file: true, "PGPASSWORD=x" + secret: false, "X=1": false,
	} {
		cmd := c.command(u.String(), "account", "list")
		cmd.Env = append(cmd.Env, variable)
		out, err := cmd.CombinedOutput()
		if good != (err == nil) || good != strings.Contains(string(out), "mia") {
			t.Errorf("with %s: %v\n%s", variable, err, out)
		}
		if strings.Contains(string(out), secret) {
			t.Errorf("with %s, the password is printed: %s", variable, out)
		}
	}
	// Attack: read the list of processes, which every user of the machine can see.
	u.User = url.UserPassword(u.User.Username(), secret)
	n := c.node(u.String())
	n.signIn("mia") // starts a process that hashes
	for _, child := range n.Children() {
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child)); err == nil && strings.Contains(string(line), secret) {
			t.Errorf("the password is in the title of a process: %q", line)
		}
	}
	// A hint contains the name of the database, but not the password.
	cmd := c.command(c.address, "account", "disable", "nobody")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--database") || strings.Contains(string(out), secret) {
		t.Errorf("the hint of a command that failed: %v\n%s", err, out)
	}
}
