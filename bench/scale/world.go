package main

import (
	"context"
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
	rowSignIn       = "sign-in, with the hash"
)

// world is a data folder with accounts.
type world struct {
	binary, data string
	n            int
}

func newWorld(ctx context.Context, binary, dir string, n int) (*world, error) {
	w := &world{binary, filepath.Join(dir, fmt.Sprint("data-", n)), n}
	filled := filepath.Join(w.data, "filled")
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
	if err := fill(ctx, w.data, n); err != nil {
		return nil, err
	}
	return w, os.WriteFile(filled, nil, 0o600)
}

// start starts the server, which creates the admin at the first start.
func (w *world) start(ctx context.Context) (*usher.Server, error) {
	cmd := exec.CommandContext(ctx, w.binary, "serve", "--listen", "127.0.0.1:0", "--data", w.data, "--failed-tries", "0")
	cmd.Env = usher.Env("USHER_ADMIN_USERNAME="+adminName, "USHER_ADMIN_PASSWORD="+password)
	return usher.Start(cmd)
}

func (w *world) measure(ctx context.Context) (f figures, err error) {
	f = make(figures)
	if f[rowStart], err = median(7, func(int) error {
		server, err := w.start(ctx)
		if err != nil {
			return err
		}
		return server.Kill() // a stop that takes longer is not part of the start
	}); err != nil {
		return nil, err
	}
	server, err := w.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	return f, errors.Join(w.requests(ctx, server.URL, f), w.pages(ctx, server.URL, f), w.commands(ctx, f))
}

// requests measures programs that check tokens and sign in.
func (w *world) requests(ctx context.Context, server string, f figures) (err error) {
	client := new(http.Client)
	if f[rowCheck], err = median(samples, func(i int) error {
		return get(ctx, client, server+"/api/v2/user", http.Header{"X-Plex-Token": {sampleToken(i)}})
	}); err != nil {
		return err
	}
	f[rowSignIn], err = median(40, func(i int) error {
		form := url.Values{"login": {fmt.Sprintf("user%07d", 1+i*(w.n-1)/40)}, "password": {password}}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost,
			server+"/api/v2/users/signin?X-Plex-Client-Identifier=scale", strings.NewReader(form.Encode()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return do(client, req, http.StatusCreated)
	})
	return err
}

// pages measures the pages that an admin opens.
func (w *world) pages(ctx context.Context, server string, f figures) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute}
	res, err := client.PostForm(server+"/auth/sign-in", url.Values{"login": {adminName}, "password": {password}})
	if err != nil {
		return err
	}
	res.Body.Close()
	middle, err := w.middle(ctx, client, server)
	if err != nil {
		return err
	}
	for row, path := range map[string]string{
		rowHome: "/", rowAdmin: "/admin", rowAccounts: "/admin/accounts", rowMiddle: middle,
		rowSearch: fmt.Sprintf("/admin/accounts?search=user%07d", w.n/2), rowAccount: fmt.Sprint("/admin/accounts/", w.n/2),
		rowTokens: "/admin/tokens", rowServers: "/admin/servers", rowShares: "/admin/shares", rowAudit: "/admin/audit",
		rowOwn: "/account",
	} {
		header := http.Header{"Accept": {"text/html"}}
		if f[row], err = median(11, func(int) error { return get(ctx, client, server+path, header) }); err != nil {
			return err
		}
	}
	return nil
}

// middle is the page after that of a search for an account in the middle.
func (w *world) middle(ctx context.Context, client *http.Client, server string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		server+fmt.Sprintf("/admin/accounts?search=user%s", fmt.Sprintf("%07d", w.n/2)[:4]), nil)
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
func (w *world) commands(ctx context.Context, f figures) (err error) {
	for row, args := range map[string][]string{rowListAccounts: {"account", "list"}, rowListTokens: {"token", "list"}} {
		if f[row], err = median(5, func(int) error {
			cmd := exec.CommandContext(ctx, w.binary, append(args, "--limit", "20", "--data", w.data)...)
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
