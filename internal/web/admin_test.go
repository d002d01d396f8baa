package web_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/server"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/web"
	"github.com/usher-auth/usher/plexauth"
)

// office is a server with an admin, ada, and a member, mia.
type office struct {
	*httptest.Server
	srv      *server.Server
	store    *store.Store
	clock    *atomic.Int64
	ada, mia store.Account
}

func newOffice(t *testing.T) *office {
	t.Helper()
	w := &office{clock: &atomic.Int64{}}
	// The browser's jar tells the time by itself, and drops what is past.
	w.clock.Store(time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	now := func() time.Time { return time.Unix(0, w.clock.Load()) }
	var err error
	if w.store, err = store.Open(t.Context(), store.Config{Dir: t.TempDir(), Now: now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	w.srv, err = server.New(t.Context(), server.Config{
		Store: w.store, Key: seal.NewKey([32]byte{1}), HashCost: account.Cost{Memory: 64, Time: 1, Threads: 1}, Now: now,
		Self: source.Self{Name: "Here", MachineIdentifier: "self", Connections: []store.Connection{{URI: "http://127.0.0.1:32400", Local: true}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.ada, w.mia = w.add(t, "ada", true), w.add(t, "mia", false)
	w.Server = httptest.NewServer(w.srv.Handler())
	t.Cleanup(w.Close)
	return w
}

func (w *office) add(t *testing.T, name string, admin bool) store.Account {
	t.Helper()
	a, err := w.srv.Accounts().Add(t.Context(), account.NewAccount{
		Username: name, Email: name + "@example.org", Password: password, Admin: admin,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// tokenOf signs a program in and returns its token.
func (w *office) tokenOf(t *testing.T, name string) plexauth.Secret {
	t.Helper()
	proof, err := w.srv.Accounts().Verify(t.Context(), account.Credentials{Login: name, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	proof.Device = store.Device{ClientIdentifier: "tv", Product: "Telly", Name: "Den's television", Address: "192.0.2.7"}
	text, err := w.srv.Tokens().SignIn(t.Context(), proof.SignIn)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// entries is how many rows the audit log has: one more for each change.
func (w *office) entries(t *testing.T) int {
	t.Helper()
	list, err := w.store.Audit(t.Context(), store.AuditQuery{Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// browser is somebody's browser. It follows no redirect.
type adminBrowser struct {
	*office
	client *http.Client
	header http.Header
}

// browse opens a browser and signs somebody in; nobody without a name.
func (w *office) browse(t *testing.T, name string) *adminBrowser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &adminBrowser{office: w, header: make(http.Header), client: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if name != "" {
		b.post(t, "/auth/sign-in", "/account", "login", name, "password", password, "next", "/account")
	}
	return b
}

// do sends a request and returns the status, where it leads and the page.
func (b *adminBrowser) do(t *testing.T, method, path string, form url.Values) (status int, to, page string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = b.header.Clone()
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Location"), html.UnescapeString(string(body))
}

// get returns a page that must be there and have all of texts in it.
func (b *adminBrowser) get(t *testing.T, path string, texts ...string) string {
	t.Helper()
	status, _, page := b.do(t, "GET", path, nil)
	if status != http.StatusOK {
		t.Errorf("GET %s: got %d, want 200", path, status)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("GET %s: no %q in\n%s", path, text, page)
		}
	}
	return page
}

func values(pairs []string) url.Values {
	form := make(url.Values)
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return form
}

// post sends a form that must lead to a path.
func (b *adminBrowser) post(t *testing.T, path, want string, pairs ...string) {
	t.Helper()
	if status, to, page := b.do(t, "POST", path, values(pairs)); status != http.StatusSeeOther || to != want {
		t.Errorf("POST %s: got %d to %q, want 303 to %q\n%s", path, status, to, want, page)
	}
}

// refused sends a form that must be refused, with a text.
func (b *adminBrowser) refused(t *testing.T, path, text string, pairs ...string) {
	t.Helper()
	before := b.entries(t)
	status, _, page := b.do(t, "POST", path, values(pairs))
	if status != http.StatusBadRequest || !strings.Contains(page, text) {
		t.Errorf("POST %s: got %d, want 400 with %q in\n%s", path, status, text, page)
	}
	if n := b.entries(t); n != before && !strings.Contains(text, "password is not right") {
		t.Errorf("POST %s was refused and changed something: %d rows, then %d", path, before, n)
	}
	for i := 0; i < len(pairs); i += 2 {
		if (pairs[i] == "current" || pairs[i] == "password" || pairs[i] == "new") && strings.Contains(page, pairs[i+1]) {
			t.Errorf("POST %s: the page shows what was typed as %s", path, pairs[i])
		}
	}
}

func (w *office) person(t *testing.T, name string) store.Account {
	t.Helper()
	a, err := w.srv.Accounts().Find(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (w *office) signsIn(t *testing.T, name, password string) bool {
	t.Helper()
	_, complete, err := w.srv.Accounts().VerifyPassword(t.Context(), account.Credentials{Login: name, Password: plexauth.Secret(password)})
	return err == nil && complete
}

func (w *office) tokens(t *testing.T, id int64) []store.TokenInfo {
	t.Helper()
	list, err := w.store.Tokens(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAdminKeepsAccounts(t *testing.T) {
	w := newOffice(t)
	b := w.browse(t, "ada")

	b.post(t, "/admin/accounts", "/admin/accounts/3?done=added",
		"username", "Ned", "email", "ned@example.org", "password", "neds password", "current", password)
	ned := w.person(t, "ned@example.org")
	if ned.Admin || !w.signsIn(t, "ned", "neds password") {
		t.Errorf("got %v, want a member who can sign in", ned.Username)
	}
	b.post(t, "/admin/accounts", "/admin/accounts/4?done=added",
		"username", "eve", "password", "eves password", "admin", "1", "current", password)
	if !w.person(t, "eve").Admin {
		t.Error("eve is no admin")
	}
	b.refused(t, "/admin/accounts", "Another account has this name", "username", "ned", "password", "another one", "current", password)
	b.refused(t, "/admin/accounts", "at least 8", "username", "uma", "password", "short", "current", password)
	b.refused(t, "/admin/accounts", "has a space", "username", "u ma", "password", "long enough", "current", password)
	b.get(t, "/admin/accounts", "Ned", "ned@example.org", "eve", "(you)")
	b.get(t, "/admin/accounts/3?done=added", "Added.", "Ned", ned.UUID)

	miasPath := "/admin/accounts/2"
	b.post(t, miasPath+"/disable", miasPath+"?done=disabled")
	if !w.person(t, "mia").Disabled {
		t.Error("mia is not disabled")
	}
	b.get(t, miasPath, "disabled", "Let it work again")
	b.post(t, miasPath+"/enable", miasPath+"?done=enabled")
	if w.person(t, "mia").Disabled {
		t.Error("mia is disabled still")
	}

	// Another password; what was signed in stays, or ends with it.
	w.tokenOf(t, "mia")
	b.post(t, miasPath+"/password", miasPath+"?done=password", "new", "a second one", "current", password)
	if !w.signsIn(t, "mia", "a second one") || w.signsIn(t, "mia", password) || len(w.tokens(t, w.mia.ID)) != 1 {
		t.Error("mia's password is not changed, or her token is gone")
	}
	b.post(t, miasPath+"/password", miasPath+"?done=password", "new", password, "others", "1", "current", password)
	if len(w.tokens(t, w.mia.ID)) != 0 {
		t.Error("mia's token is there still")
	}
	b.refused(t, miasPath+"/password", "at least 8", "new", "short", "current", password)

	w.tokenOf(t, "mia")
	mias := w.browse(t, "mia")
	b.post(t, miasPath+"/sign-out", miasPath+"?done=others")
	if status, to, _ := mias.do(t, "GET", "/account", nil); status != http.StatusSeeOther || !strings.HasPrefix(to, "/auth") {
		t.Errorf("mia's browser: got %d to %q, want to sign in", status, to)
	}
	if len(w.tokens(t, w.mia.ID)) != 0 {
		t.Error("mia's token is there after everything was signed out")
	}

	if _, err := w.srv.Accounts().Enrol(t.Context(), w.mia, account.NewEnrolment("usher", "mia"), ""); err != nil {
		t.Fatal(err)
	}
	b.get(t, miasPath, "on, 10 backup codes left")
	b.post(t, miasPath+"/second-factor/remove", miasPath+"?done=factor", "current", password)
	if w.person(t, "mia").TOTPSeed != nil {
		t.Error("mia has a second factor still")
	}

	b.post(t, miasPath+"/remove", "/admin/accounts?done=removed", "current", password)
	if _, err := w.srv.Accounts().Find(t.Context(), "mia"); err == nil {
		t.Error("mia is there still")
	}
	if status, _, _ := b.do(t, "GET", miasPath, nil); status != http.StatusNotFound {
		t.Errorf("the page of an account that is gone: got %d, want 404", status)
	}
	if status, _, _ := b.do(t, "POST", miasPath+"/enable", nil); status != http.StatusNotFound {
		t.Errorf("changing an account that is gone: got %d, want 404", status)
	}
}

// Attack: somebody finds an admin's open browser. They cannot make themselves
// an account, take over somebody's, or remove one: that takes the password.
func TestAdminsOpenBrowser(t *testing.T) {
	w := newOffice(t)
	b := w.browse(t, "ada")
	const wrong = "The password is not right"
	b.refused(t, "/admin/accounts", wrong, "username", "eve", "password", "eves password", "admin", "1", "current", "a guess")
	b.refused(t, "/admin/accounts/2/password", wrong, "new", "another one", "current", "a guess")
	b.refused(t, "/admin/accounts/2/second-factor/remove", wrong)
	b.refused(t, "/admin/accounts/2/remove", wrong, "current", "a guess")
	if list, err := w.store.Accounts(t.Context()); len(list) != 2 || err != nil || !w.signsIn(t, "mia", password) {
		t.Errorf("there are %d accounts (%v), want ada and mia as they were", len(list), err)
	}
}

// Nobody locks themselves out, or gets around the password that their own page
// asks for.
func TestAdminsOwnAccount(t *testing.T) {
	w := newOffice(t)
	eve := w.add(t, "eve", true)
	b := w.browse(t, "ada")
	const own = "This is your own account"
	for _, path := range []string{"/disable", "/enable", "/password", "/second-factor/remove", "/sign-out", "/remove"} {
		b.refused(t, "/admin/accounts/1"+path, own, "new", "another one", "current", password)
	}
	page := b.get(t, "/admin/accounts/1", own)
	if strings.Contains(page, `action="/admin/accounts/1`) {
		t.Error("the page of the own account has forms")
	}
	// Once nobody else is an admin, ada stays.
	b.post(t, fmt.Sprintf("/admin/accounts/%d/disable", eve.ID), fmt.Sprintf("/admin/accounts/%d?done=disabled", eve.ID))
	if err := w.srv.Accounts().Remove(t.Context(), w.ada.ID); err == nil {
		t.Error("the last admin was removed")
	}
}

func TestAdminKeepsSources(t *testing.T) {
	w := newOffice(t)
	b := w.browse(t, "ada")
	b.post(t, "/admin/servers", "/admin/servers?done=added", "name", "Den", "identifier", "den-1", "product", "Plex Media Server",
		"version", "1.2", "owner", "1", "connections", "http://192.168.1.5:32400\r\n\r\nhttps://relay.example.org:443 relay\nhttp://10.0.0.9:80 remote\n")
	den, err := w.store.Source(t.Context(), store.ServerSource, "den-1")
	if err != nil {
		t.Fatal(err)
	}
	want := store.Source{
		ID: den.ID, Kind: "server", Identifier: "den-1", Name: "Den", Product: "Plex Media Server", ProductVersion: "1.2", OwnerID: 1,
		OwnerName: "ada", CreatedAt: den.CreatedAt, Connections: []store.Connection{
			{URI: "http://192.168.1.5:32400", Local: true}, {URI: "https://relay.example.org:443", Relay: true}, {URI: "http://10.0.0.9:80"},
		},
	}
	if diff := cmp.Diff(want, den); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	form := []string{"name", "Attic", "identifier", "den-1", "connections", "http://10.0.0.1:32400"}
	b.refused(t, "/admin/servers", "That is there already", form...)
	for connections, problem := range map[string]string{
		"":                        "It has no connection",
		"10.0.0.1":                "not of the form",
		"http://10.0.0.1 nearby":  "local, remote or relay, and not “nearby”",
		"javascript:alert(1)":     "not of the form",
		"http://10.0.0.1:99999":   "no usable port",
		"http://me@10.0.0.1:3240": "not of the form",
	} {
		b.refused(t, "/admin/servers", problem, "name", "Attic", "identifier", "attic", "connections", connections)
	}
	page := b.get(t, "/admin/servers", "Den", "den-1", "http://192.168.1.5:32400", "relay", "Here", "This server itself")
	if strings.Contains(page, `value="self"><button`) {
		t.Error("the page offers to remove this server itself")
	}

	b.post(t, "/admin/shares", "/admin/servers?done=shared", "server", "den-1", "account", "2")
	if shares, err := w.store.Shares(t.Context()); len(shares) != 1 || err != nil || shares[0].Username != "mia" {
		t.Errorf("shares: got %v (%v), want one with mia", shares, err)
	}
	b.get(t, "/admin/servers", "Take back the share of mia", "1 account")
	b.get(t, "/admin/accounts/2", "Den", "shared since")
	b.refused(t, "/admin/shares", "That is there already", "server", "den-1", "account", "2")
	b.post(t, "/admin/shares/remove", "/admin/servers?done=unshared", "server", "den-1", "account", "2")
	if shares, err := w.store.Shares(t.Context()); len(shares) != 0 || err != nil {
		t.Errorf("shares: got %v (%v), want none", shares, err)
	}

	b.refused(t, "/admin/servers/remove", "This server is the one that runs here", "identifier", "self")
	b.post(t, "/admin/servers/remove", "/admin/servers?done=removed", "identifier", "den-1")
	if list, err := w.store.Sources(t.Context(), store.ServerSource); len(list) != 1 || err != nil {
		t.Errorf("servers: got %d (%v), want this one only", len(list), err)
	}

	b.post(t, "/admin/providers", "/admin/providers?done=added", "name", "Guide", "identifier", "tv.guide", "everyone", "1",
		"connections", "https://guide.example.org")
	if list, err := w.store.Sources(t.Context(), store.ProviderSource); len(list) != 1 || err != nil || !list[0].Everyone || list[0].OwnerID != 0 {
		t.Errorf("providers: got %v (%v), want one for everyone", list, err)
	}
	b.get(t, "/admin/providers", "Guide", "tv.guide", "everyone")
	b.post(t, "/admin/providers/remove", "/admin/providers?done=removed", "identifier", "tv.guide")
	if list, err := w.store.Sources(t.Context(), store.ProviderSource); len(list) != 0 || err != nil {
		t.Errorf("providers: got %v (%v), want none", list, err)
	}
}

func TestAdminRevokesTokens(t *testing.T) {
	w := newOffice(t)
	text := w.tokenOf(t, "mia")
	w.tokenOf(t, "ada")
	b := w.browse(t, "ada")
	id := w.tokens(t, w.mia.ID)[0].ID
	b.get(t, "/admin/tokens", "Telly on Den's television", "192.0.2.7", "mia", "Revoke token 1", "Revoke token 2")
	if page := b.get(t, "/admin/tokens?account=2", fmt.Sprintf("Revoke token %d", id)); strings.Contains(page, "Revoke token 2") {
		t.Error("mia's tokens have ada's among them")
	}
	b.post(t, fmt.Sprintf("/admin/tokens/%d/revoke", id), "/admin/tokens?done=revoked&account=2", "account", "2")
	if _, err := w.srv.Tokens().Verify(t.Context(), text); err == nil {
		t.Error("the token is good still")
	}
	for _, path := range []string{fmt.Sprintf("/admin/tokens/%d/revoke", id), "/admin/tokens/x/revoke"} {
		if status, _, _ := b.do(t, "POST", path, nil); status != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, status)
		}
	}
}

func TestAdminKeepsOrigins(t *testing.T) {
	w := newOffice(t)
	b := w.browse(t, "ada")
	b.post(t, "/admin/origins", "/admin/origins?done=added", "origin", " https://App.example.org:443 ")
	list, err := w.store.Origins(t.Context())
	if len(list) != 1 || err != nil || list[0].Origin != "https://app.example.org" {
		t.Errorf("got %v (%v), want https://app.example.org", list, err)
	}
	b.get(t, "/admin/origins", "https://app.example.org")
	b.refused(t, "/admin/origins", "allowed already", "origin", "https://app.example.org")
	b.refused(t, "/admin/origins", "more than a host and a port", "origin", "https://app.example.org/back")
	b.refused(t, "/admin/origins", "neither https:// nor http://", "origin", "javascript://app.example.org")

	// What the page allows is where people go by themselves.
	back := func() string {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.URL+"/auth/done?forwardUrl=https%3A%2F%2FAPP.example.org%2Fback", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := b.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.Header.Get("Refresh")
	}
	if got := back(); got != "0; url=https://APP.example.org/back" {
		t.Errorf("an allowed origin: got Refresh %q", got)
	}
	b.post(t, "/admin/origins/remove", "/admin/origins?done=removed", "origin", "https://app.example.org")
	if got := back(); got != "" {
		t.Errorf("an origin that is not allowed any more: got Refresh %q", got)
	}
	if status, _, _ := b.do(t, "POST", "/admin/origins/remove", values([]string{"origin", "https://app.example.org"})); status != http.StatusNotFound {
		t.Errorf("removing it once more: got %d, want 404", status)
	}
}

func TestAdminReadsAudit(t *testing.T) {
	w := newOffice(t)
	for i := range 120 {
		if err := w.store.AddOrigin(t.Context(), fmt.Sprintf("https://app-%d.example.org", i)); err != nil {
			t.Fatal(err)
		}
	}
	b := w.browse(t, "ada")
	b.post(t, "/admin/accounts/2/disable", "/admin/accounts/2?done=disabled")
	b.get(t, "/admin/audit", "account.disabled", "mia", "by ada", "127.0.0.1", "2100-01-02 03:04:05", "app-119", "Older rows")

	// Every origin is on one page of the search, and once.
	seen, path := 0, "/admin/audit?event=origin.allowed&text=EXAMPLE"
	older := regexp.MustCompile(`href="(/admin/audit\?[^"]*before=[^"]*)">Older`)
	for pages := 1; ; pages++ {
		page := b.get(t, path)
		if strings.Contains(page, "account.disabled</th>") {
			t.Error("another event was found")
		}
		seen += strings.Count(page, "origin.allowed</th>")
		next := older.FindStringSubmatch(page)
		if next == nil {
			if pages != 3 {
				t.Errorf("got %d pages, want 3", pages)
			}
			break
		}
		path = next[1]
	}
	if seen != 120 {
		t.Errorf("got %d rows, want 120", seen)
	}
	if page := b.get(t, "/admin/audit?account=MIA@example.org", "account.disabled"); strings.Contains(page, "origin.allowed</th>") {
		t.Error("rows about nobody were found for mia")
	}
	b.get(t, "/admin/audit?account=nobody", "Nothing was found")
	b.get(t, "/admin/audit?text=%25", "Nothing was found")

	b.post(t, "/admin/accounts/2/remove", "/admin/accounts?done=removed", "current", password)
	b.get(t, "/admin/audit?account=mia", "account.removed") // an account that is gone
	b.get(t, "/admin/audit/verify", "The log is whole", fmt.Sprintf("The %d rows", w.entries(t)))
}

// filled is a path of the table with an account's number in it.
func filled(path string) string { return strings.ReplaceAll(path, "{id}", "2") }

// anyForm would make any of the changes.
var anyForm = url.Values{
	"username": {"eve"}, "password": {"eves password"}, "new": {"another one"}, "current": {password}, "admin": {"1"},
	"name": {"Attic"}, "identifier": {"den"}, "connections": {"http://10.0.0.1:32400"}, "server": {"den"}, "account": {"2"},
	"origin": {"https://app.example.org"},
}

// Attack: a member, a stranger, and another site with an admin's browser, ask
// for each of the pages and send each of the forms. None is shown and nothing
// changes.
func TestAdminPagesAreForAdmins(t *testing.T) {
	w := newOffice(t)
	if _, err := w.srv.Sources().Add(t.Context(), store.Source{
		Kind: "server", Identifier: "den", Name: "Den", Connections: []store.Connection{{URI: "http://10.0.0.1:32400"}},
	}); err != nil {
		t.Fatal(err)
	}
	w.tokenOf(t, "mia")
	w.tokenOf(t, "ada")
	stranger, member, forged := w.browse(t, ""), w.browse(t, "mia"), w.browse(t, "ada")
	withToken := w.browse(t, "")
	withToken.header.Set("X-Plex-Token", string(w.tokenOf(t, "ada")))
	forged.header.Set("Sec-Fetch-Site", "cross-site")
	before := w.entries(t)
	rows := web.AdminRows()
	for _, row := range rows {
		for name, try := range map[string]struct {
			*adminBrowser
			want int
		}{
			"a stranger": {stranger, http.StatusSeeOther}, "a program of an admin's": {withToken, http.StatusSeeOther},
			"a member": {member, http.StatusForbidden}, "another site": {forged, http.StatusForbidden},
		} {
			if name == "another site" && row.Method == "GET" {
				continue // a link from elsewhere is no attack
			}
			status, to, page := try.do(t, row.Method, filled(row.Path), anyForm)
			if status != try.want || status == http.StatusSeeOther && !strings.HasPrefix(to, "/auth?") {
				t.Errorf("%s, %s %s: got %d to %q, want %d", name, row.Method, row.Path, status, to, try.want)
			}
			if strings.Contains(page, "example.org") || strings.Contains(page, "Pages for admins") {
				t.Errorf("%s, %s %s: got\n%s", name, row.Method, row.Path, page)
			}
		}
	}
	if n := w.entries(t); n != before {
		t.Errorf("the audit log has %d rows more", n-before)
	}
	if len(rows) < 25 || len(web.OpenAdminPaths()) > 0 {
		t.Errorf("got %d rows, and these that are for others, too: %v", len(rows), web.OpenAdminPaths())
	}
}

// No page has a secret in it: no token's text, no hash of a password, no seed
// of a second factor, no cookie.
func TestAdminPagesShowNoSecrets(t *testing.T) {
	w := newOffice(t)
	texts := map[string]string{"mia's token": string(w.tokenOf(t, "mia")), "ada's token": string(w.tokenOf(t, "ada"))}
	e := account.NewEnrolment("usher", "mia")
	codes, err := w.srv.Accounts().Enrol(t.Context(), w.mia, e, "")
	if err != nil {
		t.Fatal(err)
	}
	mia := w.person(t, "mia")
	texts["the seed"], texts["a backup code"] = string(e.Secret), string(codes[0])
	texts["the sealed seed in hex"], texts["the sealed seed"] = hex.EncodeToString(mia.TOTPSeed), base64.StdEncoding.EncodeToString(mia.TOTPSeed)
	texts["a password's hash"], texts["any hash"], texts["a password"] = mia.PasswordHash, "$argon2id$", password
	b := w.browse(t, "ada")
	u, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		texts["the cookie "+c.Name] = c.Value
	}
	if texts["the cookie usher_session"] == "" {
		t.Fatal("there is no cookie to look for")
	}
	seen := 0
	for _, row := range web.AdminRows() {
		if row.Method != "GET" {
			continue
		}
		seen++
		page := b.get(t, filled(row.Path))
		for name, text := range texts {
			if strings.Contains(page, text) {
				t.Errorf("%s has %s in it", row.Path, name)
			}
		}
		if strings.Contains(page, " style=") || strings.Contains(page, "<style") || strings.Contains(page, " onclick=") {
			t.Errorf("%s has what the Content-Security-Policy does not let work", row.Path)
		}
	}
	if seen < 8 {
		t.Errorf("only %d pages were looked at", seen)
	}
}

func TestChart(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(hour, minute int) time.Time { return time.Date(2026, 1, 2, hour, minute, 0, 0, time.UTC) }
	c := web.NewChart(now, []store.Count{
		{Quarter: at(3, 0), What: "sign-in", N: 3},
		{Quarter: at(3, 0), What: "session.started", N: 1},
		{Quarter: at(2, 45), What: "pin.linked", N: 2},
		{Quarter: at(0, 0), What: "sign-in.refused", N: 300},
		{Quarter: at(0, 15), What: "sign-in.refused", N: 1},
		{Quarter: at(3, 15).AddDate(0, 0, -1), What: "token.checks", N: 50_000},
		{Quarter: at(3, 0).AddDate(0, 0, -1), What: "token.checks", N: 7}, // a day and more ago
		{Quarter: at(3, 15), What: "token.checks", N: 7},                  // to come
		{Quarter: at(3, 0), What: "account.added", N: 9},                  // of no panel
	})
	var texts []string
	var bars [][4]int
	for _, p := range c.Panels {
		texts = append(texts, p.Text)
		for _, b := range p.Bars {
			bars = append(bars, [4]int{b.X, b.Y, b.Height, int(b.N)})
		}
	}
	if diff := cmp.Diff([]string{
		"Sign-ins in the last day: 6 in all, at most 4 in a quarter of an hour, last so at 03:00 UTC.",
		"Refusals in the last day: 301 in all, at most 300 in a quarter of an hour, last so at 00:00 UTC.",
		"Token checks in the last day: 50,000 in all, at most 50,000 in a quarter of an hour, last so at 03:15 UTC.",
	}, texts); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][4]int{
		{941, 50, 50, 2}, {951, 0, 100, 4},
		{831, 0, 100, 300}, {841, 98, 2, 1}, // what happened once is seen, too
		{1, 0, 100, 50_000},
	}, bars); diff != "" {
		t.Errorf("bars (-want +got):\n%s", diff)
	}
	var table []string
	for _, row := range c.Rows {
		table = append(table, fmt.Sprint(row.At.Format("2 15:04 "), row.N))
	}
	if diff := cmp.Diff([]string{
		"2 03:00 [4 0 0]", "2 02:45 [2 0 0]", "2 00:15 [0 1 0]", "2 00:00 [0 300 0]", "1 03:15 [0 0 50000]",
	}, table); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if empty := web.NewChart(now, nil); empty.Panels[0].Text != "Sign-ins in the last day: none." || empty.Rows != nil {
		t.Errorf("of nothing: got %+v", empty)
	}
}

// What happens is on the overview, drawn and in words.
func TestAdminOverview(t *testing.T) {
	w := newOffice(t)
	w.tokenOf(t, "mia")
	w.signsIn(t, "mia", "a wrong one")
	if _, err := w.srv.Tokens().Verify(t.Context(), "aaaaaaaaaaaaaaaaaaaa"); err == nil {
		t.Fatal("a token was guessed")
	}
	w.srv.Tokens().Flush(t.Context())
	w.clock.Add(int64(20 * time.Minute))
	b := w.browse(t, "ada")
	b.get(t, "/admin",
		"Sign-ins in the last day: 2 in all, at most 1 in a quarter of an hour",
		"Refusals in the last day: 1 in all",
		"Token checks in the last day: 1 in all",
		`<rect x="951" y="0" width="8" height="100"><title>03:15: 1</title></rect>`,
		`<rect x="941" y="0" width="8" height="100"><title>03:00: 1</title></rect>`,
		`of which 1 admin`)
	w.clock.Add(int64(25 * time.Hour))
	b.get(t, "/admin", "Sign-ins in the last day: none.", "Nothing happened.")
}
