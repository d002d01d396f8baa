package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// large is how many accounts there are in a large database. Its searches are as fast as
// those in one of a million if they read as few rows.
const large = 2000

// fillLarge adds accounts, each with two tokens on a device, an own name for the device, a
// server or a share, a browser, and an event.
var fillLarge = []string{
	fmt.Sprintf(`INSERT INTO account (uuid, username, username_key, email, email_key, title, password_hash, admin, created_at)
		SELECT lpad(to_hex(i), 32, '0'), n, n, n || '@example.org', n || '@example.org', n, '', FALSE, 1
		FROM generate_series(1, %d) AS s (i), LATERAL (SELECT 'user' || lpad(i::text, 7, '0') AS n) AS name`, large),
	`INSERT INTO device (account_id, client_identifier, product, version, platform, platform_version, device, model,
			vendor, name, address, created_at, last_seen_at)
		SELECT id, 'client', 'Telly', '', '', '', '', '', '', 'Den ' || username, '', 1, id FROM account ORDER BY id`,
	`INSERT INTO token (hash, kind, account_id, device_id, created_at, last_used_at)
		SELECT sha256((d.id || '/' || i)::bytea), 1, d.account_id, d.id, 1, 1 FROM device d, generate_series(1, 2) AS s (i) ORDER BY d.id`,
	`INSERT INTO session (hash, account_id, complete, user_agent, address, created_at, last_used_at, expires_at)
		SELECT sha256(uuid::bytea), id, TRUE, '', '', 1, id, 1000 FROM account`,
	`INSERT INTO source (kind, identifier, name, product, product_version, owner_id, created_at)
		SELECT 'server', uuid, 'Server ' || id, '', '', id, 1 FROM account WHERE id % 20 = 0`,
	`INSERT INTO share (source_id, account_id, created_at)
		SELECT s.id, a.id, 1 FROM account a JOIN source s ON s.owner_id = a.id - a.id % 20 WHERE a.id % 20 <> 0`,
	`INSERT INTO share (source_id, account_id, created_at)
		SELECT s.id, a.id, 1 FROM account a, source s WHERE s.owner_id = 20 ON CONFLICT DO NOTHING`,
	`INSERT INTO audit (id, at, event, account_id, account, actor, device, address, detail, hash)
		SELECT id, id, CASE WHEN id % 10 = 0 THEN 'token.revoked' ELSE 'sign-in' END, id, username, '', 'Telly', '', '', sha256(uuid::bytea) FROM account`,
	"ANALYZE",
}

// query is a statement with its arguments.
type query struct {
	text string
	args []any
}

// spy is a Querier that stores its queries.
type spy struct {
	*db.DB
	mu    sync.Mutex
	asked []query
}

func (s *spy) remember(text string, args []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, query{text, args})
}

func (s *spy) Query(ctx context.Context, text string, args ...any) (*db.Rows, error) {
	s.remember(text, args)
	return s.DB.Query(ctx, text, args...)
}

func (s *spy) QueryRow(ctx context.Context, text string, args ...any) db.Row {
	s.remember(text, args)
	return s.DB.QueryRow(ctx, text, args...)
}

// listed is a listing, of which only the places of its parts count.
type listed func(context.Context, db.Querier, paging.Request) (next, previous paging.Cursor, err error)

func listOf[T any](read func(context.Context, db.Querier, paging.Request) (paging.List[T], error)) listed {
	return func(ctx context.Context, q db.Querier, r paging.Request) (next, previous paging.Cursor, err error) {
		l, err := read(ctx, q, r)
		return l.Next, l.Previous, err
	}
}

// sharesOfOne is the prefix of the listings of a server that is shared with all accounts. A
// search counts its shares up to a thousand.
const sharesOfOne = "shares of a server, "

// The listings of pages in a whole database, in each order, and their searches.
func largeListings() map[string]listed {
	all := map[string]listed{
		"accounts":             listOf(store.Accounts{}.List),
		"accounts, the newest": listOf(store.Accounts{}.Newest),
		"shares":               listOf(store.Shares{}.List),
	}
	for _, text := range []string{"user", "user0001000", "zzz"} {
		all["accounts by the name or e-mail address "+text] = listOf(func(ctx context.Context, q db.Querier, r paging.Request) (paging.List[account.Account], error) {
			return store.Accounts{}.Search(ctx, q, text, text, r)
		})
	}
	all["accounts by name"] = listOf(func(ctx context.Context, q db.Querier, r paging.Request) (paging.List[account.Account], error) {
		return store.Accounts{}.Search(ctx, q, "", "", r)
	})
	// Nobody has such a name, and everybody such an address: see fillLarge.
	all["accounts by the e-mail address"] = listOf(func(ctx context.Context, q db.Querier, r paging.Request) (paging.List[account.Account], error) {
		return store.Accounts{}.Search(ctx, q, "zzz", "user", r)
	})
	for _, text := range []string{"", "server"} { // one that is nowhere reads all servers
		all["servers, "+text] = listOf(func(ctx context.Context, q db.Querier, r paging.Request) (paging.List[source.Source], error) {
			return store.Sources{}.List(ctx, q, source.Server, text, r)
		})
	}
	for _, text := range []string{"", "user", "user0001000", "zzz"} {
		all[sharesOfOne+text] = listOf(func(ctx context.Context, q db.Querier, r paging.Request) (paging.List[source.Share], error) {
			return store.Shares{}.OfSource(ctx, q, 1, text, r)
		})
	}
	tokensOf := func(text string, accountID int64) listed {
		return listOf(func(ctx context.Context, q db.Querier, r paging.Request) (paging.List[token.Token], error) {
			if text == "" {
				return store.Tokens{}.List(ctx, q, accountID, r)
			}
			return store.Tokens{}.Search(ctx, q, token.SearchText{Device: text, Username: text}, accountID, r)
		})
	}
	for _, text := range []string{"", "den", "TELLY", "user0001000", "user", "zzz"} {
		all["tokens, "+text] = tokensOf(text, 0)
		all["tokens of an account, "+text] = tokensOf(text, large/2)
	}
	for order, name := range map[device.Order]string{device.BySeen: "seen", device.ByName: "name", device.ByProduct: "program"} {
		for _, text := range []string{"", "den"} {
			all["devices of an account by "+name+", "+text] = listOf(func(ctx context.Context, q db.Querier, r paging.Request) (paging.List[device.Device], error) {
				return store.Devices{}.Search(ctx, q, large/2, device.Query{Order: order, Text: text}, r)
			})
		}
	}
	return all
}

// A page of any listing or search on PostgreSQL reads few rows, wherever in a large
// database it is, in both directions.
func TestPostgresPagesReadFewRows(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	address := pgtest.Database(t)
	d := opener(t, db.Config{URL: plexauth.Secret(address)})()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, text := range fillLarge {
		if _, err := conn.Exec(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for name, list := range largeListings() {
		requests := []paging.Request{{Limit: 12}}
		if middle, _, err := list(t.Context(), d, paging.Request{Limit: large / 3}); err != nil {
			t.Fatalf("%s: %v", name, err)
		} else if middle != "" {
			requests = append(requests, paging.Request{Limit: 12, After: middle}, paging.Request{Limit: 12, Before: middle})
		}
		for _, r := range requests {
			s := &spy{DB: d}
			if _, _, err := list(t.Context(), s, r); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			few(t, conn, name, s.asked)
		}
	}
	for name, q := range map[string]audit.Query{
		"all": {}, "in the middle": {Before: large / 2}, "an account": {Account: large / 2},
		"an event":               {Events: []audit.Kind{audit.SignIn}},
		"an event in the middle": {Events: []audit.Kind{audit.SignIn}, After: large / 2, OldestFirst: true},
	} {
		q.Limit = 12
		s := &spy{DB: d}
		if _, err := (store.Audit{}).List(t.Context(), s, q); err != nil {
			t.Fatal(err)
		}
		few(t, conn, "the audit log, "+name, s.asked)
	}
}

// few fails the test if statements read many rows.
func few(t *testing.T, conn *pgx.Conn, name string, asked []query) {
	t.Helper()
	most := 300
	if strings.HasPrefix(name, sharesOfOne) {
		most = 1200
	}
	for _, q := range asked {
		if rows, plan := readBy(t, conn, q); rows > most {
			t.Errorf("%s: %d rows are read by %s\nwith %v\n%s", name, rows, q.text, q.args, plan)
		}
	}
}

// step is a step of a plan that was run.
type step struct {
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Filtered float64 `json:"Rows Removed by Filter"`
	Joined   float64 `json:"Rows Removed by Join Filter"`
	Plans    []step
}

// read is how many rows a step and those below it read of tables.
func (s step) read() (n float64) {
	if s.Relation != "" {
		n = (s.Rows + s.Filtered) * max(1, s.Loops)
	}
	for _, p := range s.Plans {
		n += p.read()
	}
	return n + s.Joined*s.Loops
}

// readBy returns how many rows of tables PostgreSQL reads for a statement that was
// prepared and has run some times, as those of a server have: its plan may then be one
// for whatever arguments.
func readBy(t *testing.T, conn *pgx.Conn, q query) (rows int, plan string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), "PREPARE page AS "+q.text); err != nil {
		t.Fatalf("%s: %v", q.text, err)
	}
	defer func() { _, _ = conn.Exec(t.Context(), "DEALLOCATE page") }()
	values := make([]string, len(q.args))
	for i, arg := range q.args {
		values[i] = fmt.Sprint(arg)
		if reflect.ValueOf(arg).Kind() == reflect.String {
			values[i] = "'" + strings.ReplaceAll(values[i], "'", "''") + "'"
		}
	}
	execute := "EXECUTE page"
	if len(values) > 0 {
		execute += "(" + strings.Join(values, ", ") + ")"
	}
	for range 6 {
		if _, err := conn.Exec(t.Context(), "EXPLAIN "+execute); err != nil {
			t.Fatalf("%s: %v", execute, err)
		}
	}
	var text []byte
	if err := conn.QueryRow(t.Context(), "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "+execute, pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil {
		t.Fatalf("%s: %v", execute, err)
	}
	var plans []struct{ Plan step }
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	return int(plans[0].Plan.read()), string(text)
}
