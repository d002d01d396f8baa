//go:build unix

package core_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// rows are statements that add at least one row to each table that newOriginal leaves
// empty. Each text is valid for both engines.
var rows = []struct {
	text string
	args []any
}{
	{"INSERT INTO backup_code (account_id, hash) VALUES (1, $1)", []any{[]byte("\x00\xff hash")}},
	{"INSERT INTO share (source_id, account_id, created_at, id, chosen) SELECT MIN(id), 1, 5, 1000000001, TRUE FROM source", nil},
	{"INSERT INTO section (source_id, number, title, title_key, kind, created_at) SELECT MIN(id), 1, 'TV', 'tv', 'show', 5 FROM source", nil},
	{"INSERT INTO share_section (share_id, section_id) SELECT 1000000001, MIN(id) FROM section", nil},
	{`INSERT INTO invitation (id, inviter_id, invited, invited_key, source_id, chosen, created_at)
		SELECT 1000000002, 1, 'É', 'é', MIN(id), TRUE, 5 FROM source`, nil},
	{"INSERT INTO invitation_section (invitation_id, section_id) SELECT 1000000002, MIN(id) FROM section", nil},
	{"INSERT INTO friend (account_id, friend_id, created_at) VALUES (1, 2, 5)", nil},
	{`INSERT INTO pin (id, code, strong, nonce, client_identifier, product, version, platform, platform_version,
		device, model, vendor, name, address, account_id, token_hash, created_at, expires_at, forward)
		VALUES (77, 'ABCD', TRUE, $1, 'c', 'p', 'v', 'p', 'v', 'd', 'm', 'v', 'n', 'a', 1, NULL, 1, 9, 'https://x/')`, []any{[]byte{1}}},
	{`INSERT INTO session (hash, account_id, complete, user_agent, address, created_at, last_used_at, expires_at, revision)
		VALUES ($1, 1, FALSE, $2, 'a', 1, 2, 3, 4)`, []any{[]byte{2}, "é 😀, and what PostgreSQL cannot store: \x00 \xc3"}},
	{`INSERT INTO passkey (account_id, credential_id, credential, name, created_at, last_used_at)
		VALUES (1, $1, $2, '😀', 1, 2)`, []any{[]byte{3}, []byte("{}")}},
	{"INSERT INTO origin (origin, created_at) VALUES ('https://a.example', 1), ('https://b.example', 2)", nil},
	{"INSERT INTO tally (quarter, what, count) VALUES (900000, 'x', 3), (900000, 'y', 4)", nil},
	{"INSERT INTO event_count (quarter, event, count) VALUES (900000, 'sign-in', 3)", nil},
	{"INSERT INTO code_try (account_id, device, wrong, locked_until) VALUES (1, '', 1, 2)", nil},
	{"INSERT INTO code_notice (account_id, wrong, first_at, last_at) VALUES (1, 1, 2, 3)", nil},
	{"INSERT INTO enrolment (session_id, seed, created_at) SELECT MIN(id), $1, 1 FROM session", []any{[]byte{4}}},
	{"INSERT INTO enrolment_link (account_id, hash, maker_id, expires_at) VALUES (1, $1, 1, 2)", []any{[]byte{5}}},
	{"INSERT INTO admin_key (hash, name, scopes, account_id, created_at) VALUES ($1, 'k', 'audit:read', 1, 2)", []any{[]byte{13}}},
	{`INSERT INTO join_link (id, hash, maker_id, key_id, name, email, admin, created_at, expires_at)
		SELECT 3, $1, 1, MIN(id), 'n', '', TRUE, 1, 9 FROM admin_key`, []any{[]byte{13}}},
	{"INSERT INTO join_link_server (link_id, source_id) SELECT 3, MIN(id) FROM source", nil},
	{`INSERT INTO reset_link (account_id, hash, maker_id, password, second_factor, key_id, sent, members_only, revision, expires_at)
		SELECT 1, $1, 1, TRUE, FALSE, MIN(id), TRUE, TRUE, 4, 9 FROM admin_key`, []any{[]byte{14}}},
	{"INSERT INTO mailed_reset_link (hash, account_id, revision, expires_at) VALUES ($1, 1, 4, 9)", []any{[]byte{16}}},
	{"INSERT INTO transient_key (id, key, expires_at) VALUES (4000000000, $1, 2)", []any{[]byte{6}}},
	{"INSERT INTO failure (key, until) VALUES ($1, 9)", []any{[]byte{7}}},
	{"INSERT INTO challenge (key, value, expires_at) VALUES ($1, $2, 9)", []any{[]byte{8}, []byte{}}},
	{"INSERT INTO server_revocation (parent_id, source_id, count) SELECT MIN(t.id), MIN(s.id), 1 FROM token t, source s", nil},
	{"INSERT INTO signing_key (id, public_key, sealed_key, signs_from) VALUES ('k', $1, $2, 1)", []any{[]byte{9}, []byte{10}}},
	{"INSERT INTO device_key (token_id, kid, jwk, thumbprint) SELECT MAX(id), 'kid', $1, $2 FROM token", []any{[]byte{11}, []byte{12}}},
	{"INSERT INTO used_nonce (nonce, expires_at) VALUES ('n', 9)", nil},
	{"INSERT INTO webhook (account_id, url, created_at) VALUES (1, 'https://hook.example/é', 1)", nil},
	{`INSERT INTO webhook_delivery (account_id, webhook_id, payload, tries, due_at)
		SELECT 1, MIN(id), $1, 2, 3 FROM webhook`, []any{[]byte("{}\x00")}},
	{"INSERT INTO outbox (task, sealed, tries, due_at, ends_at) VALUES ('t', $1, 2, 3, 9)", []any{[]byte{15, 0}}},
	{`INSERT INTO notice (account_id, kind, at, actor, by_link, device, address, tries, seen, email)
		VALUES (1, 'tries', 1, 'é', TRUE, 'd', '192.0.2.7', 10, FALSE, 'a@example.org')`, nil},
	{"INSERT INTO notice_setting (account_id, quiet, language, next_mail_at) VALUES (1, TRUE, 'de', 3)", nil},
	{"INSERT INTO webhook_secret (account_id, generation) VALUES (1, 2)", nil},
	{"INSERT INTO opt_out (account_id, source, choice) VALUES (1, 'tv.plex.provider.vod', 'opt_out')", nil},
	// A token that is older than its parent.
	{"UPDATE token SET parent_id = (SELECT MAX(id) FROM token) WHERE id = (SELECT MIN(id) FROM token)", nil},
}

// original is a database with rows in every table, and the values to check after a move.
type original struct {
	keyFile string
	token   plexauth.Secret
	next    int64 // the ID of the next account
}

// newOriginal fills the database of a place.
func newOriginal(t *testing.T, at core.Place) (o original) {
	t.Helper()
	o.keyFile = filepath.Join(t.TempDir(), "usher.key")
	c := openPlace(t, at, o.keyFile)
	mia, err := c.Accounts.Add(t.Context(), operator, account.NewAccount{Username: "mia", Password: coretest.Password, Admin: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		o.token, err = c.Tokens.Issue(t.Context(), operator, mia.ID, device.Device{ClientIdentifier: fmt.Sprint("device ", i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = c.Sources.Add(t.Context(), operator, source.Source{
		Kind: source.Server, Identifier: "den", Name: "Den", Connections: []source.Connection{{URI: "http://10.0.0.1", Local: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Homes.AddManaged(t.Context(), operator, mia.ID, "kid", ""); err != nil {
		t.Fatal(err)
	}
	gone, err := c.Accounts.Add(t.Context(), operator, account.NewAccount{Username: "gone", Password: coretest.Password})
	if err == nil {
		err = c.Accounts.Remove(t.Context(), operator, gone.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	o.next = gone.ID + 1
	for _, row := range rows {
		err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return tx.Exec(ctx, row.text, row.args...) })
		if err != nil {
			t.Fatalf("%s: %v", row.text, err)
		}
	}
	closeCore(t, c)
	return o
}

// openPlace opens the services on the database of a place, as a command does.
func openPlace(t *testing.T, at core.Place, keyFile string) *core.Core {
	t.Helper()
	c, err := core.Open(t.Context(), core.Config{Dir: at.Dir, Database: at.Database, KeyFile: keyFile, HashCost: coretest.Cheap})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func closeCore(t *testing.T, c *core.Core) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// move moves a database, which must succeed.
func move(t *testing.T, from, to core.Place, keyFile string) core.Moved {
	t.Helper()
	moved, err := core.Move(t.Context(), core.MoveConfig{From: from, To: to, KeyFile: keyFile, Holder: "usher migrate", By: operator})
	if err != nil {
		t.Fatal(err)
	}
	return moved
}

// markOf opens a database and returns the error of a database that was moved or is being
// moved.
func markOf(t *testing.T, at core.Place, keyFile string) *core.MoveError {
	t.Helper()
	c, err := core.Open(t.Context(), core.Config{Dir: at.Dir, Database: at.Database, KeyFile: keyFile, MustExist: true})
	if err == nil {
		closeCore(t, c)
	}
	mark := (*core.MoveError)(nil)
	if err != nil && !errors.As(err, &mark) {
		t.Fatal(err)
	}
	return mark
}

// works checks that a database is complete: its tokens and its audit log are valid, no ID
// of an account is assigned twice, and each process hears of the changes of others.
func (o original) works(t *testing.T, at core.Place, keyFile string, adds string) {
	t.Helper()
	c, other := openPlace(t, at, keyFile), openPlace(t, at, keyFile)
	if _, err := other.Tokens.Verify(t.Context(), o.token); err != nil {
		t.Error(err)
	}
	added, err := c.Accounts.Add(t.Context(), operator, account.NewAccount{Username: adds, Password: coretest.Password})
	if err != nil || added.ID < o.next {
		t.Errorf("the next account has ID %d, %v; want at least %d, because a removed account had the one before", added.ID, err, o.next)
	}
	if _, err := c.Tokens.Issue(t.Context(), operator, added.ID, device.Device{ClientIdentifier: "new"}); err != nil {
		t.Error(err)
	}
	if rows, err := c.Audit.Verify(t.Context()); err != nil || rows == 0 {
		t.Errorf("the audit log: %d rows, %v", rows, err)
	}
	if err := c.Accounts.Disable(t.Context(), operator, added.ID); err != nil {
		t.Error(err)
	}
	heard := make(chan bool, 1)
	other.DB.Watch(func(changes []db.Change, all bool) {
		select {
		case heard <- true:
		default:
		}
	})
	if err := c.Accounts.Enable(t.Context(), operator, added.ID); err != nil {
		t.Error(err)
	}
	select {
	case <-heard:
	case <-time.After(20 * time.Second):
		t.Error("the other process does not hear of a change")
	}
	closeCore(t, c)
	closeCore(t, other)
}

// recorded checks the last row of the audit log.
func recorded(t *testing.T, at core.Place, keyFile string, kind audit.Kind, detail string) {
	t.Helper()
	c := openPlace(t, at, keyFile)
	list, err := c.Audit.List(t.Context(), audit.Query{Limit: 1})
	if err != nil || len(list) != 1 || list[0].Event != kind || list[0].Detail != detail || list[0].Actor != operator.Name {
		t.Errorf("the last row of the audit log is %+v, %v; want %s %q", list, err, kind, detail)
	}
	closeCore(t, c)
}

// behindRows fails if PostgreSQL would assign a number that a row already has.
const behindRows = `DO $$
DECLARE
	number record;
	highest bigint;
	last bigint;
BEGIN
	FOR number IN SELECT table_name, column_name, pg_get_serial_sequence(quote_ident(table_name), column_name) AS sequence
		FROM information_schema.columns WHERE is_identity = 'YES' AND table_schema = 'public'
	LOOP
		EXECUTE format('SELECT COALESCE(MAX(%I), 0) FROM %I', number.column_name, number.table_name) INTO highest;
		EXECUTE 'SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM ' || number.sequence INTO last;
		IF last < highest THEN
			RAISE EXCEPTION 'the numbers of % are at %, and a row has %', number.table_name, last, highest;
		END IF;
	END LOOP;
END $$`

// Every table moves from SQLite to PostgreSQL and back.
func TestMoveThereAndBack(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	first := core.Place{Dir: filepath.Join(t.TempDir(), "first")}
	second := core.Place{Database: plexauth.Secret(pgtest.Database(t))}
	third := core.Place{Dir: filepath.Join(t.TempDir(), "third")}
	o := newOriginal(t, first)
	var steps []core.Progress
	there, err := core.Move(t.Context(), core.MoveConfig{
		From: first, To: second, KeyFile: o.keyFile, Holder: "usher migrate", By: operator,
		Progress: func(p core.Progress) { steps = append(steps, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if last := steps[len(steps)-1]; last.Rows != last.Total || !last.Comparing {
		t.Errorf("the last step is %+v, want all rows compared", last)
	}
	for _, p := range steps {
		if p.Rows > p.Total {
			t.Errorf("%d of %d rows of %s", p.Rows, p.Total, p.Table)
		}
	}
	if there.AuditRows == 0 || there.BrokenAudit != nil || there.Resumed || there.KeyFile != o.keyFile {
		t.Errorf("moved: %+v", there)
	}
	for _, c := range there.Contents {
		if c.Rows == 0 {
			t.Errorf("the table %s is empty, so the test says nothing about it: add a row to the list above", c.Table)
		}
	}
	if len(there.Contents) < 26 {
		t.Errorf("only %d tables moved", len(there.Contents))
	}
	if mark := markOf(t, first, o.keyFile); mark == nil || mark.Part != core.MovesAway || !mark.Done {
		t.Errorf("opening what was moved away: %+v, want a MoveError", mark)
	}
	if _, err := core.Move(t.Context(), core.MoveConfig{From: first, To: third, KeyFile: o.keyFile, By: operator}); !errors.As(err, new(*core.MoveError)) {
		t.Errorf("moving it to yet another place: %v, want a MoveError", err)
	}
	pgtest.Exec(t, string(second.Database), behindRows)
	recorded(t, second, o.keyFile, audit.DatabaseMoved, "from "+first.Dir)
	o.works(t, second, o.keyFile, "noa")

	back := move(t, second, third, o.keyFile)
	if back.KeyFile != filepath.Join(third.Dir, "usher.key") {
		t.Errorf("the key file is %s", back.KeyFile)
	}
	if mark := markOf(t, second, o.keyFile); mark == nil || !mark.Done {
		t.Errorf("opening what was moved back: %+v, want a MoveError", mark)
	}
	o.works(t, third, back.KeyFile, "olga")

	// Tables that did not change in between are the same after the move back.
	same := map[string]string{}
	for _, c := range there.Contents {
		same[c.Table] = c.Hash
	}
	for _, c := range back.Contents {
		switch c.Table {
		case "account", "account_skeleton", "audit", "device", "notice", "setting", "token":
		default:
			if diff := cmp.Diff(same[c.Table], c.Hash); diff != "" {
				t.Errorf("the table %s has changed", c.Table)
			}
		}
	}

	// The database is moved back without the changes: the first database is unchanged.
	if err := core.Reopen(t.Context(), core.MoveConfig{From: first, By: operator}); err != nil {
		t.Fatal(err)
	}
	recorded(t, first, o.keyFile, audit.DatabaseReopened, "")
	o.works(t, first, o.keyFile, "pia")
	if err := core.Reopen(t.Context(), core.MoveConfig{From: first, By: operator}); !errors.Is(err, core.ErrNotMoved) {
		t.Errorf("reopening what was not moved: %v", err)
	}
}

// killedEnv makes the test binary a process that moves a database and kills itself after
// this many steps.
const killedEnv = "USHER_TEST_MOVE"

func init() {
	text := os.Getenv(killedEnv)
	if text == "" {
		return
	}
	args := strings.Split(text, "\n")
	steps, _ := strconv.Atoi(args[0])
	_, err := core.Move(context.Background(), core.MoveConfig{
		From: core.Place{Dir: args[1]}, To: core.Place{Database: plexauth.Secret(args[2])}, KeyFile: args[3],
		Holder: "usher migrate", By: operator,
		Progress: func(core.Progress) {
			if steps--; steps == 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		},
	})
	fmt.Fprintln(os.Stderr, "the move ended before it was killed:", err)
	os.Exit(1)
}

// A move that is killed at any step continues when it is run again. Until then, neither
// side can be opened.
func TestMoveIsKilled(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, to := core.Place{Dir: filepath.Join(t.TempDir(), "from")}, core.Place{Database: plexauth.Secret(pgtest.Database(t))}
	o := newOriginal(t, from)
	for _, steps := range []int{1, 20, 70} {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), killedEnv+"="+strings.Join([]string{strconv.Itoa(steps), from.Dir, string(to.Database), o.keyFile}, "\n"))
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("after %d steps: %v, want it killed\n%s", steps, err, out)
		}
		if mark := markOf(t, from, o.keyFile); mark == nil || mark.Part != core.MovesAway || mark.Done {
			t.Errorf("after %d steps, opening the original: %+v, want a MoveError", steps, mark)
		}
		if mark := markOf(t, to, o.keyFile); mark == nil || mark.Part != core.IsFilled {
			t.Errorf("after %d steps, opening the incomplete copy: %+v, want a MoveError", steps, mark)
		}
	}
	if moved := move(t, from, to, o.keyFile); !moved.Resumed {
		t.Error("the move did not continue where it was killed")
	}
	o.works(t, to, o.keyFile, "noa")
}

// Anything that prevents a move is found before anything is written.
func TestMoveIsRefused(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	from := core.Place{Dir: filepath.Join(t.TempDir(), "from")}
	o := newOriginal(t, from)
	empty := func() core.Place { return core.Place{Database: plexauth.Secret(pgtest.Database(t))} }
	try := func(from, to core.Place, keyFile string) error {
		_, err := core.Move(t.Context(), core.MoveConfig{From: from, To: to, KeyFile: keyFile, Holder: "usher migrate", By: operator})
		return err
	}
	full := empty()
	other := newOriginal(t, full)
	if err := try(from, full, o.keyFile); !errors.Is(err, core.ErrNotEmpty) {
		t.Errorf("to a database with rows: %v, want ErrNotEmpty", err)
	}
	for _, key := range []string{other.keyFile, filepath.Join(t.TempDir(), "none")} {
		if err := try(from, empty(), key); !errors.As(err, new(*core.KeyError)) {
			t.Errorf("with another key: %v, want a KeyError", err)
		}
	}
	if err := try(core.Place{Dir: t.TempDir()}, empty(), o.keyFile); !errors.Is(err, core.ErrNoDatabase) {
		t.Errorf("from an empty folder: %v, want ErrNoDatabase", err)
	}

	// A server, or a waiting command, uses the original.
	server, err := core.Open(t.Context(), core.Config{Dir: from.Dir, KeyFile: o.keyFile, Holder: "usher serve"})
	if err != nil {
		t.Fatal(err)
	}
	if err := try(from, empty(), o.keyFile); !errors.As(err, new(*core.HeldError)) {
		t.Errorf("while a server runs: %v, want a HeldError", err)
	}
	closeCore(t, server)
	command := openPlace(t, from, o.keyFile)
	if err := try(from, empty(), o.keyFile); !errors.Is(err, core.ErrInUse) {
		t.Errorf("while a command runs: %v, want ErrInUse", err)
	}
	closeCore(t, command)
	node := openPlace(t, full, other.keyFile)
	if err := try(full, core.Place{Dir: t.TempDir()}, other.keyFile); !errors.Is(err, core.ErrConnected) {
		t.Errorf("while a node runs: %v, want ErrConnected", err)
	}
	// A node that is cut off still has a lease.
	lease := func(until time.Time) {
		t.Helper()
		err := node.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return tx.Exec(ctx, "UPDATE transient_key SET expires_at = $1", until.UnixMilli())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	lease(time.Now().Add(time.Hour))
	closeCore(t, node)
	if err := try(full, core.Place{Dir: t.TempDir()}, other.keyFile); !errors.Is(err, core.ErrConnected) {
		t.Errorf("while a node that is cut off may run: %v, want ErrConnected", err)
	}
	for what, at := range map[string]core.Place{"folder": from, "PostgreSQL": full} {
		if mark := markOf(t, at, map[string]string{"folder": o.keyFile, "PostgreSQL": other.keyFile}[what]); mark != nil {
			t.Errorf("a rejected move marked the %s: %v", what, mark)
		}
	}
}
