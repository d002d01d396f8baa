package plexauthtest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

func TestFaultStatus(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	srv.InjectFault(plexauthtest.Fault{
		Status: 429, Body: `{"errors":[{"code":1003,"message":"Too many requests"}]}`,
		Header: map[string]string{"Retry-After": "7", "Content-Type": "application/json"},
	})
	_, err := details(t, c)
	mustFail(t, err, plexauth.ErrRateLimited)
	var e *plexauth.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %T", err)
	}
	if e.RetryAfter != 7*time.Second || e.Header.Get("Content-Type") != "application/json" {
		t.Errorf("error %+v", e)
	}
	if diff := cmp.Diff([]plexauth.ErrorDetail{{Code: 1003, Message: "Too many requests"}}, e.Details); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

// Each status becomes the error that a program tests for.
func TestFaultIsATypedError(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	for status, kind := range map[int]error{
		400: plexauth.ErrBadRequest, 401: plexauth.ErrUnauthorized, 403: plexauth.ErrForbidden, 404: plexauth.ErrNotFound,
		422: plexauth.ErrBadRequest, 429: plexauth.ErrRateLimited, 498: plexauth.ErrTokenExpired, 500: plexauth.ErrServer,
		502: plexauth.ErrServer, 503: plexauth.ErrServer,
	} {
		remove := srv.InjectFault(plexauthtest.Fault{Status: status})
		_, err := details(t, c)
		mustFail(t, err, kind)
		remove()
	}
	mustBe(t, c, srv.Member)
}

func TestFaultBodyWithoutStatus(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	srv.InjectFault(plexauthtest.Fault{Body: `{"id": 7, "username": "somebody"}`})
	if got, err := details(t, c); err != nil || got != "somebody" {
		t.Errorf("got %q, %v", got, err)
	}
	if got := srv.Requests(); len(got) != 1 || got[0].Status != http.StatusOK {
		t.Errorf("requests %+v", got)
	}
}

func TestFaultHeaderAlone(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	srv.InjectFault(plexauthtest.Fault{Header: map[string]string{"X-Odd": "yes"}})
	res := get(t, srv.AccountURL+"/api/v2/ping")
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Odd") != "yes" || res.Header.Get("Content-Type") == "" {
		t.Errorf("answer %d %v", res.StatusCode, res.Header)
	}
}

// get sends a plain request and closes the response.
func get(t *testing.T, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res
}

func TestFaultPathAndTimes(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	srv.InjectFault(plexauthtest.Fault{Path: "/api/v2/user", Times: 2, Status: 500})
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("another path is hit: %v", err)
	}
	for range 2 {
		_, err := details(t, c)
		mustFail(t, err, plexauth.ErrServer)
	}
	mustBe(t, c, srv.Member)
}

// If several faults match, the first one applies until it is used up or
// removed.
func TestFaultsInOrder(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	srv.InjectFault(plexauthtest.Fault{Status: 500, Times: 1})
	remove := srv.InjectFault(plexauthtest.Fault{Status: 403})
	srv.InjectFault(plexauthtest.Fault{Status: 404, Times: 1})
	for _, kind := range []error{plexauth.ErrServer, plexauth.ErrForbidden, plexauth.ErrForbidden} {
		_, err := details(t, c)
		mustFail(t, err, kind)
	}
	remove()
	remove() // does nothing
	_, err := details(t, c)
	mustFail(t, err, plexauth.ErrNotFound)
	mustBe(t, c, srv.Member)
}

func TestFaultDrop(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	remove := srv.InjectFault(plexauthtest.Fault{Drop: true})
	_, err := c.SignIn(t.Context(), srv.Member.Credentials())
	mustFail(t, err, plexauth.ErrUnreachable)
	got := srv.Requests()
	if len(got) != 1 || got[0].Status != 0 {
		t.Errorf("requests %+v", got)
	}
	remove()
	mustBe(t, c, srv.Member)
}

// net/http resends a GET if a kept-alive connection closes without a response
// byte. The caller would then not see the outage.
func TestFaultDropOnAKeptAliveConnection(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	var reused []bool
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) { reused = append(reused, got.Reused) },
	})
	for range 3 {
		if err := c.Ping(ctx); err != nil {
			t.Fatal(err)
		}
		srv.InjectFault(plexauthtest.Fault{Drop: true, Times: 1})
		mustFail(t, c.Ping(ctx), plexauth.ErrUnreachable)
	}
	var got []int
	for _, r := range srv.Requests() {
		got = append(got, r.Status)
	}
	if diff := cmp.Diff([]int{200, 0, 200, 0, 200, 0}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]bool{false, true, false, true, false, true}, reused); diff != "" {
		t.Errorf("persistent connections (-want +got):\n%s", diff)
	}
}

func TestFaultDelay(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	srv.InjectFault(plexauthtest.Fault{Delay: 50 * time.Millisecond, Times: 1})
	start := time.Now()
	mustBe(t, c, srv.Member)
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	srv.InjectFault(plexauthtest.Fault{Delay: 20 * time.Second})
	start = time.Now()
	c.Timeout = 50 * time.Millisecond
	_, err := details(t, c)
	mustFail(t, err, plexauth.ErrUnreachable)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c.Timeout = 0
	if _, err := c.TokenDetails(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestFaultTruncate(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	srv.InjectFault(plexauthtest.Fault{Truncate: 10, Times: 1})
	_, err := details(t, c)
	mustFail(t, err, plexauth.ErrUnreachable)
	srv.InjectFault(plexauthtest.Fault{Truncate: 1 << 20, Times: 1})
	mustBe(t, c, srv.Member)
}

func TestFaultZeroDoesNothing(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	srv.InjectFault(plexauthtest.Fault{})
	mustBe(t, srv.Client(srv.Member), srv.Member)
}

// The response of a fault replaces the work of the server: the request has no
// effect, so no code is used up and no token is revoked.
func TestFaultKeepsTheRequestFromTheServer(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	srv.InjectFault(plexauthtest.Fault{Status: 502, Times: 1})
	mustFail(t, c.SignOut(t.Context()), plexauth.ErrServer)
	mustBe(t, c, srv.Member)
}

// Retries succeed after the fault is used up.
func TestFaultAndRetry(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	c.Retry = &plexauth.Retry{InitialInterval: time.Millisecond}
	srv.InjectFault(plexauthtest.Fault{Status: 503, Times: 2})
	mustBe(t, c, srv.Member)
	var got []int
	for _, r := range srv.Requests() {
		got = append(got, r.Status)
	}
	if diff := cmp.Diff([]int{503, 503, 200}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestRequests(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	if got := srv.Requests(); len(got) != 0 {
		t.Errorf("before any, requests %+v", got)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.AccountURL+"/api/v2/users/signin.json?a=1&a=2&b=%20",
		strings.NewReader("login=nobody&password=a+guess"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "X-Plex-Client-Identifier": {"by hand"},
		"X-Twice": {"one", "two"}, "User-Agent": {"hand"}, "Accept-Encoding": {"identity"},
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	want := []plexauthtest.Request{{
		Method: "POST", Path: "/api/v2/users/signin.json", Query: map[string][]string{"a": {"1", "2"}, "b": {" "}},
		Header: http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "X-Plex-Client-Identifier": {"by hand"},
			"X-Twice": {"one", "two"}, "User-Agent": {"hand"}, "Accept-Encoding": {"identity"}, "Content-Length": {"29"},
		},
		Body: []byte("login=nobody&password=a+guess"), Status: http.StatusUnauthorized,
	}}
	if diff := cmp.Diff(want, srv.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}

	// the requests of the SDK, in order
	srv.ResetRequests()
	if got := srv.Requests(); len(got) != 0 {
		t.Errorf("after ResetRequests, requests %+v", got)
	}
	token := srv.Token(srv.Member)
	c := srv.AnonymousClient()
	c.Token = plexauth.StaticToken(token)
	mustBe(t, c, srv.Member)
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	got := srv.Requests()
	if len(got) != 2 || got[0].Path != "/api/v2/user" || got[1].Path != "/api/v2/ping" {
		t.Fatalf("requests %+v", got)
	}
	if got[0].Header.Get("X-Plex-Token") != string(token) || got[1].Header.Get("X-Plex-Token") != "" {
		t.Errorf("the tokens are %q and %q", got[0].Header.Get("X-Plex-Token"), got[1].Header.Get("X-Plex-Token"))
	}
}
