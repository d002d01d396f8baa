package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
)

// The actor, the device and the address come from the request: those of its token, or none
// during a sign-in.
func TestRequestsAreRecorded(t *testing.T) {
	w := newFixture(t, nil)
	device := http.Header{"X-Plex-Product": {"Player"}, "X-Plex-Device-Name": {"Living room"}}
	ask := func(method, path, token string, header http.Header, form url.Values, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if header != nil {
			req.Header = header.Clone()
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Plex-Client-Identifier", "client-1")
		if token != "" {
			req.Header.Set("X-Plex-Token", token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want {
			t.Fatalf("%s %s: %s", method, path, res.Status)
		}
	}
	token := string(w.signIn(t, "member"))
	before := w.events(t)
	ask("POST", "/api/v2/users/signin", "", device, url.Values{"login": {"member"}, "password": {password}}, 201)
	ask("POST", "/users/sign_in", "", nil, url.Values{"user[login]": {"member"}, "user[password]": {"wrong"}}, 401)
	ask("POST", "/api/v2/users/signin", token, device, url.Values{"login": {"member"}, "password": {password}}, 201) // token ignored
	ask("GET", "/api/v2/resources", token, device, nil, 200)
	ask("GET", "/api/v2/resources", token, device, nil, 200) // the second time, nothing is created
	ask("GET", "/api/v2/user", token, device, nil, 200)
	ask("GET", "/security/token?type=delegation&scope=all", token, device, nil, 200)
	ask("PUT", "/api/v2/pins/link", token, device, url.Values{"code": {w.startPIN(t, "tv").Code}}, 204)
	ask("DELETE", "/devices/2", token, device, nil, 200)
	ask("DELETE", "/api/v2/users/signout", token, device, nil, 204)
	ask("DELETE", "/api/v2/users/signout", token, device, nil, 401) // checking a token is not an event
	want := []string{
		"sign-in|member||Player on Living room|127.0.0.1|token 2",
		"sign-in.refused|member||client-1|127.0.0.1|wrong password",
		"sign-in|member||Player on Living room|127.0.0.1|token 3",
		"token.made|member||Player on Living room|127.0.0.1|token 4 for usher",
		"token.made|member||Player on Living room|127.0.0.1|token 5 for Den",
		"pin.linked|member||Player on Living room|127.0.0.1|token 6 for tv",
		"token.revoked|member||Player on Living room|127.0.0.1|2 of device 2",
		"sign-out|member||Player on Living room|127.0.0.1|token 1, and 3 tokens",
	}
	got := w.events(t)[len(before):]
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// events reads the audit log, as "event|account|actor|device|address|detail".
func (w *fixture) events(t testing.TB) (rows []string) {
	t.Helper()
	list, err := w.Audit.List(t.Context(), audit.Query{OldestFirst: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		rows = append(rows, fmt.Sprintf("%s|%s|%s|%s|%s|%s", e.Event, e.Account, e.Actor, e.Device, e.Address, e.Detail))
	}
	return rows
}

// Run prunes the log as configured.
func TestRunPrunesTheAuditLog(t *testing.T) {
	c := coretest.New(t, core.Config{AuditKeep: time.Hour})
	if err := c.Audit.RecordFailure(t.Context(), operator, audit.Event{Kind: audit.SignInRefused}); err != nil {
		t.Fatal(err)
	}
	c.Clock.Advance(2 * time.Hour)
	c.Add("mia")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		list, err := c.Audit.List(t.Context(), audit.Query{OldestFirst: true})
		if err == nil && len(list) == 1 && list[0].Event == audit.AccountAdded {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the log has %v, %v", list, err)
		}
	}
	stop()
	<-done
}
