package plexauthtest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// The program under test is a media dashboard with a sign-in form. It greets
// the user and lists the servers of the user.

type dashboard struct{ plex plexauth.Client }

func (d *dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	account, err := d.plex.SignIn(r.Context(), plexauth.SignInRequest{
		Login:            r.FormValue("login"),
		Password:         plexauth.Secret(r.FormValue("password")),
		VerificationCode: plexauth.Secret(r.FormValue("code")),
	})
	if err != nil {
		writeError(w, err)
		return
	}
	userClient := d.plex
	userClient.Token = plexauth.StaticToken(account.AuthToken)
	servers, err := userClient.Resources(r.Context())
	if err != nil {
		writeError(w, err)
		return
	}
	fmt.Fprintf(w, "Hello %s:", account.Username)
	for _, server := range servers {
		fmt.Fprintf(w, " %s", server.Name)
	}
}

func writeError(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, plexauth.ErrVerificationRequired):
		http.Error(w, "Enter the code from your authenticator app.", http.StatusUnauthorized)
	case errors.Is(err, plexauth.ErrUnauthorized):
		http.Error(w, "The password is wrong.", http.StatusUnauthorized)
	default:
		http.Error(w, "Plex is not available.", http.StatusBadGateway)
	}
}

// The test uses a real server instead of a mock of plex.tv.

func TestDashboard(t *testing.T) {
	plex := plexauthtest.New(t, plexauthtest.Config{})
	program := &dashboard{plexauth.Client{ClientIdentifier: "dashboard", AccountURL: plex.AccountURL}}

	signIn := func(login string, password, code plexauth.Secret) string {
		form := url.Values{"login": {login}, "password": {string(password)}, "code": {string(code)}}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/signin", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		program.ServeHTTP(w, r)
		return fmt.Sprintf("%d %s", w.Code, strings.TrimSpace(w.Body.String()))
	}
	expect := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}

	mia := plex.AddUser("mia", "mia@example.org", "mia's password")
	plex.AddServer("Attic", "attic", mia)
	expect(signIn("mia@example.org", mia.Password, ""), "200 Hello mia: usher Attic")
	expect(signIn("mia", "not this one", ""), "401 The password is wrong.")

	// The second factor is real: each code works once.
	two := plex.TwoFactor
	plex.Share(plex.Den, two)
	expect(signIn(two.Username, two.Password, ""), "401 Enter the code from your authenticator app.")
	code := two.VerificationCode()
	expect(signIn(two.Username, two.Password, code), "200 Hello twofactor: usher Den")
	expect(signIn(two.Username, two.Password, code), "401 Enter the code from your authenticator app.")

	// Plex is down: there is no response, or the response of a proxy.
	removeFault := plex.InjectFault(plexauthtest.Fault{Drop: true})
	expect(signIn("mia", mia.Password, ""), "502 Plex is not available.")
	removeFault()
	plex.InjectFault(plexauthtest.Fault{Path: "/api/v2/resources", Status: 502, Body: "<html>Bad gateway</html>", Times: 1})
	expect(signIn("mia", mia.Password, ""), "502 Plex is not available.")
	expect(signIn("mia", mia.Password, ""), "200 Hello mia: usher Attic")
}

// This program has the address of the real service written in. Only its HTTP
// client can be set.

func ping(client *http.Client) (string, error) {
	res, err := client.Get("https://plex.tv/api/v2/ping")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	return res.Status, nil
}

func TestWrittenIn(t *testing.T) {
	plex := plexauthtest.New(t, plexauthtest.Config{})
	status, err := ping(&http.Client{Transport: plex.Transport()})
	if err != nil || status != "200 OK" {
		t.Errorf("status %q, %v", status, err)
	}
}
