package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/plexauthtest"
)

// browser returns a browser with its own cookies. At the page of the account
// plane it stops, and the address is sent to pages.
func browser(t *testing.T, accountURL string, pages chan<- *url.URL) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), accountURL) {
			return nil
		}
		pages <- r.URL
		return http.ErrUseLastResponse
	}}
}

// read loads a page of the program.
func read(t *testing.T, browser *http.Client, address string) string {
	t.Helper()
	res, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A user signs in. An attacker who makes the user allow access to a sign-in that
// the attacker started is not signed in.
func TestSignIn(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	s, err := newSite(srv.AnonymousClient(), web.URL)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", s)
	pages := make(chan *url.URL, 1)
	// start clicks "Sign in", and returns the parameters of the account plane's page.
	start := func(b *http.Client) url.Values {
		read(t, b, web.URL+"/sign-in")
		link := <-pages
		query, err := url.ParseQuery(strings.TrimPrefix(link.EscapedFragment(), "?"))
		if err != nil {
			t.Fatal(err)
		}
		return query
	}

	user := browser(t, srv.AccountURL, pages)
	if got := read(t, user, srv.Member.LinkPIN(start(user).Get("code"))); !strings.Contains(got, "Hello, member!") {
		t.Errorf("the user sees %s", got)
	}

	attacker := browser(t, srv.AccountURL, pages)
	link := start(attacker)
	srv.Member.LinkPIN(link.Get("code"))
	for _, address := range []string{link.Get("forwardUrl"), web.URL + "/"} {
		if got := read(t, attacker, address); strings.Contains(got, "Hello") {
			t.Errorf("attack: the attacker sees %s", got)
		}
	}
}
