package cluster_test

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// nextRelease returns the schema of a later release: one more step, which expands the
// schema as CONTRIBUTING.md requires.
func nextRelease(t *testing.T) fstest.MapFS {
	t.Helper()
	steps := fstest.MapFS{}
	for _, engine := range []string{"sqlite", "postgres"} {
		entries, err := fs.ReadDir(store.Migrations(), engine)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			text, err := fs.ReadFile(store.Migrations(), engine+"/"+e.Name())
			if err != nil {
				t.Fatal(err)
			}
			steps[engine+"/"+e.Name()] = &fstest.MapFile{Data: text}
		}
		steps[fmt.Sprintf("%s/%05d_next.sql", engine, len(entries)+1)] = &fstest.MapFile{Data: []byte(`-- expand
			CREATE TABLE next_thing (id BIGINT PRIMARY KEY);
			ALTER TABLE account ADD COLUMN next_text TEXT NOT NULL DEFAULT 'x';
			ALTER TABLE token ADD COLUMN next_number BIGINT;
			CREATE INDEX token_next ON token (next_number) WHERE next_number IS NOT NULL;`)}
	}
	return steps
}

// balancer sends requests to its nodes in turn.
type balancer struct {
	mu    sync.RWMutex
	nodes map[*node]bool
}

// set adds a node, or removes it and waits until its requests are finished.
func (b *balancer) set(n *node, in bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.nodes == nil {
		b.nodes = make(map[*node]bool)
	}
	if b.nodes[n] = in; !in {
		delete(b.nodes, n)
	}
}

// each calls do with each of its nodes.
func (b *balancer) each(do func(*node)) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, n := range slices.Collect(maps.Keys(b.nodes)) {
		do(n)
	}
}

// A release with one more expanding step migrates the schema while nodes of this release
// run. They continue, and can be restarted: no request is rejected.
func TestRollingUpgrade(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	c := newCluster(t)
	var lb balancer
	old := []*node{c.node(c.address), c.node(c.address)}
	c.usher(password, "account", "add", "mia", "--password-stdin")
	token := old[0].signIn("mia")
	for _, n := range old {
		lb.set(n, true)
	}

	stop, answered := make(chan struct{}), make(chan int)
	var refused sync.Map
	ask := func(n *node, i int) {
		r, err := http.NewRequest(http.MethodGet, n.URL+"/api/v2/user", nil)
		if i%10 == 0 {
			form := url.Values{"X-Plex-Client-Identifier": {fmt.Sprint("device ", i%50)}}
			r, err = http.NewRequest(http.MethodPost, n.URL+"/api/v2/pins?"+form.Encode(), nil)
		}
		if err != nil {
			refused.Store(err.Error(), true)
			return
		}
		r.Header.Set("X-Plex-Token", token)
		r.Header.Set("X-Plex-Client-Identifier", "rolling")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			refused.Store(err.Error(), true)
			return
		}
		res.Body.Close()
		if res.StatusCode >= 300 && res.StatusCode != http.StatusTooManyRequests {
			refused.Store(r.Method+" "+res.Status, true)
		}
	}
	go func() {
		n := 0
		defer func() { answered <- n }()
		for {
			select {
			case <-stop:
				return
			default:
				lb.each(func(at *node) { ask(at, n); n++ })
			}
		}
	}()

	newer, err := db.Open(t.Context(), db.Config{URL: plexauth.Secret(c.address), Migrations: nextRelease(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := newer.Close(); err != nil {
		t.Fatal(err)
	}
	for _, n := range old { // each is replaced with one that starts with the newer schema
		again := c.node(c.address)
		lb.set(again, true)
		lb.set(n, false)
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
		again.signIn("mia")
	}
	close(stop)
	if n := <-answered; n < 10 {
		t.Errorf("only %d requests were made", n)
	}
	refused.Range(func(what, _ any) bool { t.Errorf("refused: %v", what); return true })
	if out := c.usher("", "account", "list"); !strings.Contains(out, "mia") {
		t.Errorf("a command on the newer schema: %s", out)
	}
}
