package conformance

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/usher-auth/usher/plexauth"
)

// securityChecks are about mistakes of real servers, and mistakes that are easily made.
func securityChecks() []Check {
	return []Check{
		{"security/cve-2025-69414", "/myplex/account does not trade a transient token for a lasting one.", false, "CVE-2025-69414", Documented, cve69414},
		{"security/cve-2025-69415", "/myplex/account refuses a device that was signed out.", true, "CVE-2025-69415", Documented, cve69415},
		{"security/cve-2025-69416", "/devices.xml has no tokens of other devices.", false, "CVE-2025-69416", Documented, cve69416},
		{"security/cve-2025-69417", "shared_servers gives no tokens to an account that does not own the server.", false, "CVE-2025-69417", Documented, cve69417},
		{"security/pin-hijack", "Only the client that started a PIN gets its token: for others it is 404 with code 1020, also once it is linked.", true, "measured by a client's authors", Read, pinHijack},
		{"security/pin-fixation", "A PIN that asks for a proof gives its token to no link by a token, and to no poll without the proof.", true, "usher's proofs", Inferred, pinFixation},
		{"security/transient-links-nothing", "A transient token cannot link a PIN, which would give it a lasting token.", true, "CVE-2025-69414, by another way", Inferred, transientLinks},
		{"security/home-pin-fail-open", "Without the PIN of a protected user, nobody but owner and admins switches to it: no PIN is 403 with code 1041, and an empty or malformed one is refused.", true, "PlexAPI, 240-MP", Read, homeFailOpen},
		{"security/home-lists", "Lists of a home have no tokens.", false, "a rule of security", Inferred, homeLists},
		{"security/token-in-url", "No URL of an answer has a token in it.", false, "a rule of security", Inferred, tokenInURL},
		{"security/error-echo", "An error does not repeat the token that was sent.", false, "a rule of security", Inferred, errorEcho},
	}
}

// guessingChecks use up the tries of the account and the address.
func guessingChecks() []Check {
	return []Check{
		{"guessing/link-code", "Wrong codes of PINs are limited: 429 after at most 40.", true, "a rule of security", Inferred, guessLinkCode},
		{"guessing/home-pin", "Wrong PINs of a user of a home are limited after at most 40, and then the right one is not looked at.", true, "a rule of security", Inferred, guessHomePIN},
		{"guessing/password", "Wrong passwords are limited after at most 40: 429, or 401 with code 1031.", true, "the generated SDKs", Read, guessPassword},
	}
}

// walk calls f for every text of an answer with its name: a key of JSON, an attribute
// or an element of XML.
func (a *answer) walk(f func(name, text string)) error {
	if strings.HasPrefix(strings.TrimSpace(string(a.body)), "<") {
		root, err := a.element()
		if err == nil {
			walkXML(root, f)
		}
		return err
	}
	v, err := a.value()
	if err == nil {
		walkJSON("", v, f)
	}
	return err
}

func walkXML(e *element, f func(name, text string)) {
	for name, value := range e.attrs {
		f(name, value)
	}
	if text := strings.TrimSpace(e.text); text != "" {
		f(e.name, text)
	}
	for _, c := range e.children {
		walkXML(c, f)
	}
}

func walkJSON(name string, v any, f func(name, text string)) {
	switch v := v.(type) {
	case string:
		f(name, v)
	case []any:
		for _, x := range v {
			walkJSON(name, x, f)
		}
	case object:
		for key, x := range v {
			walkJSON(key, x, f)
		}
	}
}

// hasNoToken returns an error if an answer has a token that is not among some.
func (p *probe) hasNoToken(a *answer, known ...plexauth.Secret) error {
	found := ""
	err := a.walk(func(name, text string) {
		if !strings.Contains(strings.ToLower(name), "token") || text == "" {
			return
		}
		p.hide(text)
		for _, k := range known {
			if text == string(k) {
				return
			}
		}
		found = name
	})
	if err == nil && found != "" {
		err = a.errorf("%s is a token, of something else than the request", p.blank(found))
	}
	return err
}

// myPlexAccount asks a media server for the account that it is signed in with.
func (p *probe) myPlexAccount(ctx context.Context, d *device) (*answer, error) {
	a, err := p.send(ctx, d.askMedia("GET", "/myplex/account"))
	if err == nil && (a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed) {
		err = skipf("the server has no /myplex/account")
	}
	return a, err
}

func cve69414(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	t, err := p.transient(ctx, d)
	if err != nil {
		return err
	}
	a, err := p.myPlexAccount(ctx, t)
	if err != nil || a.denied() == nil {
		return err
	}
	if err := a.is(http.StatusOK); err != nil {
		return err
	}
	return p.hasNoToken(a, t.token)
}

func cve69415(ctx context.Context, p *probe) error {
	d, err := p.newDevice(ctx)
	if err != nil {
		return err
	}
	if _, err := p.myPlexAccount(ctx, d); err != nil {
		return err
	}
	if _, err := p.want(ctx, d.ask("DELETE", "/api/v2/users/signout"), http.StatusNoContent, http.StatusOK); err != nil {
		return err
	}
	a, err := p.send(ctx, d.askMedia("GET", "/myplex/account"))
	if err != nil {
		return err
	}
	return a.denied()
}

func cve69416(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	known := []plexauth.Secret{d.token}
	resources, err := p.want(ctx, d.ask("GET", "/api/v2/resources?includeHttps=1"), http.StatusOK)
	if err != nil {
		return err
	}
	list, err := resources.list()
	if err != nil {
		return err
	}
	for _, server := range list {
		token, _ := at(server, "accessToken").(string)
		p.hide(token)
		known = append(known, secret(token))
	}
	a, err := p.want(ctx, d.ask("GET", "/devices.xml"), http.StatusOK)
	if err != nil {
		return err
	}
	return p.hasNoToken(a, known...)
}

func cve69417(ctx context.Context, p *probe) error {
	other, err := p.other()
	if err != nil {
		return err
	}
	owner, err := p.account(ctx)
	if err != nil {
		return err
	}
	ids, err := p.ownedServers(ctx, owner)
	if err != nil {
		return err
	}
	found := false
	for _, id := range ids {
		path := "/api/servers/" + url.PathEscape(id) + "/shared_servers"
		a, err := p.send(ctx, owner.ask("GET", path))
		if err != nil {
			return err
		}
		if a.status == http.StatusNotFound {
			continue
		}
		found = true
		if a, err = p.send(ctx, other.ask("GET", path)); err != nil {
			return err
		}
		if a.denied() == nil {
			continue
		}
		if err := a.is(http.StatusOK); err != nil {
			return err
		}
		if err := p.hasNoToken(a, other.token); err != nil {
			return err
		}
	}
	if !found {
		return skipf("the server has no shared_servers of the account's servers")
	}
	return nil
}

// ownedServers returns the identifiers of the media server and of the servers that a
// device's account owns.
func (p *probe) ownedServers(ctx context.Context, d *device) ([]string, error) {
	id, err := p.machine(ctx)
	if err != nil {
		return nil, err
	}
	a, err := p.want(ctx, d.ask("GET", "/api/v2/resources"), http.StatusOK)
	if err != nil {
		return nil, err
	}
	list, err := a.list()
	if err != nil {
		return nil, err
	}
	ids := []string{id}
	for _, server := range list {
		if name, _ := at(server, "clientIdentifier").(string); at(server, "owned") == true && name != "" && name != id {
			ids = append(ids, name)
		}
	}
	return ids, nil
}

func pinHijack(ctx context.Context, p *probe) error {
	n, err := p.newPIN(ctx, false, nil)
	if err != nil {
		return err
	}
	thief := p.newClient()
	if err := p.refused(ctx, n.poll(thief), 1020, http.StatusNotFound); err != nil {
		return err
	}
	if err := p.link(ctx, n); err != nil {
		return err
	}
	if d, err := p.given(ctx, n); err == nil {
		p.later(d.ask("DELETE", "/api/v2/users/signout"))
	}
	for _, client := range []string{thief, ""} {
		a, err := p.send(ctx, request{path: fmt.Sprintf("/pins/%d.xml", n.id), client: client})
		if err != nil {
			return err
		}
		if err := a.denied(); err != nil {
			return err
		}
	}
	return p.refused(ctx, n.poll(thief), 1020, http.StatusNotFound)
}

func pinFixation(ctx context.Context, p *probe) error {
	n, err := p.newPIN(ctx, true, url.Values{"proofUrl": {"https://example.org/signed-in"}})
	if err != nil {
		return err
	}
	v, err := n.answer.value()
	if err != nil {
		return err
	}
	if at(v, "proofUrl") == nil {
		return skipf("the server has no proofs of PINs, which are an addition of usher")
	}
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.send(ctx, linkRequest(d, n))
	if err != nil {
		return err
	}
	if err := a.denied(); err != nil {
		return err
	}
	for _, r := range []request{n.poll(n.client), n.poll(n.client).with("X-Plex-Pin-Proof", "0123456789abcdefABCDEF")} {
		a, err := p.send(ctx, r)
		if err != nil {
			return err
		}
		if a.status != http.StatusOK {
			continue
		}
		if err := p.hasNoToken(a); err != nil {
			return err
		}
	}
	return nil
}

func transientLinks(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	t, err := p.transient(ctx, d)
	if err != nil {
		return err
	}
	n, err := p.newPIN(ctx, true, nil)
	if err != nil {
		return err
	}
	a, err := p.send(ctx, linkRequest(t, n))
	if err != nil {
		return err
	}
	return a.denied()
}

func homeFailOpen(ctx context.Context, p *probe) error {
	open, err := p.newKid(ctx, false)
	if err != nil {
		return err
	}
	closed, err := p.newKid(ctx, true)
	if err != nil {
		return err
	}
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	member, err := p.become(ctx, d, open, "")
	if err != nil {
		return err
	}
	if err := p.refused(ctx, member.switchTo(closed, ""), 1041, http.StatusForbidden); err != nil {
		return err
	}
	for _, pin := range []string{"pin=", "pin=0000", "pin=null", "pin=true", "pin=" + kidPIN + "0", "pin%5B%5D=" + kidPIN, "pin=%00"} {
		a, err := p.send(ctx, member.switchTo(closed, pin))
		if err != nil {
			return err
		}
		if err := a.denied(); err != nil {
			return err
		}
	}
	for _, pin := range []string{"", "pin=", "pin=0000"} { // each further one would be a wrong try
		a, err := p.send(ctx, member.switchToV1(closed, pin))
		if err != nil {
			return err
		}
		if err := a.denied(); err != nil {
			return err
		}
	}
	return nil
}

func homeLists(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	for _, path := range []string{"/api/v2/home/users", "/api/home/users", "/api/users"} {
		a, err := p.want(ctx, d.ask("GET", path), http.StatusOK)
		if err != nil {
			return err
		}
		if err := p.hasNoToken(a); err != nil {
			return err
		}
	}
	return nil
}

func tokenInURL(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	for _, r := range []request{
		d.ask("GET", "/api/v2/user"), d.ask("GET", "/api/v2/resources?includeHttps=1"), d.ask("GET", "/api/v2/home/users"),
		d.ask("GET", "/users/account.json"), d.ask("GET", "/devices.xml"), d.askMedia("GET", "/"),
	} {
		a, err := p.want(ctx, r, http.StatusOK)
		if err != nil {
			return err
		}
		bad := ""
		err = a.walk(func(name, text string) {
			address, err := url.Parse(text)
			if err != nil || address.Scheme == "" || address.Host == "" {
				return
			}
			if address.User != nil || strings.Contains(text, string(d.token)) ||
				strings.Contains(strings.ToLower(address.RawQuery+address.Fragment), "token=") {
				bad = name
			}
		})
		if err != nil {
			return err
		}
		if bad != "" {
			return a.errorf("the URL %s has a token in it", bad)
		}
	}
	return p.leaked
}

// locations are the headers of an answer that have URLs.
var locations = []string{"Location", "Content-Location", "Refresh", "Link"}

// leaks returns an error if a header of an answer has a URL with a token in it, as those
// of checks before may have.
func (p *probe) leaks(a *answer) error {
	for _, name := range locations {
		text := strings.Join(a.header.Values(name), " ")
		known := func(s string) bool { return len(s) >= minToken && strings.Contains(text, s) }
		if strings.Contains(strings.ToLower(text), "token=") || slices.ContainsFunc(p.secrets, known) {
			return a.errorf("the URL of the header %s has a token in it", name)
		}
	}
	return nil
}

// minToken is how long a secret is at least that is looked for in URLs. Codes of PINs are
// shorter, and are in links by design.
const minToken = 12

func errorEcho(ctx context.Context, p *probe) error {
	d := p.nobody()
	for _, r := range []request{
		d.ask("GET", "/api/v2/user"), d.ask("GET", "/api/v2/user").in("none"), d.ask("GET", "/users/account"), d.askMedia("GET", tokenPath),
		{path: "/api/v2/user", client: d.client, query: url.Values{"X-Plex-Token": {string(d.token)}}},
	} {
		a, err := p.send(ctx, r)
		if err != nil {
			return err
		}
		if bytes.Contains(a.body, []byte(d.token)) || strings.Contains(fmt.Sprint(a.header), string(d.token)) {
			return a.errorf("the answer repeats the token")
		}
	}
	return nil
}

// maxGuesses is how many guesses a server may take before it limits them.
const maxGuesses = 40

// limits returns an error unless wrong guesses are limited in the end: by 429, or 401
// with code 1031.
func (p *probe) limits(ctx context.Context, guess func(i int) request) error {
	what := ""
	for i := range maxGuesses {
		a, err := p.send(ctx, guess(i))
		if err != nil {
			return err
		}
		if a.status == http.StatusTooManyRequests || a.status == http.StatusUnauthorized && a.hasCode(1031) == nil {
			return nil
		}
		if a.status < 400 || a.status >= 500 {
			return a.errorf("a guess is answered by status %d", a.status)
		}
		what = a.what
	}
	return fmt.Errorf("%s: %d guesses were looked at", what, maxGuesses)
}

func guessLinkCode(ctx context.Context, p *probe) error {
	// The code of a PIN that is linked already is wrong, and no other device's.
	n, err := p.newPIN(ctx, false, nil)
	if err != nil {
		return err
	}
	if err := p.link(ctx, n); err != nil {
		return err
	}
	if d, err := p.given(ctx, n); err == nil {
		p.later(d.ask("DELETE", "/api/v2/users/signout"))
	}
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	return p.limits(ctx, func(int) request { return linkRequest(d, n) })
}

func guessHomePIN(ctx context.Context, p *probe) error {
	kid, err := p.newKid(ctx, true)
	if err != nil {
		return err
	}
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	err = p.limits(ctx, func(i int) request { return d.switchTo(kid, fmt.Sprintf("pin=%04d", i)) })
	if err != nil {
		return err
	}
	a, err := p.send(ctx, d.switchTo(kid, "pin="+kidPIN))
	if err == nil && a.status < 400 {
		err = a.errorf("the right PIN is taken during the wait")
	}
	return err
}

func guessPassword(ctx context.Context, p *probe) error {
	client := p.newClient()
	return p.limits(ctx, func(i int) request {
		return p.signIn(client, "nobody-"+p.run, fmt.Sprintf("%s %d", wrong, i))
	})
}
