package plexauth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// The proof is read from the query of the request. A value that no server
// generates is not a proof.
func TestWithProof(t *testing.T) {
	pin := &plexauth.PIN{ID: 1, Code: "abc", ForwardURL: "https://my.example.org/back"}
	for query, want := range map[string]string{
		"": "", "state=1": "", "pinProof=": "", "pinProof": "", "state=1&pinProof=Ab1": "Ab1", "pinProof=Ab1&state=1": "Ab1",
		"pinProof=a&pinProof=b": "", "pinProof=a&pinProof=a": "", "pinproof=a": "", "pinProof=a%20b": "", "pinProof=a%0d%0aX-Y:%20z": "",
		"pinProof=%C3%A4": "", "pinProof=" + strings.Repeat("a", 255): strings.Repeat("a", 255), "pinProof=" + strings.Repeat("a", 256): "",
	} {
		got := pin.WithProof(&url.URL{RawQuery: query})
		if string(got.Proof) != want || got == pin || got.ID != 1 || got.Code != "abc" || got.ForwardURL != pin.ForwardURL {
			t.Errorf("%.40s: %+v with the proof %q", query, got, string(got.Proof))
		}
	}
	if pin.Proof != "" {
		t.Error("the PIN itself has a proof")
	}
	proven := pin.WithProof(&url.URL{RawQuery: "pinProof=Ab1"})
	if got := proven.WithProof(&url.URL{}); got.Proof != "" {
		t.Error("the proof of another request is left")
	}
	text, err := json.Marshal(proven)
	if err != nil || strings.Contains(string(text)+fmt.Sprintf("%v %+v", proven, *proven), "Ab1") {
		t.Errorf("the proof is printed: %s %+v, %v", text, proven, err)
	}
}

// The address is sent in the body, because it has the state in it, and the proof
// in a header. Without them, the requests are as before.
func TestProofRequests(t *testing.T) {
	const waits = `{"id":564964751,"code":"8lzj","authToken":null,"proofUrl":"https://my.example.org/back?state=1"}`
	var asked []*http.Request
	c := scripted(&asked, waits, answer(503, ""), pinWaits, pinWaits)
	c.Retry = &plexauth.Retry{}
	pin, err := c.StartPIN(t.Context(), plexauth.PINRequest{Strong: true, ForwardURL: "https://my.example.org/back?state=1"})
	if err != nil || pin.ForwardURL != "https://my.example.org/back?state=1" {
		t.Fatalf("%+v, %v", pin, err)
	}
	proven := pin.WithProof(&url.URL{RawQuery: "pinProof=Ab1"})
	if _, err := c.CheckPIN(t.Context(), proven); !errors.Is(err, plexauth.ErrServer) || len(asked) != 2 {
		t.Errorf("after %d requests: %v; a proof must not be resent automatically", len(asked), err)
	}
	if _, err := c.CheckPIN(t.Context(), pin); err != nil {
		t.Error(err)
	}
	if pin, err := c.StartPIN(t.Context(), plexauth.PINRequest{}); err != nil || pin.ForwardURL != "" {
		t.Errorf("%+v, %v", pin, err)
	}
	if err := asked[0].ParseForm(); err != nil || asked[0].URL.RawQuery != "strong=true" || asked[0].PostForm.Get("proofUrl") != pin.ForwardURL {
		t.Errorf("sent %s with %v, %v", asked[0].URL, asked[0].PostForm, err)
	}
	for i, want := range []string{"", "Ab1", "", ""} {
		if got := asked[i].Header.Get("X-Plex-Pin-Proof"); got != want || strings.Contains(asked[i].URL.String(), "Ab1") {
			t.Errorf("request %d to %s has the proof %q, want %q", i, asked[i].URL, got, want)
		}
	}
	if asked[3].ContentLength != 0 || asked[3].Header.Get("Content-Type") != "" {
		t.Errorf("a request without an address has a body: %v", asked[3].Header)
	}
}

// The complete flow against the server, in both formats.
func TestProofAtTheServer(t *testing.T) {
	formats(t, func(t *testing.T, srv *plexauthtest.Server, as func(*plexauthtest.User) *plexauth.Client) {
		c := as(nil)
		c.ClientIdentifier = "web"
		pin, err := c.StartPIN(t.Context(), plexauth.PINRequest{Strong: true, ForwardURL: "https://my.example.org/back?state=1"})
		if err != nil || pin.ForwardURL != "https://my.example.org/back?state=1" {
			t.Fatalf("%+v, %v", pin, err)
		}
		forward, err := url.Parse(srv.Member.LinkPIN(pin.Code))
		if err != nil || !strings.HasPrefix(forward.String(), pin.ForwardURL+"&pinProof=") {
			t.Fatalf("it leads to %s, %v", forward, err)
		}
		if got, err := c.CheckPIN(t.Context(), pin); err != nil || got.AuthToken != "" {
			t.Errorf("attack: without the proof there is a token: %v", err)
		}
		proven := pin.WithProof(forward)
		token, err := c.WaitPIN(t.Context(), proven)
		if err != nil {
			t.Fatal(err)
		}
		if account, err := c.AccountOf(t.Context(), token); err != nil || account.Username != "member" {
			t.Errorf("the token is %+v's, %v", account, err)
		}
		if _, err := c.CheckPIN(t.Context(), proven); !errors.Is(err, plexauth.ErrPINExpired) {
			t.Errorf("attack: the proof works again: %v", err)
		}
		if _, err := c.StartPIN(t.Context(), plexauth.PINRequest{ForwardURL: "/back"}); !errors.Is(err, plexauth.ErrBadRequest) {
			t.Errorf("an address without a host: %v", err)
		}
	})
}
