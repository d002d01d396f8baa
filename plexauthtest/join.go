package plexauthtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// Control controls the usher of "usher exec". Its methods are safe for concurrent
// use, and call Fatalf of the test if they fail.
type Control struct {
	t      testing.TB
	url    string
	token  string
	client *http.Client
}

// Account is an account of the usher of "usher exec".
type Account struct {
	// Username is the name to sign in with. Required.
	Username string
	// Email may be empty.
	Email string
	// Password is the password. It is empty if Managed is set.
	Password plexauth.Secret
	// Token is an access token that the account has from the start, of 20 letters
	// and digits. If empty, the account has no token.
	Token plexauth.Secret
	// TOTP is the seed of the second factor, in base32. If empty, the account has no
	// second factor.
	TOTP plexauth.Secret
	// Admin reports whether the account is an admin of usher.
	Admin bool
	// Managed reports whether it is a managed account, which cannot sign in.
	Managed bool
	// Disabled reports whether the account is disabled.
	Disabled bool
	// Home is the username of the owner of the account's home. If empty, the account
	// is not in the home of another account.
	Home string
	// PIN consists of four digits, and is required when another user of the home
	// switches to the account. If empty, the account has no PIN.
	PIN plexauth.Secret
	// HomeAdmin makes an account that signs in an admin of its home.
	HomeAdmin bool
	// Guest makes a managed account the guest of its home.
	Guest bool
	// Restriction is the restriction of a managed account, such as little_kid.
	Restriction string
	// BackupCodes are the backup codes of the second factor. AddAccount ignores them.
	BackupCodes []plexauth.Secret
}

// controlAccount is the wire form of an Account. Its fields are strings because a Secret
// is redacted in JSON.
type controlAccount struct {
	Username    string   `json:"username"`
	Email       string   `json:"email,omitempty"`
	Password    string   `json:"password,omitempty"`
	Token       string   `json:"token,omitempty"`
	TOTP        string   `json:"totp,omitempty"`
	Admin       bool     `json:"admin,omitempty"`
	Managed     bool     `json:"managed,omitempty"`
	Disabled    bool     `json:"disabled,omitempty"`
	Home        string   `json:"home,omitempty"`
	PIN         string   `json:"pin,omitempty"`
	HomeAdmin   bool     `json:"homeAdmin,omitempty"`
	Guest       bool     `json:"guest,omitempty"`
	Restriction string   `json:"restriction,omitempty"`
	BackupCodes []string `json:"backupCodes,omitempty"`
}

func (a controlAccount) account() Account {
	out := Account{
		Username: a.Username, Email: a.Email, Password: plexauth.Secret(a.Password), Token: plexauth.Secret(a.Token),
		TOTP: plexauth.Secret(a.TOTP), Admin: a.Admin, Managed: a.Managed, Disabled: a.Disabled,
		Home: a.Home, PIN: plexauth.Secret(a.PIN), HomeAdmin: a.HomeAdmin, Guest: a.Guest, Restriction: a.Restriction,
	}
	for _, code := range a.BackupCodes {
		out.BackupCodes = append(out.BackupCodes, plexauth.Secret(code))
	}
	return out
}

// Join returns a Control for the usher of the "usher exec" in which the test runs, and
// resets that usher to its scene. Outside of "usher exec", it calls t.Fatalf.
func Join(t testing.TB) *Control {
	t.Helper()
	c := &Control{
		t: t, url: os.Getenv("USHER_CONTROL"), token: os.Getenv("USHER_CONTROL_TOKEN"),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // without a proxy
	}
	if c.url == "" {
		t.Fatalf("plexauthtest: the test does not run in usher exec; start it with: usher exec -- go test")
	}
	c.Reset()
	return c
}

// call sends in to a path of the control API, and decodes the response into out unless
// that is nil.
func (c *Control) call(method, at string, in, out any) {
	c.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		c.t.Fatalf("plexauthtest: %v", err)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+at, bytes.NewReader(body))
	if err != nil {
		c.t.Fatalf("plexauthtest: %v", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.client.Do(req)
	if err != nil {
		c.t.Fatalf("plexauthtest: usher exec does not answer: %v", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("plexauthtest: usher exec does not answer: %v", err)
	}
	if res.StatusCode >= 300 {
		c.t.Fatalf("plexauthtest: %s %s: %s", method, at, text)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		c.t.Fatalf("plexauthtest: %s %s: %v", method, at, err)
	}
}

// none is the body of a call that has no parameters.
type none struct{}

// Reset restores the accounts, the clock and the faults of the scene, and deletes the
// recorded requests.
func (c *Control) Reset() {
	c.t.Helper()
	c.call("POST", "/reset", none{}, nil)
}

// controlClock is the wire form of the clock.
type controlClock struct {
	Time    *time.Time `json:"time,omitempty"`
	Advance float64    `json:"advance,omitempty"`
	Frozen  *bool      `json:"frozen,omitempty"`
}

// Now returns the time of the server's clock.
func (c *Control) Now() (now time.Time) {
	c.t.Helper()
	c.call("GET", "/clock", none{}, &controlClock{Time: &now})
	return now
}

// Advance moves the server's clock forward by d, or back if d is negative.
func (c *Control) Advance(d time.Duration) {
	c.t.Helper()
	if d != 0 {
		c.call("POST", "/clock", controlClock{Advance: d.Seconds()}, nil)
	}
}

// SetTime sets the server's clock.
func (c *Control) SetTime(t time.Time) {
	c.t.Helper()
	c.call("POST", "/clock", controlClock{Time: &t}, nil)
}

// Freeze stops the server's clock if frozen is true, and otherwise lets it run.
func (c *Control) Freeze(frozen bool) {
	c.t.Helper()
	c.call("POST", "/clock", controlClock{Frozen: &frozen}, nil)
}

// Account returns the account with a username. It calls Fatalf if there is none.
func (c *Control) Account(username string) Account {
	c.t.Helper()
	for _, a := range c.Accounts() {
		if a.Username == username {
			return a
		}
	}
	c.t.Fatalf("plexauthtest: there is no account %s", username)
	return Account{}
}

// AddAccount adds an account, and returns it with the values that usher chose for empty
// fields.
func (c *Control) AddAccount(a Account) Account {
	c.t.Helper()
	var added controlAccount
	c.call("POST", "/accounts", controlAccount{
		Username: a.Username, Email: a.Email, Password: string(a.Password), Token: string(a.Token),
		TOTP: string(a.TOTP), Admin: a.Admin, Managed: a.Managed, Disabled: a.Disabled,
		Home: a.Home, PIN: string(a.PIN), HomeAdmin: a.HomeAdmin, Guest: a.Guest, Restriction: a.Restriction,
	}, &added)
	return added.account()
}

// Token returns a new token of an account.
func (c *Control) Token(username string) plexauth.Secret {
	c.t.Helper()
	var out struct{ Token plexauth.Secret }
	c.call("POST", path("accounts", username, "tokens"), map[string]string{"clientIdentifier": clientIdentifier}, &out)
	return out.Token
}

// RevokeTokens revokes all tokens of an account.
func (c *Control) RevokeTokens(username string) {
	c.t.Helper()
	c.call("DELETE", path("accounts", username, "tokens"), none{}, nil)
}

// RevokeToken revokes a token and its descendants.
func (c *Control) RevokeToken(token plexauth.Secret) {
	c.t.Helper()
	c.call("POST", "/tokens/revoke", map[string]string{"token": string(token)}, nil)
}

// VerificationCode returns the current code of an account's second factor.
func (c *Control) VerificationCode(username string) plexauth.Secret {
	c.t.Helper()
	var out struct{ Code plexauth.Secret }
	c.call("GET", path("accounts", username, "code"), none{}, &out)
	return out.Code
}

// ApprovePIN completes a sign-in by PIN, as if the user had allowed access. It returns
// the URL that the browser is redirected to, or "" if the program set none.
func (c *Control) ApprovePIN(code, username string) (forward string) {
	c.t.Helper()
	var out struct{ Forward string }
	c.call("POST", path("pins", code, "approve"), map[string]string{"account": username}, &out)
	return out.Forward
}

// RefusePIN denies a PIN, as if the user had denied access.
func (c *Control) RefusePIN(code, username string) {
	c.t.Helper()
	c.call("POST", path("pins", code, "refuse"), map[string]string{"account": username}, nil)
}

// NamedFault is a fault of "usher exec --fault".
type NamedFault struct {
	// Name is one of the names that docs/testing.md lists. Required.
	Name string `json:"fault"`
	// Path is the path of the affected requests. A star at its end stands for any
	// text. If empty, requests for all paths are affected.
	Path string `json:"path,omitempty"`
	// Times is the number of affected requests. If zero, it is unlimited.
	Times int `json:"times,omitempty"`
	// Skip is the number of matching requests that pass before the fault begins.
	Skip int `json:"skip,omitempty"`
	// Seconds is the duration, for the faults that have one. If zero, it is the
	// fault's default.
	Seconds float64 `json:"seconds,omitempty"`
	// Chance is the probability, from 0 to 1, that a matching request is affected. If
	// zero, it is the fault's default.
	Chance float64 `json:"chance,omitempty"`
}

// InjectFault injects a fault into responses.
func (c *Control) InjectFault(f NamedFault) {
	c.t.Helper()
	c.call("POST", "/faults", f, nil)
}

// ClearFaults removes all faults.
func (c *Control) ClearFaults() {
	c.t.Helper()
	c.call("DELETE", "/faults", none{}, nil)
}

// Requests returns the requests of the program since the last Reset, in the order of
// their responses.
func (c *Control) Requests() []Request {
	c.t.Helper()
	var list []struct {
		Method, Path, Body string
		Query              url.Values
		Header             http.Header
		Status             int
	}
	c.call("GET", "/requests", none{}, &list)
	out := make([]Request, 0, len(list))
	for _, r := range list {
		out = append(out, Request{Method: r.Method, Path: r.Path, Query: r.Query, Header: r.Header, Body: []byte(r.Body), Status: r.Status})
	}
	return out
}
