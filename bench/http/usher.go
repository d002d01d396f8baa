package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// The account that signs in: the first admin, created by the first start.
const (
	username = "bench"
	password = "correct horse battery staple"
)

// usher is the server under test.
type usher struct {
	process
	log string // the file that its standard error goes to
}

// startUsher starts the server on a data folder and waits until it answers.
// Like a service manager, it gives it a file for its log.
func (b *bench) startUsher(ctx context.Context, data string, firstAdmin bool) (*usher, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	u := &usher{log: b.path("usher.log")}
	log, err := os.OpenFile(u.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// There are no rate limits: the measurement is about speed.
	cmd := command(ctx, b.path("usher"), "serve", "--listen", address, "--data", data, "--failed-tries", "0")
	cmd.Env, cmd.Stderr = environment(firstAdmin), log
	u.process = process{cmd, "http://" + address}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := u.waitReady(ctx); err != nil {
		u.stop()
		tail, _ := os.ReadFile(u.log)
		return nil, fmt.Errorf("starting usher: %w; its log: %s", err, tail)
	}
	return u, nil
}

// environment is the environment of this program without the variables of usher.
func environment(firstAdmin bool) []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "USHER_") {
			env = append(env, pair)
		}
	}
	if !firstAdmin {
		return env
	}
	return append(env, "USHER_ADMIN_USERNAME="+username, "USHER_ADMIN_EMAIL=bench@example.org", "USHER_ADMIN_PASSWORD="+password)
}

// freeAddress finds an unused address. The caller must know it before the server starts, so
// that it notices the first response immediately.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// Intervals and limits for watching a start.
const (
	pollEvery  = 500 * time.Microsecond
	startLimit = 20 * time.Second
)

// waitReady polls /identity until it gets a response.
func (u *usher) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		a, err := fetch(ctx, http.DefaultClient, request{method: "GET", path: "/identity"}, u.url)
		if err == nil && a.Status == http.StatusOK {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no answer within %s", startLimit)
		}
	}
}

// answer is one response of a server, which the bare server repeats.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// fetch sends one request. It omits the Date of the response: net/http adds its own.
func fetch(ctx context.Context, client *http.Client, r request, base string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, base+r.path, strings.NewReader(r.form))
	if err != nil {
		return answer{}, err
	}
	req.Header = r.header.Clone()
	if r.form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	resp.Header.Del("Date")
	return answer{resp.StatusCode, resp.Header, body}, err
}

// signIn is a sign-in from a device. A device has a limited number of tokens, so repeated
// sign-ins only evict its own oldest ones.
func signIn(device string) request {
	form := url.Values{"login": {username}, "password": {password}}
	return request{
		method: "POST", path: "/api/v2/users/signin", form: form.Encode(),
		header: http.Header{"Accept": {"application/json"}, "X-Plex-Client-Identifier": {device}},
	}
}

// token sends a request, and returns the token under the given key of the response.
func (u *usher) token(ctx context.Context, r request, path ...string) (string, error) {
	a, err := fetch(ctx, http.DefaultClient, r, u.url)
	if err != nil {
		return "", err
	}
	var found any
	if err := json.Unmarshal(a.Body, &found); err != nil || a.Status >= 300 {
		return "", fmt.Errorf("%s %s: status %d, %s", r.method, r.path, a.Status, a.Body)
	}
	for _, key := range path {
		object, _ := found.(map[string]any)
		found = object[key]
	}
	token, _ := found.(string)
	if token == "" {
		return "", fmt.Errorf("%s %s: no %s in the answer", r.method, r.path, strings.Join(path, "."))
	}
	return token, nil
}

// jwt returns a JWT for a new device.
func (u *usher) jwt(ctx context.Context) (string, error) {
	const device = "bench-jwt"
	access, err := u.token(ctx, signIn(device), "authToken")
	if err != nil {
		return "", err
	}
	client := &plexauth.Client{ClientIdentifier: device, AccountURL: u.url, Token: plexauth.StaticToken(access)}
	key, err := plexauth.LoadDeviceKey("")
	if err != nil {
		return "", err
	}
	if err := client.RegisterKey(ctx, key); err != nil {
		return "", err
	}
	jwt, err := client.ExchangeJWT(ctx, key)
	return string(jwt), err
}

// sourceID is a media server with the connections of a typical home server.
const sourceID = "5f3a1c9e7b2d4f60"

// addSource adds the server with the command line, as an operator does.
func (b *bench) addSource(ctx context.Context, data string) error {
	cmd := exec.CommandContext(ctx, b.path("usher"), "server", "add", "Den", "--data", data, "--id", sourceID,
		"--connection", "http://192.168.1.5:32400",
		"--connection", "https://den.example.org:32400",
		"--connection", "https://relay.example.org:8443", "--relay")
	cmd.Env = environment(false)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("usher server add: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
