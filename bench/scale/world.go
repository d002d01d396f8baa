package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/paging"
	usher "github.com/usher-auth/usher/test/http/binary"
)

// The rows of the table.
const (
	rowStart        = "start"
	rowListAccounts = "`usher account list --limit 20`"
	rowListTokens   = "`usher token list --limit 20`"
	rowCheck        = "token check, not cached"
	rowCached       = "token check, cached"
	rowSignIn       = "sign-in, with the hash"
	rowResident     = "resident, MB"
)

// pageRow is a row of the table about a page.
type pageRow struct {
	page string // its name in the table
	path func(w *world) string
	// busy says that the account with many devices opens it, instead of the admin.
	busy bool
	// inside says that there are rows before those on the page.
	inside bool
}

func (p pageRow) row() string { return "page: " + p.page }

// pageRows are all pages with a growing list, with each search and order. A search finds
// either most of the table, and shows a page in the middle, or nothing.
var pageRows = []pageRow{
	{page: "`/`", path: always("/")},
	{page: "`/admin`", path: always("/admin")},
	{page: "`/admin/accounts`", path: always("/admin/accounts")},
	{page: "`/admin/accounts`, the newest first", path: always("/admin/accounts?sort=new")},
	{page: "`/admin/accounts`, in the middle", path: func(w *world) string { return after("/admin/accounts?search=user", 0, user(w.n/2)) }, inside: true},
	{page: "`/admin/accounts`, a search", path: func(w *world) string { return "/admin/accounts?search=" + user(w.n/2) }},
	{page: "`/admin/accounts`, a search for an e-mail address", path: func(w *world) string {
		return fmt.Sprintf("/admin/accounts?search=u%07d@", w.n/2)
	}},
	{page: "`/admin/accounts/{id}`", path: func(w *world) string { return fmt.Sprint("/admin/accounts/", w.n/2) }},
	{page: "`/admin/accounts/{id}/devices`, a search", path: func(*world) string {
		return fmt.Sprintf("/admin/accounts/%d/devices?search=web", busyID)
	}},
	{page: "`/admin/tokens`", path: always("/admin/tokens")},
	{page: "`/admin/tokens`, in the middle", path: func(w *world) string { return after("/admin/tokens", int64(3*w.n/2)) }, inside: true},
	{page: "`/admin/tokens`, a device in the middle", path: func(w *world) string {
		return after("/admin/tokens?search=den", 0, fmt.Sprintf("den %07d", w.n/2), int64(1000+w.n/2), int64(1))
	}, inside: true},
	{page: "`/admin/tokens`, a program in the middle", path: func(w *world) string {
		return after("/admin/tokens?search=telly", 1, "telly", int64(1000+w.n/2), int64(1))
	}, inside: true},
	{page: "`/admin/tokens`, an account in the middle", path: func(w *world) string {
		return after("/admin/tokens?search=user", 2, user(w.n/2), int64(1+w.n/2), int64(1))
	}, inside: true},
	{page: "`/admin/tokens`, a search for nothing", path: always("/admin/tokens?search=zzz")},
	{page: "`/admin/servers`", path: always("/admin/servers")},
	{page: "`/admin/servers`, in the middle", path: func(w *world) string {
		return after("/admin/servers", fmt.Sprint("Server ", 1+w.n/200), int64(0))
	}, inside: true},
	{page: "`/admin/servers`, a search", path: func(w *world) string { return fmt.Sprint("/admin/servers?search=server-", 1+w.n/200) }},
	{page: "`/admin/servers`, a search for nothing", path: always("/admin/servers?search=zzz")},
	{page: "`/admin/servers/{id}`, a search", path: func(w *world) string {
		return fmt.Sprintf("/admin/servers/%d?search=%s", 1001+w.n/200, user(w.n/2))
	}},
	{page: "`/admin/servers/{id}`, shared with everybody, a search", path: func(w *world) string { return "/admin/servers/1001?search=" + user(w.n/2) }},
	{page: "`/admin/servers/{id}`, a search for many names of which few share", path: always("/admin/servers/1002?search=user")},
	{page: "`/admin/shares`", path: always("/admin/shares")},
	{page: "`/admin/shares`, an account", path: func(w *world) string { return "/admin/shares?name=" + user(w.n/2) }},
	{page: "`/admin/shares`, in the middle", path: func(w *world) string {
		return after("/admin/shares", int64(1001+w.n/200), int64(1+w.n/2))
	}, inside: true},
	{page: "`/admin/audit`", path: always("/admin/audit")},
	{page: "`/admin/audit`, an account", path: func(w *world) string { return "/admin/audit?account=" + user(w.n/2) }},
	{page: "`/admin/audit`, an event in the middle", path: func(w *world) string { return fmt.Sprintf("/admin/audit?event=sign-in&before=%d", w.n/2) }},
	{page: "`/admin/audit`, an event that is nowhere", path: always("/admin/audit?event=sign-out")},
	{page: "`/admin/audit`, a name that nobody has", path: always("/admin/audit?account=nobody")},
	{page: "`/admin/audit`, a text", path: always("/admin/audit?text=telly")},
	{page: "`/admin/audit`, a text that is nowhere", path: always("/admin/audit?text=zzz")},
	{page: "`/account`", path: always("/account")},
	{page: "`/account/devices`, 400 by program", path: always("/account/devices"), busy: true},
	{page: "`/account/devices`, 400 by name", path: always("/account/devices?sort=name"), busy: true},
	{page: "`/account/devices`, 400 by last use", path: always("/account/devices?sort=seen"), busy: true},
	{page: "`/account/devices`, 400, a search", path: always("/account/devices?search=web"), busy: true},
}

// user is the name of an account.
func user(i int) string { return fmt.Sprintf("user%07d", i) }

// after adds a cursor to the address of a page.
func after(path string, place ...any) string {
	sign := "?"
	if strings.Contains(path, "?") {
		sign = "&"
	}
	return path + sign + "after=" + string(paging.NewCursor(place...))
}

// How many tokens are checked, and how often users sign in.
const (
	checks  = 400
	signIns = 40
)

// world is a database with accounts, and its server.
type world struct {
	binary string
	engine engine
	flags  []string // the flags that name the database
	open   func() (*sql.DB, error)
	n      int

	db     *sql.DB       // while nodes are measured
	server *usher.Server // while it is measured
}

func newWorld(ctx context.Context, binary, dir string, e engine, n int) (*world, error) {
	data := filepath.Join(dir, fmt.Sprint(e.name, "-", n))
	flags, open, err := e.place(ctx, data, n)
	if err != nil {
		return nil, err
	}
	w := &world{binary: binary, engine: e, flags: flags, open: open, n: n}
	filled := filepath.Join(data, "filled")
	if _, err := os.Stat(filled); err == nil && e.kept { // by an earlier run
		d, err := open()
		if err != nil {
			return nil, err
		}
		d.SetMaxOpenConns(1)
		return w, errors.Join(fillSamples(ctx, d, n, time.Now().UnixMilli()), d.Close())
	}
	server, err := w.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := server.Stop(); err != nil {
		return nil, err
	}
	d, err := open()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(e.fill(ctx, d, n), d.Close()); err != nil {
		return nil, err
	}
	return w, os.WriteFile(filled, nil, 0o600)
}

// start starts the server. The first start creates the admin.
func (w *world) start(ctx context.Context, more ...string) (*usher.Server, error) {
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--failed-tries", "0"}, more...)
	cmd := exec.CommandContext(ctx, w.binary, append(args, w.flags...)...)
	cmd.Env = usher.Env("USHER_ADMIN_USERNAME="+adminName, "USHER_ADMIN_PASSWORD="+password)
	return usher.Start(cmd)
}

// worlds are measured together: each step is measured in all of them, one right after the
// other, so that other load on the machine affects all of them.
type worlds []*world

// medians runs a step several times in each world, and stores the median of its durations.
func (ws worlds) medians(fs []figures, row string, times int, run func(w *world, i int) error) error {
	durations := make([][]time.Duration, len(ws))
	for i := range times {
		for k, w := range ws {
			began := time.Now()
			if err := run(w, i); err != nil {
				return fmt.Errorf("%s, %s with %d accounts: %w", row, w.engine.name, w.n, err)
			}
			durations[k] = append(durations[k], time.Since(began))
		}
	}
	for k, all := range durations {
		slices.Sort(all)
		fs[k][row] = all[len(all)/2].Seconds() * 1000
	}
	return nil
}

func (ws worlds) measure(ctx context.Context) (fs []figures, err error) {
	for range ws {
		fs = append(fs, make(figures))
	}
	if err := ws.medians(fs, rowStart, 15, func(w *world, _ int) error {
		server, err := w.start(ctx)
		if err != nil {
			return err
		}
		return server.Kill() // a stop that takes longer is not part of the start
	}); err != nil {
		return nil, err
	}
	for _, w := range ws {
		if w.server, err = w.start(ctx); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, w.server.Stop()) }()
	}
	if err := errors.Join(ws.requests(ctx, fs), ws.pages(ctx, fs), ws.commands(ctx, fs)); err != nil {
		return nil, err
	}
	for k, w := range ws {
		held, err := w.server.Resident()
		if err != nil {
			return nil, err
		}
		fs[k][rowResident] = float64(held) / 1e6
	}
	return fs, nil
}

// requests measures token checks and sign-ins by programs.
func (ws worlds) requests(ctx context.Context, fs []figures) error {
	client := new(http.Client)
	check := func(w *world, i int) error {
		return get(ctx, client, w.server.URL+"/api/v2/user", http.Header{"X-Plex-Token": {sampleToken(i)}})
	}
	if err := ws.medians(fs, rowCheck, checks, check); err != nil {
		return err
	}
	if err := ws.medians(fs, rowCached, checks, check); err != nil {
		return err
	}
	signIn := func(password string, want int) func(w *world, i int) error {
		return func(w *world, i int) error {
			form := url.Values{"login": {fmt.Sprintf("user%07d", 1+i*(w.n-1)/signIns)}, "password": {password}}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost,
				w.server.URL+"/api/v2/users/signin?X-Plex-Client-Identifier=scale", strings.NewReader(form.Encode()))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return do(client, req, want)
		}
	}
	return ws.medians(fs, rowSignIn, signIns, signIn(password, http.StatusCreated))
}

// pages measures the pages.
func (ws worlds) pages(ctx context.Context, fs []figures) error {
	admins, busy := make(map[*world]*http.Client), make(map[*world]*http.Client)
	for _, w := range ws {
		var err error
		if admins[w], err = w.browser(adminName); err != nil {
			return err
		}
		if busy[w], err = w.browser(busyName); err != nil {
			return err
		}
	}
	header := http.Header{"Accept": {"text/html"}}
	for _, p := range pageRows {
		clients := admins
		if p.busy {
			clients = busy
		}
		for _, w := range ws {
			if err := p.check(ctx, w, clients[w]); err != nil {
				return err
			}
		}
		if err := ws.medians(fs, p.row(), 11, func(w *world, _ int) error {
			return get(ctx, clients[w], w.server.URL+p.path(w), header)
		}); err != nil {
			return err
		}
	}
	return nil
}

// browser returns a client that is signed in to the pages.
func (w *world) browser(name string) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute}
	res, err := client.PostForm(w.server.URL+"/auth/sign-in", url.Values{"login": {name}, "password": {password}})
	if err != nil {
		return nil, err
	}
	return client, res.Body.Close()
}

// check makes sure that a page that should be inside its listing is: an unknown cursor
// leads to the first rows.
func (p pageRow) check(ctx context.Context, w *world, client *http.Client) error {
	if !p.inside {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+p.path(w), nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && !bytes.Contains(text, []byte(`rel="prev"`)) {
		err = fmt.Errorf("%s has no rows before it: %.300s", p.path(w), text)
	}
	return err
}

func always(path string) func(*world) string { return func(*world) string { return path } }

// commands measures listings on the command line.
func (ws worlds) commands(ctx context.Context, fs []figures) error {
	for row, args := range map[string][]string{rowListAccounts: {"account", "list"}, rowListTokens: {"token", "list"}} {
		if err := ws.medians(fs, row, 5, func(w *world, _ int) error {
			cmd := exec.CommandContext(ctx, w.binary, append(append(args, "--limit", "20"), w.flags...)...)
			cmd.Env = usher.Env()
			return cmd.Run()
		}); err != nil {
			return err
		}
	}
	return nil
}

func get(ctx context.Context, client *http.Client, where string, header http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	if header != nil {
		req.Header = header.Clone() // the client adds its cookies
	}
	return do(client, req, http.StatusOK)
}

// do sends a request, and reads the whole response.
func do(client *http.Client, req *http.Request, want int) error {
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != want || res.Request.URL.Path != req.URL.Path && req.URL.Path != "/") {
		err = fmt.Errorf("%s %s got %s at %s: %.200s", req.Method, req.URL.Path, res.Status, res.Request.URL.Path, text)
	}
	return err
}
