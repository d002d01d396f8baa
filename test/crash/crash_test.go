package crash_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	usher "github.com/usher-auth/usher/test/http/binary"
)

var (
	rounds = flag.Int("crash.rounds", 1, "how many times the server is killed")
	seed   = flag.Uint64("crash.seed", 0, "seed of the first round (0: a new one); the next rounds' follow it")
)

// The number of operations in a round, and the range of those after which the server is
// killed. The actual number differs from round to round.
const (
	operations = 1000
	leastDone  = 50
	mostDone   = 250
)

// The number of workers. There are more concurrent sign-ins than fit into the
// hashing queue on a small machine, so that some are rejected and retried.
const (
	signers  = 40
	changers = 3
)

// serverID is the server that is shared and unshared.
const serverID = "den-1"

// TestNothingAcknowledgedIsLost kills the server with SIGKILL during sign-ins and changes
// of accounts. Some changes are made by the server, and some by the command line, which is
// killed, too. Then it restarts the server, and compares its state with what was
// acknowledged.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	dir := t.TempDir()
	binary, err := usher.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1 << 32)
	}
	cast := makeCast(t, binary, filepath.Join(dir, "cast"))
	for i := range *rounds {
		roundSeed := *seed + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", roundSeed), func(t *testing.T) {
			r := newRound(t, binary, cast, roundSeed)
			r.work()
			r.check()
			t.Logf("killed after %d sign-ins and %v were acknowledged", r.ledger.signIns, r.ledger.changes)
		})
	}
}

// cast is a data folder with all accounts, and the backup codes of the account with
// a second factor.
type cast struct {
	data  string
	codes []string
}

// The accounts. Those that only sign in have the same password. Each of the others has a
// worker that changes it.
var signerNames = []string{"ada", "bob", "cyd", "dan"}

const (
	signerPassword = "nobody changes this one"
	codesName      = "tom"
)

func changerName(i int) string     { return fmt.Sprintf("changer-%d", i) }
func changerPassword(i int) string { return fmt.Sprintf("first password of %d", i) }

func makeCast(t *testing.T, binary, data string) cast {
	t.Helper()
	run := func(stdin string, args ...string) []byte {
		t.Helper()
		out, err := commandLine(t.Context(), binary, data, stdin, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, name := range append([]string{codesName}, signerNames...) {
		run(signerPassword, "account", "add", name, "--password-stdin")
	}
	for i := range changers {
		run(changerPassword(i), "account", "add", changerName(i), "--password-stdin")
	}
	run("", "server", "add", "Den", "--id", serverID, "--connection", "http://192.168.1.5:32400")
	var factor struct{ BackupCodes []string }
	if err := json.Unmarshal(run("", "account", "totp", codesName, "--json", "--yes"), &factor); err != nil || len(factor.BackupCodes) == 0 {
		t.Fatalf("got no backup codes: %v", err)
	}
	return cast{data, factor.BackupCodes}
}

// commandLine runs the command line until it exits or is killed with ctx.
func commandLine(ctx context.Context, binary, data, stdin string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, binary, append(args, "--data", data)...)
	cmd.Env = usher.Env()
	cmd.Stdin = strings.NewReader(stdin + "\n")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("usher %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// round is a server until it is killed, and its restart.
type round struct {
	t      *testing.T
	binary string
	data   string
	seed   uint64
	rng    *rand.Rand
	server *usher.Server
	client *http.Client
	ledger *ledger
	cast   cast

	started atomic.Int64 // operations that were started
	killed  atomic.Bool
}

func newRound(t *testing.T, binary string, cast cast, seed uint64) *round {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	r := &round{
		t: t, binary: binary, data: filepath.Join(t.TempDir(), "data"), seed: seed, rng: rng, cast: cast,
		client: &http.Client{
			Timeout:   30 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: signers + changers},
		},
		ledger: newLedger(leastDone + rng.IntN(mostDone-leastDone)),
	}
	if err := os.CopyFS(r.data, os.DirFS(cast.data)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(r.data, "usher.key"), 0o600); err != nil { // CopyFS opens it to others
		t.Fatal(err)
	}
	for i := range changers {
		r.ledger.people = append(r.ledger.people, &person{name: changerName(i), password: fact[string]{is: changerPassword(i)}})
	}
	r.start()
	return r
}

// start starts a server on the round's data folder.
func (r *round) start() {
	r.t.Helper()
	cmd := exec.Command(r.binary, "serve", "--listen", "127.0.0.1:0", "--data", r.data, "--failed-tries", "0")
	cmd.Env = usher.Env()
	server, err := usher.Start(cmd)
	if err != nil {
		r.t.Fatal(err)
	}
	r.server = server
	r.t.Cleanup(func() { _ = server.Kill() })
}

// work runs all workers and kills the server while they run.
func (r *round) work() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for i := range signers {
		rng := rand.New(rand.NewPCG(r.seed, uint64(1+i)))
		wg.Go(func() { r.signInAndOut(ctx, rng) })
	}
	for i, p := range r.ledger.people {
		rng := rand.New(rand.NewPCG(r.seed, uint64(1001+i)))
		wg.Go(func() { r.changeAccount(ctx, rng, p) })
	}
	wg.Go(func() { r.useCodes(ctx) })

	select {
	case <-r.ledger.reached:
	case <-time.After(time.Minute):
		r.t.Errorf("%d of %d are acknowledged after a minute", r.ledger.total(), r.ledger.enough)
	}
	time.Sleep(time.Duration(r.rng.IntN(50_000)) * time.Microsecond)
	r.killed.Store(true)
	if err := r.server.Kill(); err != nil {
		r.t.Error(err)
	}
	cancel()
	wg.Wait()
	if begun := r.started.Load(); begun >= operations {
		r.t.Errorf("all %d operations were begun before the server was killed", begun)
	}
	if r.ledger.signIns == 0 || len(r.ledger.changes) == 0 {
		r.t.Errorf("got %d sign-ins and %v; a round without one says nothing", r.ledger.signIns, r.ledger.changes)
	}
}

// next counts one more operation. It returns false when the round is over.
func (r *round) next() (int64, bool) {
	n := r.started.Add(1)
	return n, n <= operations && !r.killed.Load()
}

// failed reports an error, unless it is a consequence of the kill.
func (r *round) failed(err error) {
	if !r.killed.Load() {
		r.t.Errorf("before the kill: %v", err)
	}
}

// signInAndOut signs accounts in, and some of them out again.
func (r *round) signInAndOut(ctx context.Context, rng *rand.Rand) {
	for n, ok := r.next(); ok; n, ok = r.next() {
		name := signerNames[rng.IntN(len(signerNames))]
		tok, err := r.signIn(ctx, name, signerPassword, "", n)
		if err != nil {
			r.failed(err)
			continue
		}
		switch rng.IntN(5) {
		case 0:
			err = r.signOut(ctx, tok)
		case 1:
			err = r.listServers(ctx, tok)
		}
		if err != nil {
			r.failed(err)
		}
	}
}

// signIn signs in from a new device, and retries while the server is busy.
func (r *round) signIn(ctx context.Context, name, password, code string, device int64) (*token, error) {
	for {
		status, header, body, err := r.postSignIn(ctx, name, password, code, fmt.Sprintf("device-%d", device))
		switch {
		case err != nil:
			return nil, err
		case status == http.StatusServiceUnavailable:
			seconds, err := strconv.Atoi(header.Get("Retry-After"))
			if err != nil {
				return nil, fmt.Errorf("a busy server does not say when to retry: %w", err)
			}
			select {
			case <-time.After(time.Duration(seconds) * time.Second):
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		case status != http.StatusCreated:
			return nil, fmt.Errorf("signing in as %s: status %d and %s", name, status, body)
		}
		var account struct{ AuthToken string }
		if err := json.Unmarshal(body, &account); err != nil || account.AuthToken == "" {
			return nil, fmt.Errorf("signing in as %s returned no token: %w", name, err)
		}
		return r.ledger.signedIn(name, account.AuthToken), nil
	}
}

func (r *round) postSignIn(ctx context.Context, name, password, code, device string) (int, http.Header, []byte, error) {
	form := url.Values{"login": {name}, "password": {password}}
	if code != "" {
		form.Set("verificationCode", code)
	}
	return r.request(ctx, http.MethodPost, "/api/v2/users/signin", http.Header{
		"X-Plex-Client-Identifier": {device}, "Content-Type": {"application/x-www-form-urlencoded"},
	}, form.Encode())
}

// request sends a request. If the error is nil, the whole response was received.
func (r *round) request(ctx context.Context, method, path string, header http.Header, body string) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header = header
	req.Header.Set("Accept", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, text, err
}

// withToken sends a request with a token.
func (r *round) withToken(ctx context.Context, method, path, text string) (int, []byte, error) {
	status, _, body, err := r.request(ctx, method, path, http.Header{"X-Plex-Token": {text}}, "")
	return status, body, err
}

func (r *round) signOut(ctx context.Context, tok *token) error {
	tok.valid.ask(false)
	status, body, err := r.withToken(ctx, http.MethodDelete, "/api/v2/users/signout", tok.text)
	if err != nil {
		return err
	}
	if status != http.StatusNoContent {
		return fmt.Errorf("signing out: status %d and %s", status, body)
	}
	tok.valid.acknowledged()
	r.ledger.changed("sign-outs")
	return nil
}

// listServers creates the tokens for a device's servers. The response acknowledges them.
func (r *round) listServers(ctx context.Context, tok *token) error {
	status, body, err := r.withToken(ctx, http.MethodGet, "/api/v2/resources", tok.text)
	if err != nil {
		return err
	}
	var list []struct{ AccessToken string }
	if err := json.Unmarshal(body, &list); err != nil || status != http.StatusOK || len(list) != 1 {
		return fmt.Errorf("listing servers: status %d and %s", status, body)
	}
	r.ledger.mu.Lock()
	r.ledger.tokens = append(r.ledger.tokens, &token{text: list[0].AccessToken, username: tok.username, valid: fact[bool]{is: true}})
	r.ledger.mu.Unlock()
	r.ledger.changed("server tokens")
	return nil
}

// useCodes signs in with each backup code in turn.
func (r *round) useCodes(ctx context.Context) {
	for _, code := range r.cast.codes {
		n, ok := r.next()
		if !ok {
			return
		}
		used := &fact[bool]{}
		r.ledger.codes[code] = used
		used.ask(true)
		if _, err := r.signIn(ctx, codesName, signerPassword, code, n); err != nil {
			r.failed(err)
			return
		}
		used.acknowledged()
		r.ledger.changed("backup codes")
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// changeAccount changes an account on the command line repeatedly.
func (r *round) changeAccount(ctx context.Context, rng *rand.Rand, p *person) {
	changes := []func(context.Context, *person, int64) error{r.setPassword, r.disable, r.share, r.revoke}
	for n, ok := r.next(); ok; n, ok = r.next() {
		if err := changes[rng.IntN(len(changes))](ctx, p, n); err != nil {
			r.failed(err)
			return
		}
	}
}

func (r *round) setPassword(ctx context.Context, p *person, n int64) error {
	old, fresh := p.password.is, fmt.Sprintf("password number %d", n)
	p.password.ask(fresh)
	if _, err := commandLine(ctx, r.binary, r.data, fresh, "account", "set-password", p.name, "--password-stdin"); err != nil {
		return err
	}
	p.password.acknowledged()
	p.past = append(p.past, old)
	r.ledger.changed("passwords")
	return nil
}

// disable disables an account, or enables a disabled one.
func (r *round) disable(ctx context.Context, p *person, _ int64) error {
	verb := "disable"
	if p.disabled.is {
		verb = "enable"
	}
	p.disabled.ask(!p.disabled.is)
	if _, err := commandLine(ctx, r.binary, r.data, "", "account", verb, p.name); err != nil {
		return err
	}
	p.disabled.acknowledged()
	r.ledger.changed(verb + "d")
	return nil
}

// share shares the server with an account, or removes the share.
func (r *round) share(ctx context.Context, p *person, _ int64) error {
	verb := "add"
	if p.shared.is {
		verb = "remove"
	}
	p.shared.ask(!p.shared.is)
	if _, err := commandLine(ctx, r.binary, r.data, "", "share", verb, serverID, p.name); err != nil {
		return err
	}
	p.shared.acknowledged()
	r.ledger.changed("shares " + verb)
	return nil
}

// revoke signs in, and revokes the token on the command line.
func (r *round) revoke(ctx context.Context, p *person, n int64) error {
	if p.disabled.is {
		return nil
	}
	tok, err := r.signIn(ctx, p.name, p.password.is, "", n)
	if err != nil {
		return err
	}
	id, err := r.tokenID(ctx, p.name, fmt.Sprintf("device-%d", n))
	if err != nil {
		return err
	}
	tok.valid.ask(false)
	if _, err := commandLine(ctx, r.binary, r.data, "", "token", "revoke", fmt.Sprint(id)); err != nil {
		return err
	}
	tok.valid.acknowledged()
	r.ledger.changed("revocations")
	return nil
}

// tokenID returns the ID of the token of a device.
func (r *round) tokenID(ctx context.Context, name, device string) (int64, error) {
	out, err := commandLine(ctx, r.binary, r.data, "", "token", "list", "--account", name, "--json")
	if err != nil {
		return 0, err
	}
	var list []struct {
		ID               int64
		ClientIdentifier string
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return 0, err
	}
	for _, row := range list {
		if row.ClientIdentifier == device {
			return row.ID, nil
		}
	}
	return 0, fmt.Errorf("the token of %s is not listed", device)
}

// check restarts the server and compares its state with the ledger.
func (r *round) check() {
	r.t.Helper()
	r.checkDatabase()
	r.checkAudit()
	r.start()
	r.checkAccounts()
	r.checkTokens()
	r.checkPasswords()
	r.checkCodes()
	if err := r.server.Stop(); err != nil {
		r.t.Error(err)
	}
	r.checkAudit()
}

// checkAudit verifies the chain of the audit log, and that every acknowledged sign-in is in
// the log.
func (r *round) checkAudit() {
	r.t.Helper()
	if _, err := commandLine(r.t.Context(), r.binary, r.data, "", "audit", "verify"); err != nil {
		r.t.Error(err)
	}
	out, err := commandLine(r.t.Context(), r.binary, r.data, "", "audit", "list", "--event", "sign-in", "--json")
	if err != nil {
		r.t.Fatal(err)
	}
	if told := strings.Count(string(out), "\n"); told < r.ledger.signIns {
		r.t.Errorf("the audit log has %d sign-ins, and %d were acknowledged", told, r.ledger.signIns)
	}
}

// checkDatabase runs SQLite's integrity check before anything repairs the database.
func (r *round) checkDatabase() {
	r.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(r.data, "usher.db"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	var result string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		r.t.Errorf("the database is damaged: %s (%v)", result, err)
	}
	if err := db.QueryRow("PRAGMA foreign_key_check").Scan(new(any), new(any), new(any), new(any)); !errors.Is(err, sql.ErrNoRows) {
		r.t.Errorf("a row refers to a row that does not exist (%v)", err)
	}
}

// list decodes a listing of the command line.
func list[T any](r *round, args ...string) []T {
	r.t.Helper()
	out, err := commandLine(r.t.Context(), r.binary, r.data, "", append(args, "--json")...)
	if err != nil {
		r.t.Fatal(err)
	}
	var rows []T
	if err := json.Unmarshal(out, &rows); err != nil {
		r.t.Fatal(err)
	}
	return rows
}

type accountRow struct {
	Username    string
	Disabled    bool
	BackupCodes int
}

type shareRow struct{ Server, Account string }

// checkAccounts checks the changes by the command line, and enables all accounts, so that
// their tokens can be checked.
func (r *round) checkAccounts() {
	r.t.Helper()
	accounts := list[accountRow](r, "account", "list")
	shares := list[shareRow](r, "share", "list")
	for _, p := range r.ledger.people {
		i := slices.IndexFunc(accounts, func(a accountRow) bool { return a.Username == p.name })
		if i < 0 {
			r.t.Fatalf("the account %s no longer exists", p.name)
		}
		if !p.disabled.allows(accounts[i].Disabled) {
			r.t.Errorf("%s is disabled: %v; want %v, as acknowledged", p.name, accounts[i].Disabled, p.disabled.is)
		}
		if shared := slices.Contains(shares, shareRow{serverID, p.name}); !p.shared.allows(shared) {
			r.t.Errorf("%s has a share: %v; want %v, as acknowledged", p.name, shared, p.shared.is)
		}
		if accounts[i].Disabled {
			if _, err := commandLine(r.t.Context(), r.binary, r.data, "", "account", "enable", p.name); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	time.Sleep(time.Second) // by then, the server sees changes by the command line
}

// checkTokens checks that every token is valid or revoked as acknowledged.
func (r *round) checkTokens() {
	r.t.Helper()
	for _, tok := range r.ledger.tokens {
		status, body, err := r.withToken(r.t.Context(), http.MethodGet, "/api/v2/user", tok.text)
		if err != nil {
			r.t.Fatal(err)
		}
		var account struct{ Username string }
		_ = json.Unmarshal(body, &account)
		switch {
		case status != http.StatusOK && status != http.StatusUnauthorized:
			r.t.Errorf("a check of a token of %s returns status %d and %s", tok.username, status, body)
		case !tok.valid.allows(status == http.StatusOK):
			r.t.Errorf("a token of %s is valid: %v; want %v, as acknowledged", tok.username, status == http.StatusOK, tok.valid.is)
		case status == http.StatusOK && account.Username != tok.username:
			r.t.Errorf("a token of %s now belongs to %s", tok.username, account.Username)
		}
	}
}

// signsIn reports whether an account can sign in.
func (r *round) signsIn(name, password, code string) bool {
	r.t.Helper()
	status, _, body, err := r.postSignIn(r.t.Context(), name, password, code, "after")
	if err != nil || status != http.StatusCreated && status != http.StatusUnauthorized {
		r.t.Fatalf("signing in as %s: status %d and %s (%v)", name, status, body, err)
	}
	return status == http.StatusCreated
}

// checkPasswords checks that each account has the last acknowledged password, or the one
// requested after it, and that no earlier password works.
func (r *round) checkPasswords() {
	r.t.Helper()
	for _, p := range r.ledger.people {
		works := r.signsIn(p.name, p.password.is, "")
		if p.password.open {
			other := r.signsIn(p.name, p.password.asked, "")
			if works == other {
				r.t.Errorf("the passwords of %s from before and after an unacknowledged change work: %v, %v", p.name, works, other)
			}
		} else if !works {
			r.t.Errorf("the acknowledged password of %s does not work", p.name)
		}
		if n := len(p.past); n > 0 && r.signsIn(p.name, p.past[n-1], "") {
			r.t.Errorf("an earlier password of %s works again", p.name)
		}
	}
	for _, name := range signerNames {
		if !r.signsIn(name, signerPassword, "") {
			r.t.Errorf("the password of %s, which nobody changed, does not work", name)
		}
	}
}

// checkCodes checks that every unused backup code works, and no used one.
func (r *round) checkCodes() {
	r.t.Helper()
	used, open := 0, 0
	for code, f := range r.ledger.codes {
		if f.open {
			open++
			continue
		}
		used++
		if r.signsIn(codesName, signerPassword, code) {
			r.t.Errorf("a used backup code works again")
		}
	}
	for _, a := range list[accountRow](r, "account", "list") {
		left := len(r.cast.codes) - used
		if a.Username == codesName && a.BackupCodes != left && a.BackupCodes != left-open {
			r.t.Errorf("got %d backup codes, want %d, or %d fewer", a.BackupCodes, left, open)
		}
	}
}
