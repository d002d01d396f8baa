package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/plexauth"
	usher "github.com/usher-auth/usher/test/http/binary"
)

// How long one kind of request is sent, and with how many tokens: few enough that all their
// accounts are cached, or so many that none is cached when its turn comes again.
const (
	loadFor = 4 * time.Second
	few     = 2000
	many    = 10000
)

// Cost is the cost of one kind of request with a number of nodes. bench/plan reads it.
type Cost struct {
	Engine   string
	Nodes    int
	Kind     string
	Rate     float64 // requests a second, of all nodes together
	Node     float64 // processor time of the nodes, in microseconds for each request
	Database float64 // processor time of PostgreSQL
	Queries  float64 // for 1,000 requests, without those of an idle node
	Hits     float64 // of 100 lookups of tokens
	Commits  float64 // a second
}

// The kinds of request.
const (
	kindCached = "token check, all cached"
	kindToken  = "token check, token not cached"
	kindNone   = "token check, nothing cached"
	kindMint   = "transient token"
	kindWrite  = "sign-out (a write)"
)

// kind is a kind of request, and how it is sent.
type kind struct {
	name  string
	small bool // the node's token cache holds very few
	warm  int  // tokens that are used once before the measurement
	noted bool // the use of all its tokens was written just before the measurement
	want  int
	next  func() (line, headers string)
}

func header(i int) string { return "X-Plex-Token: " + sampleToken(i) + "\r\n" }

// kinds returns the kinds to measure. gone counts the tokens that were signed out: those
// from many on.
func kinds(gone *atomic.Int64) []kind {
	var round atomic.Int64
	const check = "GET /api/v2/user"
	some := func(line string) func() (string, string) {
		return func() (string, string) { return line, header(rand.IntN(few)) }
	}
	return []kind{
		{kindCached, false, few, false, http.StatusOK, some(check)},
		{kindToken, true, few, false, http.StatusOK, some(check)},
		{kindNone, true, 0, true, http.StatusOK, func() (string, string) { return check, header(int(round.Add(1) % many)) }},
		{kindMint, false, few, false, http.StatusOK, some("GET /security/token?type=delegation&scope=all")},
		{kindWrite, false, 0, false, http.StatusNoContent, func() (string, string) {
			return "DELETE /api/v2/users/signout", header(many + int(gone.Add(1)-1))
		}},
	}
}

// cluster is a set of nodes with one database.
type cluster struct {
	w       *world
	servers []*usher.Server
	urls    []string
	metrics []string
}

var metricsLine = regexp.MustCompile(`"msg":"metrics","address":"([^"]+)"`)

// metricsOf returns the address of a server's metrics, from its log.
func metricsOf(server *usher.Server) (string, error) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if m := metricsLine.FindStringSubmatch(server.Log()); m != nil {
			return "http://" + m[1], nil
		}
	}
	return "", fmt.Errorf("the log does not name the address of the metrics: %s", server.Log())
}

func (w *world) cluster(ctx context.Context, n int, flags ...string) (c *cluster, err error) {
	c = &cluster{w: w}
	for range n {
		server, err := w.start(ctx, append(flags, "--metrics-listen", "127.0.0.1:0")...)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		c.servers, c.urls = append(c.servers, server), append(c.urls, server.URL)
		address, err := metricsOf(server)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		c.metrics = append(c.metrics, address)
	}
	return c, nil
}

func (c *cluster) stop() error {
	var errs []error
	for _, s := range c.servers {
		errs = append(errs, s.Stop())
	}
	return errors.Join(errs...)
}

// counts are the counters before or after a load.
type counts struct {
	at                    time.Time
	node, database        time.Duration
	queries               float64
	hits, misses, commits float64
}

func (c *cluster) counts(ctx context.Context) (n counts, err error) {
	n.at = time.Now()
	pids := make(map[int]bool)
	for _, s := range c.servers {
		pids[s.PID()] = true
	}
	if n.node, err = processors(func(pid, parent int) bool { return pids[pid] || pids[parent] }); err != nil {
		return n, err
	}
	for _, address := range c.metrics {
		for name, sum := range map[string]*float64{
			"usher_token_cache_hits_total": &n.hits, "usher_token_cache_misses_total": &n.misses, "usher_commits_total": &n.commits,
		} {
			value, err := metric(ctx, address, name)
			if err != nil {
				return n, err
			}
			*sum += value
		}
	}
	if c.w.engine.leader == 0 {
		return n, nil
	}
	if n.database, err = processors(func(pid, parent int) bool { return pid == c.w.engine.leader || parent == c.w.engine.leader }); err != nil {
		return n, err
	}
	err = c.w.db.QueryRowContext(ctx, `SELECT COALESCE(SUM(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
		WHERE d.datname = current_database()`).Scan(&n.queries)
	return n, err
}

// measure sends one kind of request. idle is how many queries per second the nodes make
// without requests.
func (c *cluster) measure(ctx context.Context, k kind, idle float64) (Cost, error) {
	before, err := c.counts(ctx)
	if err != nil {
		return Cost{}, err
	}
	answered, err := load(ctx, c.urls, loadFor, k.want, k.next)
	if err != nil {
		return Cost{}, fmt.Errorf("%s: %w", k.name, err)
	}
	after, err := c.counts(ctx)
	if err != nil {
		return Cost{}, err
	}
	n, long := float64(max(1, answered)), after.at.Sub(before.at).Seconds()
	cost := Cost{
		Engine: c.w.engine.name, Nodes: len(c.servers), Kind: k.name, Rate: n / loadFor.Seconds(),
		Node:     float64((after.node - before.node).Microseconds()) / n,
		Database: float64((after.database - before.database).Microseconds()) / n,
		Queries:  max(0, after.queries-before.queries-idle*long) / n * 1000,
		Commits:  (after.commits - before.commits) / long,
	}
	if looked := after.hits + after.misses - before.hits - before.misses; looked > 0 {
		cost.Hits = 100 * (after.hits - before.hits) / looked
	}
	return cost, nil
}

// idle returns how many queries per second the nodes make without requests.
func (c *cluster) idle(ctx context.Context) (float64, error) {
	before, err := c.counts(ctx)
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(loadFor / 2):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := c.counts(ctx)
	return (after.queries - before.queries) / after.at.Sub(before.at).Seconds(), err
}

// warm uses tokens once at each node.
func (c *cluster) warm(ctx context.Context, n int) error {
	for i := range n {
		for _, node := range c.urls {
			if err := get(ctx, http.DefaultClient, node+"/api/v2/user", http.Header{"X-Plex-Token": {sampleToken(i)}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// costs measures every kind of request with each number of nodes.
func (w *world) costs(ctx context.Context, nodes ...int) (all []Cost, err error) {
	if w.db, err = w.open(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.db.Close()) }()
	var gone atomic.Int64
	for _, k := range kinds(&gone) {
		for _, n := range nodes {
			cost, err := w.cost(ctx, n, k)
			if err != nil {
				return nil, fmt.Errorf("%d nodes on %s: %w", n, w.engine.name, err)
			}
			all = append(all, cost)
		}
	}
	return all, nil
}

func (w *world) cost(ctx context.Context, n int, k kind) (cost Cost, err error) {
	if k.noted {
		if err := w.noteSamples(ctx); err != nil {
			return Cost{}, err
		}
	}
	var flags []string
	if k.small {
		flags = []string{"--token-cache", "64"}
	}
	c, err := w.cluster(ctx, n, flags...)
	if err != nil {
		return Cost{}, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	idle, err := c.idle(ctx)
	if err == nil {
		err = c.warm(ctx, k.warm)
	}
	if err != nil {
		return Cost{}, err
	}
	return c.measure(ctx, k, idle)
}

// noteSamples writes that the tokens that are checked were used now. A node writes that at
// most once a minute for each token, cached or not. Without it, a few seconds of load would
// have the writes of a minute, which use measures.
func (w *world) noteSamples(ctx context.Context) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	update, err := tx.PrepareContext(ctx, "UPDATE token SET last_used_at = $1 WHERE hash = $2")
	if err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	for i := range many {
		h := sha256.Sum256([]byte(sampleToken(i)))
		if _, err := update.ExecContext(ctx, now, h[:]); err != nil {
			return err
		}
	}
	return errors.Join(update.Close(), tx.Commit())
}

// Use is the cost of recording that a token was used.
type Use struct {
	Engine string
	// Wall is the elapsed time, and Database the processor time of PostgreSQL. Passed is
	// the processor time for a use that another node has written shortly before. All are in
	// microseconds for each token.
	Wall, Database, Passed float64
}

// noted is how many uses are recorded.
const noted = 20_000

// use records uses of tokens across the table, like nodes do. Then it does so again: those
// uses are too recent to be written.
func (w *world) use(ctx context.Context) (u Use, err error) {
	cfg := core.Config{Dir: w.flags[1], KeyFile: filepath.Join(w.flags[1], "usher.key")}
	if w.engine.leader != 0 {
		cfg = core.Config{Database: plexauth.Secret(w.flags[1]), KeyFile: w.flags[3]}
	}
	c, err := core.Open(ctx, cfg)
	if err != nil {
		return u, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	uses, err := w.someUses(ctx, c.DB)
	if err != nil {
		return u, err
	}
	u.Engine = w.engine.name
	if u.Wall, u.Database, err = w.note(ctx, c.DB, uses, 0); err != nil {
		return u, err
	}
	_, u.Passed, err = w.note(ctx, c.DB, uses, time.Hour)
	return u, err
}

// uses are the times of last use of tokens and of their devices.
type uses struct{ tokens, devices map[int64]time.Time }

// someUses returns uses of tokens at equal distances in the table.
func (w *world) someUses(ctx context.Context, d *db.DB) (u uses, err error) {
	u = uses{make(map[int64]time.Time), make(map[int64]time.Time)}
	rows, err := d.Query(ctx, "SELECT id, device_id FROM token WHERE id % $1 = 0 LIMIT $2", max(1, 3*w.n/noted), noted)
	if err != nil {
		return u, err
	}
	defer rows.Close()
	at := time.Now()
	for rows.Next() {
		var token, device int64
		if err := rows.Scan(&token, &device); err != nil {
			return u, err
		}
		u.tokens[token], u.devices[device] = at, at
	}
	return u, rows.Err()
}

// note records uses, and returns the microseconds for each.
func (w *world) note(ctx context.Context, d *db.DB, u uses, least time.Duration) (wall, database float64, err error) {
	ofDatabase := func(pid, parent int) bool { return pid == w.engine.leader || parent == w.engine.leader }
	before, err := processors(ofDatabase)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	err = d.Note(ctx, db.Notes{Table: "token", Column: "last_used_at", At: u.tokens, Least: least})
	if err == nil {
		err = d.Note(ctx, db.Notes{Table: "device", Column: "last_seen_at", At: u.devices, Least: least})
	}
	if err != nil {
		return 0, 0, err
	}
	wall = float64(time.Since(began).Microseconds()) / float64(len(u.tokens))
	after, err := processors(ofDatabase)
	if w.engine.leader == 0 {
		return wall, 0, err
	}
	return wall, float64((after - before).Microseconds()) / float64(len(u.tokens)), err
}

// Sizes are the sizes of rows with their indexes, in bytes.
type Sizes struct{ Account, Token, Audit float64 }

// sizes reads the sizes from PostgreSQL.
func (w *world) sizes(ctx context.Context) (s Sizes, err error) {
	d, err := w.open()
	if err != nil {
		return s, err
	}
	for _, of := range []struct {
		tables []string
		each   *float64
		n      int
	}{
		{[]string{"account", "account_skeleton", "device", "session", "share"}, &s.Account, w.n},
		{[]string{"token"}, &s.Token, 3 * w.n},
		{[]string{"audit"}, &s.Audit, w.n},
	} {
		for _, table := range of.tables {
			var bytes float64
			if err = d.QueryRowContext(ctx, "SELECT pg_total_relation_size($1::text::regclass)", table).Scan(&bytes); err != nil {
				return s, errors.Join(err, d.Close())
			}
			*of.each += bytes / float64(of.n)
		}
	}
	return s, d.Close()
}
