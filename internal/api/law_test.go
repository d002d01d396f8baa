package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/server"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// The law of reach: no answer contains a secret that reaches further or lives
// longer than the secret of the request, through any chain of requests.
//
// law sends requests to all routes, of the API and of the pages, with a secret. It starts
// PINs, links them, polls them and requests pictures of their codes, asks for every source,
// and tries to consent and to be redirected. Anything in the body, a header or an address
// of a response that works as a secret is a secret that the first one led to. The law sends
// requests with it in turn. When the first secret is revoked, all of them must be invalid,
// and so must everything that was started with them. No user consents to anything in the
// meantime, except to the PIN in consented.
//
// A secret of another account violates the law, too, except for switches within a home. The
// admin's home has the member, a managed user, and a user with a PIN. The law tries to
// switch to every user without the right PIN.
type law struct {
	*fixture
	*testing.T
	handler http.Handler
	rows    []lawRow
	shares  []lawRow // about shares, friends and invitations
	sources []string
	// first is the root of all secrets, and powers lists the routes that accept it.
	first  plexauth.Secret
	powers map[string]bool
	// consented is a PIN that its user has consented to in a browser, and whose
	// proof has not been used yet.
	consented lawPIN
	pins      []lawPIN            // every PIN that was started
	keys      []lawKey            // every device key that was registered
	keyed     map[string]bool     // secrets that one was registered with
	between   []string            // numbers of accounts, shares and invitations, none of which the walk removes
	nobodies  int                 // number of invited names without an account
	section   string              // of den
	kid       string              // the number of the managed user
	stranger  stranger            // the account that the walk removes
	shared    map[string]bool     // kinds of secret used for requests about shares
	worked    map[lawRow]bool     // rows about shares that succeeded
	home      map[string]bool     // rows about homes, with the kinds of secret used for them
	managed   map[string]bool     // kinds of managed users' secrets that were followed
	may       map[int64]bool      // accounts whose secrets are allowed
	read      map[string]bool     // answers
	seen      map[string]bool     // parts of them
	wrong     map[string]struct{} // the violations
	// heard, if it is not nil, is called with each response: the secret and the path of the
	// request, and the secrets in the response that were not seen before.
	heard func(f found, path string, status int, said string, fresh []found)
}

// lawRow is a route.
type lawRow struct {
	method, path string
	page         bool
}

// lawPIN is a PIN, with the client that started it.
type lawPIN struct {
	id     int64
	code   string
	client string
}

// lawKey is a device key, and the token that registered it.
type lawKey struct {
	*deviceKey
	by found
}

// stranger is an account that shares den and has mutual invitations with the admin and the
// member. Removing it does not affect what the law checks.
type stranger struct {
	account.Account
	changed bool    // some of that was removed or accepted
	share   int64   // the number of its share
	invites []int64 // the numbers of the invitations
}

// ofManaged is the suffix of the kinds of managed users' secrets.
const ofManaged = " of a managed user"

// found is a secret, and how it was obtained.
type found struct {
	secret plexauth.Secret
	kind   string // its kind, for the law
	how    string
	// pin is the number of the PIN that it polls or links, or 0.
	pin int64
}

// newLaw prepares a walk with a token. change may wrap the handler: it plants leaks that
// the law must detect.
func newLaw(t *testing.T, w *fixture, first plexauth.Secret, change func(http.Handler) http.Handler) *law {
	t.Helper()
	l := &law{
		fixture: w, T: t, first: first, handler: server.New(w.Core.Core, server.Config{MediaJWT: true}).Handler(),
		sources: []string{"server://den", "server://self", "provider://den"},
		read:    make(map[string]bool), seen: map[string]bool{string(first): true}, wrong: make(map[string]struct{}), keyed: make(map[string]bool), home: make(map[string]bool), managed: make(map[string]bool),
		shared: make(map[string]bool), worked: make(map[lawRow]bool),
	}
	kid, locked := w.house(t)
	if err := w.Homes.Join(t.Context(), operator, 1, 2, false); err != nil {
		t.Fatal(err)
	}
	l.invite(kid)
	if change != nil {
		l.handler = change(l.handler)
	}
	for _, row := range api.Rows() {
		switch r := (lawRow{row.Method, row.Path, false}); {
		case sharing(row.Path):
			l.shares = append(l.shares, r)
		case !slices.Contains([]string{"/api/v2/users/signout", "/devices/{id}"}, row.Path):
			l.rows = append(l.rows, r)
		}
	}
	l.rows = append(l.rows, pageRows(t)...)
	l.powers = w.powers(t, first)
	p, err := w.Tokens.Verify(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	l.may = map[int64]bool{p.AccountID: true, kid.ID: true, locked.ID: p.Admin}
	l.consent(audit.Actor{AccountID: p.AccountID})
	return l
}

// only keeps the chosen routes, and drops those about shares.
func (l *law) only(chosen func(lawRow) bool) {
	l.rows = slices.DeleteFunc(l.rows, func(row lawRow) bool { return !chosen(row) })
	l.shares = nil
}

// sharing reports whether a path is about shares or invitations.
func sharing(path string) bool {
	for _, part := range []string{"/api/servers/", "/api/invites/", "/shared_servers", "/sharings", "/friends", "/api/v2/servers/"} {
		if strings.Contains(path, part) {
			return true
		}
	}
	return false
}

// pageRows lists the rows of the pages. Of those that change something, it has only the
// ones that can lead to a secret.
func pageRows(t *testing.T) (rows []lawRow) {
	t.Helper()
	text, err := os.ReadFile("../web/testdata/pages.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		method, path := fields[0], fields[1]
		if method == http.MethodGet || slices.Contains([]string{"/auth/consent", "/link", "/auth/sign-in", "/setup"}, path) {
			rows = append(rows, lawRow{method, strings.TrimSuffix(path, "{$}"), true})
		}
	}
	if len(rows) < 15 {
		t.Fatalf("there are only %d pages", len(rows))
	}
	return rows
}

// consent makes the user consent to a PIN that requires a proof.
func (l *law) consent(person audit.Actor) {
	l.Helper()
	d := device.Device{ClientIdentifier: "consented", Address: "192.0.2.1"}
	p, err := l.PINs.Start(l.Context(), d, true, "https://app.example.org/back")
	if err == nil {
		err = l.PINs.Link(l.Context(), person, p.Code)
	}
	if err != nil {
		l.Fatal(err)
	}
	l.consented = lawPIN{p.ID, p.Code, "consented"}
}

// violate records a violation.
func (l *law) violate(format string, args ...any) {
	l.wrong[fmt.Sprintf(format, args...)] = struct{}{}
}

// follow walks with the first secret and with those that it leads to, up to a depth. It
// returns all secrets found.
func (l *law) follow(depth int) (all []found) {
	frontier := []found{{secret: l.first, kind: "first", how: "the first"}}
	for range depth {
		var next []found
		compared := make(map[string]bool)
		for _, f := range frontier {
			kinds := make(map[string]bool)
			for _, g := range l.walk(f) {
				all = append(all, g)
				// One of each kind is enough to continue with, and a transient
				// token of a transient token is nothing new. What a managed
				// user gets is the same, however the switch happened.
				if !kinds[g.kind] && !l.managed[g.kind] && (g.kind != f.kind || g.kind == token.Access.String()) {
					kinds[g.kind] = true
					l.managed[g.kind] = strings.HasSuffix(g.kind, ofManaged)
					next = append(next, g)
					if !compared[g.kind] {
						compared[g.kind] = true
						l.compare(g)
					}
				}
			}
		}
		frontier = next
	}
	return append(all, l.exchangeKeys()...)
}

// register registers a device key with a secret, once.
func (l *law) register(f found) {
	l.Helper()
	p, err := l.Tokens.Verify(l.Context(), f.secret)
	if err != nil || l.keyed[string(f.secret)] {
		return
	}
	l.keyed[string(f.secret)] = true
	stored, err := l.Tokens.Get(l.Context(), p.TokenID)
	if err != nil {
		l.Fatal(err)
	}
	k := l.newKey(l.T, stored.Device.ClientIdentifier)
	if status, _ := k.register(l.T, f.secret); status == http.StatusCreated {
		l.keys = append(l.keys, lawKey{k, f})
	}
}

// exchangeKeys exchanges the device keys, and walks with the JWTs. It leaves out a key that
// the first secret registered: the key's first JWT would revoke that secret.
func (l *law) exchangeKeys() (all []found) {
	l.Helper()
	for _, k := range l.keys {
		if k.by.secret == l.first {
			continue
		}
		g := found{secret: k.exchange(l.T), kind: token.JWT.String(), how: k.by.how + ", a device key"}
		l.seen[string(g.secret)] = true
		l.compare(g)
		all = append(all, g)
		all = append(all, l.walk(g)...)
	}
	return all
}

// compare checks that a secret can do nothing that the first one cannot do. It skips
// registering a device key, which a JWT can do only with a proof. The walk follows such a
// key's secrets, and they must be revoked like everything else.
func (l *law) compare(g found) {
	for can := range l.fixture.powers(l.T, g.secret) {
		if !l.powers[can] && can != "POST /api/v2/auth/jwk" {
			l.violate("%s gives a secret that can %s, which the first cannot", g.how, can)
		}
	}
}

// walk requests every route with a secret, twice: the second time, the results of the first
// time exist. A path without a PIN is then requested only once. If the answer does not
// depend on a PIN or a source, it is requested once each time, unless the walk is deep.
func (l *law) walk(f found) (all []found) {
	started, given := l.startPINs(f)
	all = append(all, given...)
	started = append(started, l.consented)
	for again := range 2 {
		for _, row := range l.rows {
			for i, p := range started {
				if again == 1 && i > 0 && !strings.Contains(row.path, "{") && !strings.HasPrefix(row.path, "/auth") {
					break
				}
				if i > 0 && !*deep && !varies(row) {
					break
				}
				all = append(all, l.askRow(f, row, p, l.sources[i%len(l.sources)])...)
			}
		}
	}
	for _, p := range started {
		l.picture(f, p)
	}
	return append(all, l.askOfShares(f)...)
}

// varies reports whether an answer depends on the PIN or source in the request.
func varies(row lawRow) bool {
	return slices.ContainsFunc([]string{"/pins", "/auth", "/link", "/security/", "{code}"}, func(part string) bool {
		return strings.Contains(row.path, part)
	})
}

// startPINs starts a PIN of each kind, like an attacker with the secret.
func (l *law) startPINs(f found) (started []lawPIN, all []found) {
	l.Helper()
	for _, path := range []string{
		"/api/v2/pins?strong=false", "/api/v2/pins?strong=true", "/pins.json",
		"/api/v2/pins?strong=true&proofUrl=https://thief.example.org/",
	} {
		client := fmt.Sprint("thief ", len(l.pins))
		res := l.ask(f, http.MethodPost, path, client, false, nil)
		var p struct {
			ID   int64
			Code string
			PIN  struct {
				ID   int64
				Code string
			}
		}
		body := readAll(l.T, res)
		if err := json.Unmarshal([]byte(body), &p); err != nil || res.StatusCode != http.StatusCreated {
			l.Fatalf("POST %s: %d %s: %v", path, res.StatusCode, body, err)
		}
		pin := lawPIN{max(p.ID, p.PIN.ID), p.Code + p.PIN.Code, client}
		started, l.pins = append(started, pin), append(l.pins, pin)
		all = append(all, l.collect(f, "POST "+path, res, body)...)
	}
	return started, all
}

// askRow requests a route in every format, with all values of a PIN and of a source that it
// may need.
func (l *law) askRow(f found, row lawRow, p lawPIN, src string) (all []found) {
	switch {
	case row.method == http.MethodPost && strings.HasSuffix(row.path, "/pins"):
		return nil // startPINs has requested it
	case row.path == "/api/v2/auth/jwk":
		l.register(f)
		return nil
	case strings.Contains(row.path, "/home") || row.path == "/api/users":
		asked := row.method + row.path + f.kind
		if l.home[asked] {
			return nil
		}
		if l.home[asked] = true; strings.HasSuffix(row.path, "/switch") {
			return l.become(f, row.path)
		}
	}
	if strings.Contains(row.path, "/pins/") {
		f.pin = p.id
	}
	path := strings.NewReplacer("{id}", fmt.Sprint(p.id), "{code}", p.code, "{uuid}", "x", "{passkey}", "1").Replace(row.path)
	form := url.Values{
		"code": {p.code}, "pin": {p.code}, "clientID": {p.client}, "decision": {"allow"}, "source": {src},
		"type": {"delegation"}, "scope": {"all"}, "login": {"member"}, "password": {string(f.secret)}, "key": {string(f.secret)},
	}
	suffixes := []string{"", ".xml", ".json"}
	if row.page || row.path == "/" {
		suffixes = suffixes[:1]
	}
	for _, suffix := range suffixes {
		res := l.ask(f, row.method, path+suffix, p.client, row.page, form)
		all = append(all, l.collect(f, row.method+" "+row.path+suffix, res, readAll(l.T, res))...)
	}
	return all
}

// askOfShares requests every route about shares, with one secret of each kind. If the first
// round changed anything, a second one follows, which accepts pending invitations.
func (l *law) askOfShares(f found) (all []found) {
	if l.shared[f.kind] {
		return nil
	}
	l.shared[f.kind] = true
	changed := false
	for again := range 2 {
		if again == 1 && !changed {
			break
		}
		for _, row := range l.shares {
			found, done := l.askOfShare(f, row)
			all, changed = append(all, found...), changed || done && row.method != http.MethodGet
			l.worked[row] = l.worked[row] || done
		}
	}
	return all
}

// askOfShare requests a route about shares: for the servers of the admin, one of which is
// shared with the member, for that share, for each invitation, and for each account. It
// invites the member, and a managed user, who need not accept. It removes only the
// stranger's objects. It reports whether any request succeeded.
func (l *law) askOfShare(f found, row lawRow) (all []found, done bool) {
	ids, share, suffixes := l.between, l.between[0], []string{""}
	switch {
	case row.method == http.MethodDelete:
		ids, share = l.strange()
	case accepts(row):
		strange, _ := l.strange()
		ids = slices.Concat(ids, strange)
	case row.method == http.MethodGet && strings.HasPrefix(row.path, "/api/v2/"):
		suffixes = []string{"", ".xml"} // the first is JSON
	case row.method == http.MethodGet:
		suffixes = []string{"", ".json"} // the first is XML
	}
	switch {
	case strings.Contains(row.path, "/servers/{id}"):
		ids = []string{"den", "self"}
	case !strings.Contains(row.path, "{"):
		ids = []string{""}
	}
	for _, id := range ids {
		path := strings.NewReplacer("{id}", id, "{share}", share).Replace(row.path)
		for _, form := range l.wishes(row) {
			for _, suffix := range suffixes {
				res := l.ask(f, row.method, path+suffix, "thief of shares", false, form)
				done = done || res.StatusCode < 300
				all = append(all, l.collect(f, row.method+" "+path+suffix, res, readAll(l.T, res))...)
			}
		}
	}
	l.stranger.changed = l.stranger.changed || done && (row.method == http.MethodDelete || accepts(row))
	return all, done
}

// accepts reports whether a route accepts invitations.
func accepts(row lawRow) bool {
	return strings.HasSuffix(row.path, "/accept") || row.method == http.MethodPut && strings.HasPrefix(row.path, "/api/invites/")
}

// wishes returns the forms for a route about shares. Routes that invite an account have a
// form for each kind of account, and one for an unknown name, whose invitation is always
// new.
func (l *law) wishes(row lawRow) []url.Values {
	member := url.Values{
		"shared_server[invited_email]": {"member"}, "invitedEmail": {"member"}, "identifier": {"member"}, "machineIdentifier": {"den"},
		"shared_server[library_section_ids][]": {l.section}, "librarySectionIds[]": {l.section},
	}
	if row.method != http.MethodPost || !strings.HasSuffix(row.path, "/shared_servers") && !strings.HasSuffix(row.path, "/invite") {
		return []url.Values{member}
	}
	l.nobodies++
	nobody := maps.Clone(member)
	for _, name := range []string{"shared_server[invited_email]", "invitedEmail", "identifier"} {
		nobody[name] = []string{fmt.Sprint("nobody", l.nobodies)}
	}
	kid := url.Values{"shared_server[invited_id]": {l.kid}, "invitedId": {l.kid}, "machineIdentifier": {"den"}}
	return []url.Values{member, kid, nobody}
}

// invite adds a section to den and a share of it, an invitation in each direction between
// the admin and the member, and the stranger.
func (l *law) invite(kid account.Account) {
	l.Helper()
	den := l.den()
	l.kid = fmt.Sprint(kid.ID)
	films, err := l.Sources.AddSection(l.Context(), operator, den, source.Section{Title: "Films"})
	if err != nil {
		l.Fatal(err)
	}
	l.section = fmt.Sprint(films.ID)
	l.between = []string{fmt.Sprint(l.share(den, 2)), "1", "2"}
	for _, pair := range [][2]int64{{1, 2}, {2, 1}} {
		l.between = append(l.between, fmt.Sprint(l.inviteTo(pair)))
	}
	l.stranger = stranger{Account: l.Add("stranger"), changed: true}
}

// den is the server of the admin.
func (l *law) den() source.Source {
	l.Helper()
	den, err := l.Sources.Find(l.Context(), source.Ref{Kind: source.Server, Identifier: "den"})
	if err != nil {
		l.Fatal(err)
	}
	return den
}

// share shares a server with an account, unless it is shared already, and returns the
// share's number.
func (l *law) share(src source.Source, accountID int64) int64 {
	l.Helper()
	if err := l.Sources.Share(l.Context(), operator, src, accountID); err != nil && !errors.Is(err, source.ErrShared) {
		l.Fatal(err)
	}
	shares, err := l.Sources.SharesOfServer(l.Context(), src.ID)
	i := slices.IndexFunc(shares, func(s source.Shared) bool { return s.AccountID == accountID })
	if err != nil || i < 0 {
		l.Fatalf("the shares are %v, %v", shares, err)
	}
	return shares[i].Number
}

// inviteTo has an account invite another to be a friend, and returns the number.
func (l *law) inviteTo(pair [2]int64) int64 {
	l.Helper()
	to, err := l.Accounts.Get(l.Context(), pair[1])
	if err != nil {
		l.Fatal(err)
	}
	i, err := l.Friends.Invite(l.Context(), operator, pair[0], friend.Wish{Name: to.Username})
	if err != nil {
		l.Fatal(err)
	}
	return i.Number
}

// strange returns the numbers of the stranger's removable objects, and that of
// its share. It restores what was removed or accepted.
func (l *law) strange() (ids []string, share string) {
	l.Helper()
	s := &l.stranger
	if s.changed {
		s.changed = false
		for id := range int64(2) {
			if err := l.Friends.Remove(l.Context(), operator, id+1, s.ID); err != nil && !errors.Is(err, friend.ErrNotFound) {
				l.Fatal(err)
			}
		}
		s.share = l.share(l.den(), s.ID)
		s.invites = nil
		for _, pair := range [][2]int64{{1, s.ID}, {s.ID, 1}, {2, s.ID}, {s.ID, 2}} {
			s.invites = append(s.invites, l.inviteTo(pair))
		}
	}
	ids = []string{fmt.Sprint(s.share), fmt.Sprint(s.ID)}
	for _, number := range s.invites {
		ids = append(ids, fmt.Sprint(number))
	}
	return ids, ids[0]
}

// become switches to every user of the home, without a PIN and with a wrong one, on a
// separate device.
func (l *law) become(f found, path string) (all []found) {
	client := fmt.Sprint("thief at home ", len(l.home))
	for id := range 4 {
		for _, pin := range []string{"", "0000"} {
			to := strings.ReplaceAll(path, "{id}", fmt.Sprint(id+1)) + "?pin=" + pin
			res := l.ask(f, http.MethodPost, to, client, false, nil)
			all = append(all, l.collect(f, "POST "+to, res, readAll(l.T, res))...)
		}
	}
	return all
}

// ask sends a request with the secret in every place that may hold one.
func (l *law) ask(f found, method, path, client string, page bool, form url.Values) *http.Response {
	l.Helper()
	target := path
	if form != nil {
		target += "?" + form.Encode()
	}
	req := httptest.NewRequestWithContext(l.Context(), method, "http://usher.example.org"+target, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Plex-Client-Identifier", client)
	req.Header.Set("Origin", "http://usher.example.org")
	if f.secret != "" {
		req.Header.Set("X-Plex-Token", string(f.secret))
		req.Header.Set("Authorization", "Bearer "+string(f.secret))
		req.Header.Set("X-Plex-Pin-Proof", string(f.secret))
		req.AddCookie(&http.Cookie{Name: "usher_session", Value: string(f.secret)})
	}
	req.Header.Set("Accept", "application/json")
	if page {
		req.Header.Set("Accept", "text/html")
	}
	rec := httptest.NewRecorder()
	l.handler.ServeHTTP(rec, req)
	return rec.Result()
}

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// words splits a text into the parts that could be secrets. Secrets are never short.
func words(text, separators string) (list []string) {
	begin := 0
	for i := range len(text) + 1 {
		if i < len(text) && (isAlphanumeric(text[i]) || strings.IndexByte(separators, text[i]) >= 0) {
			continue
		}
		if i-begin >= 16 {
			list = append(list, text[begin:i])
		}
		begin = i + 1
	}
	return list
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// texts returns a text with its decoded forms.
func texts(text string) []string {
	list := []string{text, html.UnescapeString(text)}
	if plain, err := url.QueryUnescape(text); err == nil {
		list = append(list, plain)
	}
	for _, word := range words(text, "_+/-") {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if plain, err := encoding.DecodeString(word); err == nil {
				list = append(list, string(plain))
			}
		}
	}
	return list
}

// collect returns the secrets in an answer that were not seen before.
func (l *law) collect(f found, path string, res *http.Response, body string) (all []found) {
	l.Helper()
	var headers strings.Builder
	if err := res.Header.Write(&headers); err != nil {
		l.Fatal(err)
	}
	for _, said := range []string{headers.String(), body} {
		if l.read[said] {
			continue
		}
		l.read[said] = true
		for _, text := range texts(said) {
			for _, word := range slices.Concat(words(text, ""), words(text, "_-"), words(text, "_-.")) {
				if l.seen[word] {
					continue
				}
				l.seen[word] = true
				if kind := l.kind(plexauth.Secret(word)); kind != "" {
					all = append(all, found{secret: plexauth.Secret(word), kind: kind, how: f.how + ", " + path})
				} else if len(word) == 22 {
					all = append(all, l.bring(f, path, word)...)
				}
			}
		}
	}
	if l.heard != nil {
		l.heard(f, path, res.StatusCode, headers.String()+body, all)
	}
	return all
}

// bring polls with a possible proof of a PIN.
func (l *law) bring(f found, path, proof string) (all []found) {
	l.Helper()
	for _, p := range append(l.pins, l.consented) {
		poll := fmt.Sprint("/api/v2/pins/", p.id)
		res := l.ask(found{secret: plexauth.Secret(proof)}, http.MethodGet, poll, p.client, false, nil)
		f.pin = p.id
		all = append(all, l.collect(f, path+", "+poll, res, readAll(l.T, res))...)
	}
	return all
}

// kind returns the kind of a secret, or "" for other texts.
func (l *law) kind(text plexauth.Secret) string {
	l.Helper()
	p, err := l.Tokens.Verify(l.Context(), text)
	if err == nil {
		if !l.may[p.AccountID] {
			l.violate("there is a secret of account %d", p.AccountID)
		}
		kind := p.Kind.String()
		if p.SourceID != 0 {
			kind = fmt.Sprint(p.Kind, " for source ", p.SourceID)
		}
		if p.AccountID > 2 {
			kind += ofManaged
		}
		return kind
	}
	if !errors.Is(err, token.ErrInvalid) && !errors.Is(err, token.ErrExpired) {
		l.Fatal(err)
	}
	if _, err := l.Sessions.Find(l.Context(), text, "192.0.2.1"); err == nil {
		return "session"
	} else if !errors.Is(err, session.ErrNotFound) {
		l.Fatal(err)
	}
	return ""
}

// picture checks that the picture of a code contains only the code, for every caller.
func (l *law) picture(f found, p lawPIN) {
	l.Helper()
	path := "/api/v2/pins/qr/" + p.code
	mine := readAll(l.T, l.ask(f, http.MethodGet, path, p.client, false, nil))
	if nobodys := readAll(l.T, l.ask(found{}, http.MethodGet, path, "another", false, nil)); mine != nobodys || mine == "" {
		l.violate("the picture of a code depends on the caller")
	}
}

// dead checks, after the first secret was revoked, that no secret found works, and that
// nothing that was started leads to a secret.
func (l *law) dead(all []found) {
	l.Helper()
	if l.kind(l.first) != "" {
		l.Fatal("the first secret is still valid")
	}
	tried := make(map[string]bool)
	for _, g := range all {
		if l.kind(g.secret) != "" {
			l.violate("%s gives a secret that outlives the first", g.how)
		}
		if !tried[g.kind] {
			tried[g.kind] = true
			for can := range l.fixture.powers(l.T, g.secret) {
				l.violate("%s gives a secret that can still %s", g.how, can)
			}
		}
	}
	for _, k := range l.keys {
		if status, body := k.offer(l.T, k.jwt(k.header(), k.claims(k.nonce(l.T)))); status == http.StatusOK {
			l.violate("%s gives a device key that outlives the first: %s", k.by.how, body)
		}
	}
	clear(l.read)
	clear(l.seen)
	for _, row := range l.rows {
		for _, p := range append(l.pins, l.consented) {
			if !strings.Contains(row.path, "/pins") && !strings.HasPrefix(row.path, "/auth") {
				continue
			}
			for _, f := range []found{{how: "nobody"}, {secret: l.first, how: "the dead first"}} {
				for _, g := range l.askRow(f, row, p, l.sources[0]) {
					l.violate("%s gives a secret that outlives the first", g.how)
				}
			}
		}
	}
}

// report fails the test for each violation.
func (l *law) report() {
	l.Helper()
	for _, what := range slices.Sorted(maps.Keys(l.wrong)) {
		l.Error(what)
	}
}

// end is a way to revoke a secret.
type end = func(*testing.T, *fixture, token.Principal)

// first is a secret that chains begin with.
type first struct {
	mint func(*testing.T, *fixture) plexauth.Secret
	// depth is how many requests a chain has.
	depth int
	// ends are the ways to revoke a secret, by name.
	ends map[string]end
}

// firsts are the secrets that chains begin with, by name.
func firsts() map[string]first {
	access := func(name string) func(*testing.T, *fixture) plexauth.Secret {
		return func(t *testing.T, w *fixture) plexauth.Secret { return w.signIn(t, name) }
	}
	self := func(t *testing.T, w *fixture) plexauth.Secret { return w.serverToken(t, w.signIn(t, "admin"), "self") }
	revoke := func(t *testing.T, w *fixture, p token.Principal) {
		if err := w.Tokens.Revoke(t.Context(), operator, p.TokenID); err != nil {
			t.Fatal(err)
		}
	}
	expire := func(_ *testing.T, w *fixture, _ token.Principal) { w.Clock.Advance(48 * time.Hour) }
	weekOver := func(_ *testing.T, w *fixture, _ token.Principal) { w.Clock.Advance(7 * 24 * time.Hour) }
	jwt := func(name string) func(*testing.T, *fixture) plexauth.Secret {
		return func(t *testing.T, w *fixture) plexauth.Secret {
			_, jwt := w.keyed(t, name, "player")
			return jwt
		}
	}
	return map[string]first{
		"access, admin":  {access("admin"), 3, map[string]end{"revoked": revoke}},
		"access, member": {access("member"), 3, map[string]end{"revoked": revoke}},
		"access": {access("member"), 2, map[string]end{
			"device revoked": func(t *testing.T, w *fixture, p token.Principal) {
				if err := w.Tokens.RevokeDevice(t.Context(), operator, p.AccountID, p.DeviceID); err != nil {
					t.Fatal(err)
				}
			},
			"evicted by ten sign-ins": func(t *testing.T, w *fixture, _ token.Principal) {
				for range token.PerDevice {
					w.Clock.Advance(time.Minute)
					w.signIn(t, "member")
				}
			},
			"account disabled": func(t *testing.T, w *fixture, p token.Principal) {
				if err := w.Accounts.Disable(t.Context(), operator, p.AccountID); err != nil {
					t.Fatal(err)
				}
			},
			"account removed": func(t *testing.T, w *fixture, p token.Principal) {
				if err := w.Accounts.Remove(t.Context(), operator, p.AccountID); err != nil {
					t.Fatal(err)
				}
			},
		}},
		"transient, admin": {func(t *testing.T, w *fixture) plexauth.Secret {
			return w.transient(t, w.signIn(t, "admin"))
		}, 2, map[string]end{"expired": expire, "parent revoked": revoke}},
		"transient, member": {func(t *testing.T, w *fixture) plexauth.Secret {
			return w.transient(t, w.signIn(t, "member"))
		}, 2, map[string]end{"expired": expire}},
		"server token for here, admin": {self, 2, map[string]end{"revoked": revoke}},
		"server token for here, member": {func(t *testing.T, w *fixture) plexauth.Secret {
			return w.serverToken(t, w.signIn(t, "member"), "self")
		}, 2, map[string]end{"revoked": revoke}},
		"server token for elsewhere": {func(t *testing.T, w *fixture) plexauth.Secret {
			return w.serverToken(t, w.signIn(t, "admin"), "den")
		}, 2, map[string]end{"revoked": revoke, "the server removed": func(t *testing.T, w *fixture, _ token.Principal) {
			if err := w.Sources.Remove(t.Context(), operator, source.Ref{Kind: source.Server, Identifier: "den"}); err != nil {
				t.Fatal(err)
			}
		}}},
		"transient of a server token": {func(t *testing.T, w *fixture) plexauth.Secret {
			return w.transient(t, self(t, w))
		}, 2, map[string]end{"expired": expire, "parent revoked": revoke}},
		"transient for another source": {func(t *testing.T, w *fixture) plexauth.Secret {
			return w.sourceToken(t, w.signIn(t, "admin"))
		}, 2, map[string]end{"expired": expire}},
		"JWT, admin":  {jwt("admin"), 2, map[string]end{"expired": weekOver, "device key revoked": revoke}},
		"JWT, member": {jwt("member"), 2, map[string]end{"expired": weekOver, "device key revoked": revoke}},
		"transient of a JWT": {func(t *testing.T, w *fixture) plexauth.Secret {
			return w.transient(t, jwt("admin")(t, w))
		}, 1, map[string]end{"expired": weekOver}},
		"server token of a JWT": {func(t *testing.T, w *fixture) plexauth.Secret {
			return w.serverToken(t, jwt("member")(t, w), "self")
		}, 1, map[string]end{"expired": weekOver}},
	}
}

// deep is a flag because the whole walk takes minutes, and far more with the race detector.
// "make reach" sets it.
var deep = flag.Bool("deep", false, "follow chains of secrets one or two requests further, with every PIN at every route and to every end, "+
	"also those that leaks are planted in")

// steps returns how many requests of a chain are followed. An admin's secret leads to the
// same kinds of secrets in two requests as a member's does.
func (f first) steps(name string) int {
	switch {
	case *deep:
		return f.depth
	case name == "access, member":
		return f.depth - 1
	}
	return 1
}

// tells reports whether answers of a route contain secrets.
func tells(row lawRow) bool {
	return slices.Contains(telling, row) || varies(row) || strings.HasSuffix(row.path, "/switch") || strings.HasSuffix(row.path, "/jwk")
}

func TestLawOfReach(t *testing.T) {
	kinds, worked := make(map[string]bool), make(map[lawRow]bool)
	for name, first := range firsts() {
		for i, end := range slices.Sorted(maps.Keys(first.ends)) {
			t.Run(name+", "+end, func(t *testing.T) {
				w := newFixture(t, func(c *config) { c.API.MediaJWT = true })
				l := newLaw(t, w, first.mint(t, w), nil)
				if i > 0 && !*deep {
					l.only(tells) // the whole walk was done with another way to revoke
				}
				all := l.follow(first.steps(name))
				for _, g := range all {
					kinds[g.kind] = true
				}
				for row, did := range l.worked {
					worked[row] = worked[row] || did
				}
				p, err := w.Tokens.Verify(t.Context(), l.first)
				if err != nil {
					t.Fatal(err)
				}
				first.ends[end](t, w, p)
				l.dead(all)
				l.report()
				t.Logf("%d secrets", len(all))
			})
		}
	}
	// Otherwise the walk does not test what it is meant to test.
	for _, kind := range []string{"access", "server for source 1", "server for source 2", "transient", "transient for source 3", "jwt", "access of a managed user",
		"transient of a managed user"} {
		if !kinds[kind] {
			t.Errorf("no chain led to a secret of the kind %q, only to %v", kind, slices.Sorted(maps.Keys(kinds)))
		}
	}
	for row, did := range worked {
		if !did {
			t.Errorf("no chain could %s %s", row.method, row.path)
		}
	}
}

// plant may answer a request differently, and reports whether it did.
type plant func(*law, http.ResponseWriter, *http.Request, token.Principal) bool

// leakOfShares is a way to break the law that is visible to the named account.
type leakOfShares struct {
	name, by string
	plant
}

// leak is a way to break the law. It states how deep in a chain the leak is visible, and a
// part of the paths where it is: these paths are enough to find it.
type leak struct {
	name  string
	depth int
	at    string
	plant
}

// another returns a token of the account that has no parent. It needs no sign-in, because a
// managed user has no password.
func (l *law) another(accountID int64) (tok plexauth.Secret) {
	l.Helper()
	err := l.DB.Write(l.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		tok, _, err = l.Tokens.AddNew(ctx, tx, operator, accountID, token.Parent{}, device.Device{ClientIdentifier: "leak"})
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	return tok
}

// leakSwitch answers a switch with a different token of an account.
func (l *law) leakSwitch(w http.ResponseWriter, r *http.Request, accountID int64) bool {
	l.Helper()
	if !strings.HasSuffix(r.URL.Path, "/switch") {
		return false
	}
	_, _ = io.WriteString(w, string(l.another(accountID)))
	return true
}

// leakServer responds with an account's token for den, obtained by signing in as that
// account.
func (l *law) leakServer(w http.ResponseWriter, name string) bool {
	l.Helper()
	_, _ = io.WriteString(w, string(l.serverToken(l.T, l.signIn(l.T, name), "den")))
	return true
}

// linkAsPerson links a PIN as if a user had consented.
func (l *law) linkAsPerson(r *http.Request, p token.Principal) {
	_ = l.PINs.Link(l.Context(), audit.Actor{AccountID: p.AccountID}, r.FormValue("code"))
}

// leaks are planted in responses to a member.
var leaks = []leak{
	{"a token links as a person", 1, "/pins", func(l *law, _ http.ResponseWriter, r *http.Request, p token.Principal) bool {
		if r.URL.Path == "/api/v2/pins/link" {
			l.linkAsPerson(r, p)
		}
		return false
	}},
	{"a token of the second generation links as a person", 2, "", func(l *law, _ http.ResponseWriter, r *http.Request, p token.Principal) bool {
		if r.URL.Path == "/api/v2/pins/link" && r.Header.Get("X-Plex-Token") != string(l.first) && p.ActsForAccount() {
			l.linkAsPerson(r, p)
		}
		return false
	}},
	{"a server token links as a person", 2, "", func(l *law, _ http.ResponseWriter, r *http.Request, p token.Principal) bool {
		if r.URL.Path == "/api/v2/pins/link" && p.Kind == token.Server {
			l.linkAsPerson(r, p)
		}
		return false
	}},
	{"a transient token of another token", 2, "", func(l *law, w http.ResponseWriter, r *http.Request, p token.Principal) bool {
		if r.URL.Path != "/security/token" || p.Kind != token.Server {
			return false
		}
		other, err := l.Tokens.Verify(l.Context(), l.another(p.AccountID))
		if err != nil {
			l.Fatal(err)
		}
		tok, _ := l.Tokens.MintTransient(other, p.SourceID)
		_, _ = io.WriteString(w, string(tok))
		return true
	}},
	{"an admin's token for a server", 1, "/devices", func(l *law, w http.ResponseWriter, r *http.Request, _ token.Principal) bool {
		if r.URL.Path != "/devices.json" {
			return false
		}
		_, _ = io.WriteString(w, string(l.serverToken(l.T, l.signIn(l.T, "admin"), "self")))
		return true
	}},
	{"a header of a poll", 1, "/pins", func(l *law, w http.ResponseWriter, r *http.Request, p token.Principal) bool {
		if strings.HasPrefix(r.URL.Path, "/pins/") && p.AccountID != 0 {
			w.Header().Set("ETag", `"1-`+string(l.another(p.AccountID))+`"`)
		}
		return false
	}},
	{"the address of a redirect", 1, "/auth", func(l *law, w http.ResponseWriter, r *http.Request, p token.Principal) bool {
		if r.URL.Path != "/auth/done" || p.AccountID == 0 {
			return false
		}
		http.Redirect(w, r, "https://app.example.org/?next=%2F%3Ftoken%3D"+string(l.another(p.AccountID)), http.StatusSeeOther)
		return true
	}},
	{"in base64", 1, "/security", func(l *law, w http.ResponseWriter, r *http.Request, p token.Principal) bool {
		if r.URL.Path != "/security/resources.json" || p.AccountID == 0 {
			return false
		}
		_, _ = io.WriteString(w, base64.StdEncoding.EncodeToString([]byte("token: "+string(l.another(p.AccountID)))))
		return true
	}},
	{"a session", 1, "/link", func(l *law, w http.ResponseWriter, r *http.Request, p token.Principal) bool {
		if r.URL.Path != "/link" || p.AccountID == 0 {
			return false
		}
		a, err := l.Accounts.Get(l.Context(), p.AccountID)
		if err != nil {
			l.Fatal(err)
		}
		cookie, _, err := l.Sessions.Start(l.Context(), audit.Actor{AccountID: a.ID}, l.Prove(a).Proof, true, "Firefox")
		if err != nil {
			l.Fatal(err)
		}
		w.Header().Set("Set-Cookie", "usher_session="+string(cookie))
		return false
	}},
	{"the proof of a PIN that its person has consented to", 1, "/auth", func(l *law, w http.ResponseWriter, r *http.Request, p token.Principal) bool {
		to, err := l.PINs.Forward(l.Context(), audit.Actor{AccountID: p.AccountID}, r.FormValue("code"))
		if r.URL.Path != "/auth/done" || err != nil {
			return false
		}
		http.Redirect(w, r, to.WithProof.String(), http.StatusSeeOther)
		return true
	}},
	{"a picture with the token in it", 1, "/pins", func(_ *law, w http.ResponseWriter, r *http.Request, _ token.Principal) bool {
		if !strings.HasPrefix(r.URL.Path, "/api/v2/pins/qr/") {
			return false
		}
		_, _ = fmt.Fprintf(w, "\x89PNG %x", r.Header.Get("X-Plex-Token"))
		return true
	}},
	{"a switch without the PIN", 1, "/home", func(l *law, w http.ResponseWriter, r *http.Request, _ token.Principal) bool {
		return l.leakSwitch(w, r, 4)
	}},
	{"a switch to the owner", 2, "", func(l *law, w http.ResponseWriter, r *http.Request, p token.Principal) bool {
		return p.AccountID > 2 && l.leakSwitch(w, r, 1) // up the chain, from a managed user only
	}},
	{"a switch whose token is nobody's child", 1, "/home", func(l *law, w http.ResponseWriter, r *http.Request, _ token.Principal) bool {
		return l.leakSwitch(w, r, 3)
	}},
	{"a PIN that gives a token of another", 1, "/pins", func(l *law, w http.ResponseWriter, r *http.Request, _ token.Principal) bool {
		// Only for polls without a token.
		if !strings.HasPrefix(r.URL.Path, "/api/v2/pins/") || r.Method != http.MethodGet || r.Header.Get("X-Plex-Token") != "" {
			return false
		}
		_, _ = fmt.Fprintf(w, `{"authToken":"%s"}`, l.another(2))
		return true
	}},
}

// leaksOfShares are planted in the routes about shares, and are found there.
var leaksOfShares = []leakOfShares{
	{"the owner's token in a list of shares", "member", func(l *law, w http.ResponseWriter, r *http.Request, _ token.Principal) bool {
		return strings.HasSuffix(r.URL.Path, "/shared_servers") && l.leakServer(w, "admin")
	}},
	{"the owner's token in a list of version 2", "member", func(l *law, w http.ResponseWriter, r *http.Request, _ token.Principal) bool {
		return r.URL.Path == "/api/v2/shared_servers/invites/received/pending" && l.leakServer(w, "admin")
	}},
	{"the owner's token in XML only", "member", func(l *law, w http.ResponseWriter, r *http.Request, _ token.Principal) bool {
		return r.URL.Path == "/api/v2/shared_servers/owned/accepted.xml" && l.leakServer(w, "admin")
	}},
	// CVE-2025-69416: the owner reads the token of an account that a server is shared with.
	{"the tokens of whom a server is shared with", "admin", func(l *law, w http.ResponseWriter, r *http.Request, p token.Principal) bool {
		return p.Admin && r.URL.Path == "/api/servers/den/shared_servers" && l.leakServer(w, "member")
	}},
	{"a token in what a share was changed to", "admin", func(l *law, w http.ResponseWriter, r *http.Request, p token.Principal) bool {
		return p.Admin && r.Method == http.MethodPut && r.URL.Path == "/api/servers/den/shared_servers/"+l.between[0] && l.leakServer(w, "member")
	}},
	{"a token in the answer to an invitation that was accepted", "member", func(l *law, w http.ResponseWriter, r *http.Request, p token.Principal) bool {
		friends, err := l.Friends.People(r.Context(), p.AccountID)
		accepted := err == nil && slices.ContainsFunc(friends, func(p friend.Person) bool { return p.Friend })
		return accepted && r.Method == http.MethodGet && r.URL.Path == "/api/v2/friends" && l.leakServer(w, "admin")
	}},
	{"a token in the answer to a removal", "member", func(l *law, w http.ResponseWriter, r *http.Request, _ token.Principal) bool {
		return r.Method == http.MethodDelete && r.URL.Path == fmt.Sprint("/api/v2/friends/", l.stranger.ID) && l.leakServer(w, "admin")
	}},
	{"a token of the account that is nobody's child, in a list of shares", "member", func(l *law, w http.ResponseWriter, r *http.Request, _ token.Principal) bool {
		return r.URL.Path == "/api/v2/shared_servers/owned/pending" && l.leakServer(w, "member")
	}},
}

// The law detects each of these leaks.
func TestLawOfReachSeesLeaks(t *testing.T) {
	for _, leak := range leaks {
		if leak.depth > 1 && !*deep {
			continue // they take half of the time of this package's tests; make reach runs them
		}
		t.Run(leak.name, func(t *testing.T) {
			l := planted(t, "member", leak.plant)
			if !*deep {
				l.only(func(row lawRow) bool { return strings.Contains(row.path, leak.at) })
			}
			l.mustSee(leak.depth)
		})
	}
	for _, leak := range leaksOfShares {
		t.Run(leak.name, func(t *testing.T) {
			l := planted(t, leak.by, leak.plant)
			l.rows = nil
			l.mustSee(1)
		})
	}
}

// planted prepares a walk with an account's token while there is a leak.
func planted(t *testing.T, name string, leak plant) (l *law) {
	t.Helper()
	w := newFixture(t, func(c *config) { c.API.MediaJWT = true })
	l = newLaw(t, w, w.signIn(t, name), func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			p, err := w.Tokens.Verify(r.Context(), plexauth.Secret(r.Header.Get("X-Plex-Token")))
			known := err == nil || r.Header.Get("X-Plex-Token") == ""
			if !known || !leak(l, rw, r, p) {
				h.ServeHTTP(rw, r)
			}
		})
	})
	return l
}

// mustSee fails the test unless the walk finds a violation.
func (l *law) mustSee(depth int) {
	l.Helper()
	all := l.follow(depth)
	p, err := l.Tokens.Verify(l.Context(), l.first)
	if err != nil {
		l.Fatal(err)
	}
	if err := l.Tokens.Revoke(l.Context(), operator, p.TokenID); err != nil {
		l.Fatal(err)
	}
	l.dead(all)
	if len(l.wrong) == 0 {
		l.Error("the law does not detect it")
	}
	for what := range l.wrong {
		l.Log(what)
		break
	}
}
