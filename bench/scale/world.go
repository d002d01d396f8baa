package main

import (
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
	"regexp"
	"slices"
	"strings"
	"time"

	usher "github.com/usher-auth/usher/test/http/binary"
)

// The rows of the table.
const (
	rowStart        = "start"
	rowHome         = "page: `/`"
	rowAdmin        = "page: `/admin`"
	rowAccounts     = "page: `/admin/accounts`"
	rowMiddle       = "page: `/admin/accounts`, from the middle"
	rowSearch       = "page: `/admin/accounts`, a search"
	rowAccount      = "page: `/admin/accounts/{id}`"
	rowTokens       = "page: `/admin/tokens`"
	rowServers      = "page: `/admin/servers`"
	rowShares       = "page: `/admin/shares`"
	rowAudit        = "page: `/admin/audit`"
	rowOwn          = "page: `/account`"
	rowListAccounts = "`usher account list --limit 20`"
	rowListTokens   = "`usher token list --limit 20`"
	rowCheck        = "token check, not cached"
	rowCached       = "token check, cached"
	rowSignIn       = "sign-in, with the hash"
	rowResident     = "resident, MB"
)

// How many tokens are checked, and how often users sign in.
const (
	checks  = 400
	signIns = 40
)

// world is a database with accounts.
type world struct {
	binary string
	engine engine
	flags  []string // that name the database
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
	if _, err := os.Stat(filled); err == nil {
		return w, nil // by a run before
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

// start starts the server, which creates the admin at the first start.
func (w *world) start(ctx context.Context, more ...string) (*usher.Server, error) {
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--failed-tries", "0"}, more...)
	cmd := exec.CommandContext(ctx, w.binary, append(args, w.flags...)...)
	cmd.Env = usher.Env("USHER_ADMIN_USERNAME="+adminName, "USHER_ADMIN_PASSWORD="+password)
	return usher.Start(cmd)
}

// worlds are measured together: what is measured of one is measured of each of the
// others right after it, so that other work of the machine slows all of them.
type worlds []*world

// medians runs something several times in each world, and notes the median of its
// durations there.
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

// requests measures programs that check tokens and sign in.
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

// pages measures the pages that an admin opens.
func (ws worlds) pages(ctx context.Context, fs []figures) error {
	clients, middles := make(map[*world]*http.Client), make(map[*world]string)
	for _, w := range ws {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return err
		}
		client := &http.Client{Jar: jar, Timeout: time.Minute}
		res, err := client.PostForm(w.server.URL+"/auth/sign-in", url.Values{"login": {adminName}, "password": {password}})
		if err != nil {
			return err
		}
		res.Body.Close()
		clients[w] = client
		if middles[w], err = w.middle(ctx, client); err != nil {
			return err
		}
	}
	header := http.Header{"Accept": {"text/html"}}
	for row, path := range map[string]func(*world) string{
		rowMiddle:  func(w *world) string { return middles[w] },
		rowSearch:  func(w *world) string { return fmt.Sprintf("/admin/accounts?search=user%07d", w.n/2) },
		rowAccount: func(w *world) string { return fmt.Sprint("/admin/accounts/", w.n/2) },
		rowHome:    always("/"), rowAdmin: always("/admin"), rowAccounts: always("/admin/accounts"),
		rowTokens: always("/admin/tokens"), rowServers: always("/admin/servers"), rowShares: always("/admin/shares"),
		rowAudit: always("/admin/audit"), rowOwn: always("/account"),
	} {
		if err := ws.medians(fs, row, 11, func(w *world, _ int) error {
			return get(ctx, clients[w], w.server.URL+path(w), header)
		}); err != nil {
			return err
		}
	}
	return nil
}

func always(path string) func(*world) string { return func(*world) string { return path } }

// middle is the page after that of a search for an account in the middle.
func (w *world) middle(ctx context.Context, client *http.Client) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		w.server.URL+fmt.Sprintf("/admin/accounts?search=user%s", fmt.Sprintf("%07d", w.n/2)[:4]), nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	next := regexp.MustCompile(`rel="next" href="([^"]*)"`).FindSubmatch(text)
	if next == nil {
		return "", fmt.Errorf("the page has no next one: %.300s", text)
	}
	return strings.ReplaceAll(string(next[1]), "&amp;", "&"), nil
}

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

// do sends a request and reads the whole answer.
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
