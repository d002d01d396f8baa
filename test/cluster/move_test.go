package cluster_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db/pgtest"
	usher "github.com/usher-auth/usher/test/http/binary"
)

// An operator moves from one node to PostgreSQL and back. Tokens stay valid. A move is
// rejected while a server runs, and the old side no longer starts.
func TestMigrate(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	c := newCluster(t)
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	c.keyFile = filepath.Join(first, "usher.key")
	run := func(want bool, args ...string) string {
		t.Helper()
		cmd := exec.Command(usherBinary, args...)
		cmd.Env, cmd.Stdin = usher.Env(), strings.NewReader(password+"\n")
		out, err := cmd.CombinedOutput()
		if want != (err == nil) {
			t.Fatalf("usher %s: %v\n%s", args, err, out)
		}
		if strings.Contains(string(out), secret) {
			t.Errorf("usher %s prints the database's password", args)
		}
		return string(out)
	}
	serve := func(folder string) *node {
		t.Helper()
		cmd := exec.Command(usherBinary, "serve", "--listen", "127.0.0.1:0", "--data", folder)
		cmd.Env = usher.Env()
		server, err := usher.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		return &node{server, t}
	}
	run(true, "account", "add", "mia", "--password-stdin", "--data", first)
	old := serve(first)
	token := old.signIn("mia")
	if out := run(false, "migrate", "--from", first, "--to", c.address); !strings.Contains(out, "is in use by usher serve on") {
		t.Errorf("while the server runs: %s", out)
	}
	if err := old.Stop(); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(usherBinary, "migrate", "--from", first, "--to", c.address, "--json")
	cmd.Env = usher.Env()
	text, err := cmd.Output()
	var moved struct {
		Rows   int64
		Audit  string
		Tables []struct{ Hash string }
	}
	if err != nil || json.Unmarshal(text, &moved) != nil || moved.Rows == 0 || moved.Audit != "verified" || len(moved.Tables) < 20 {
		t.Fatalf("the move: %v\n%s", err, text)
	}
	if out := run(false, "serve", "--listen", "127.0.0.1:0", "--data", first); !strings.Contains(out, "was moved to postgres://") {
		t.Errorf("a server on the old side: %s", out)
	}
	a, b := c.node(c.address), c.node(c.address)
	a.want(token, 200, 0)
	b.want(token, 200, 0)
	later := a.signIn("mia")
	if out := run(false, "migrate", "--from", c.address, "--to", second, "--key-file", c.keyFile); !strings.Contains(out, "other programs use the database: ") {
		t.Errorf("while nodes run: %s", out)
	}
	for _, n := range []*node{a, b} {
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	run(true, "migrate", "--from", c.address, "--to", second, "--key-file", c.keyFile)
	run(true, "audit", "verify", "--data", second)
	back := serve(second)
	back.want(token, 200, 0)
	back.want(later, 200, 0)
	if err := back.Stop(); err != nil {
		t.Fatal(err)
	}
	if out := run(false, "account", "list", "--database", c.address, "--key-file", c.keyFile); !strings.Contains(out, "was moved to "+second) {
		t.Errorf("a command on what was moved back: %s", out)
	}
}

// A node that was cut off during a move of the database learns of it when it reconnects,
// and stops: its writes would be lost.
func TestNodeLearnsOfAMove(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	c := newCluster(t)
	server, err := usher.Start(c.command(c.address, "serve", "--listen", "127.0.0.1:0", "--drain", "1h"))
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, c.address, "INSERT INTO move (part, id, place, done, at) VALUES ('from', 'x', '/elsewhere', TRUE, 1)")
	pgtest.Exec(t, c.address, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'usher serve%'")
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(server.URL + "/healthz")
		if err != nil {
			break
		}
		resp.Body.Close()
		if time.Now().After(until) {
			t.Fatal("the node still runs", server.Log())
		}
	}
	if err := server.Stop(); err == nil || !strings.Contains(err.Error(), "was moved to /elsewhere") {
		t.Errorf("it exited with %v", err)
	}
}
