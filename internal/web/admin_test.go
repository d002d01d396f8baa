package web_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/web"
	"github.com/usher-auth/usher/plexauth"
)

// program signs a program in and returns its token.
func (w *fixture) program(name string) plexauth.Secret {
	w.Helper()
	verified, err := w.Accounts.Verify(w.Context(), audit.Actor{}, account.Credentials{Login: name, Password: password})
	w.must(err)
	issued, err := w.Tokens.SignIn(w.Context(), audit.Actor{}, verified.Proof, device.Device{
		ClientIdentifier: "tv", Product: "Telly", Name: "Den's television", Address: "192.0.2.7",
	})
	w.must(err)
	return issued
}

// entries returns the number of rows in the audit log. Each change adds one.
func (w *fixture) entries() int {
	w.Helper()
	list, err := w.Audit.List(w.Context(), audit.Query{Limit: 10000})
	w.must(err)
	return len(list)
}

func (w *fixture) signsIn(name, password string) bool {
	w.Helper()
	verified, err := w.Accounts.VerifyPassword(w.Context(), audit.Actor{}, account.Credentials{
		Login: name, Password: plexauth.Secret(password),
	})
	return err == nil && verified.Complete
}

func (w *fixture) tokens(id int64) []token.Token {
	w.Helper()
	list, err := paging.Rows(w.Tokens.List(w.Context(), id, paging.Request{}))
	w.must(err)
	return list
}

// reads gets a page, which must contain all of texts.
func (b *browser) reads(path string, texts ...string) string {
	b.Helper()
	s := b.get(path)
	b.wantPage(s, http.StatusOK, texts...)
	return html.UnescapeString(s.text)
}

func values(pairs []string) url.Values {
	form := make(url.Values)
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return form
}

// sends posts a form, which must redirect to a path.
func (b *browser) sends(path, want string, pairs ...string) {
	b.Helper()
	b.wantTo(b.post(path, values(pairs)), want)
}

// confirms posts a form that asks for confirmation, and then the form on the confirmation
// page, which must redirect to a path.
func (b *browser) confirms(path, want string, pairs ...string) {
	b.Helper()
	before := b.entries()
	b.asks(path, pairs...)
	if n := b.entries(); n != before {
		b.Errorf("POST %s changed something before it was confirmed", path)
	}
	b.sends(path, want, append(pairs, "sure", "1", "current", password)...)
}

// asks posts a form. The answer must be a confirmation page with the fields of the form.
func (b *browser) asks(path string, pairs ...string) string {
	b.Helper()
	s := b.post(path, values(pairs))
	b.wantPage(s, http.StatusOK, `name="sure" value="1"`)
	for i := 0; i < len(pairs); i += 2 {
		b.wantPage(s, http.StatusOK, fmt.Sprintf(`name="%s" value="%s"`, pairs[i], pairs[i+1]))
	}
	return html.UnescapeString(s.text)
}

// refused posts a form, which must be rejected with a text and change nothing.
// A wrong password adds a row to the audit log.
func (b *browser) refused(path, text string, pairs ...string) {
	b.Helper()
	before := b.entries()
	s := b.post(path, values(pairs))
	b.wantPage(s, http.StatusBadRequest, text)
	if n := b.entries(); n != before && !strings.Contains(text, "password is not right") {
		b.Errorf("POST %s was rejected but changed something: %d rows, then %d", path, before, n)
	}
	for i := 0; i < len(pairs); i += 2 {
		if (pairs[i] == "current" || pairs[i] == "password" || pairs[i] == "new") && strings.Contains(s.text, pairs[i+1]) {
			b.Errorf("POST %s: the page shows what was typed as %s", path, pairs[i])
		}
	}
}

func TestAdminManagesAccounts(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("olga")

	b.sends("/admin/accounts", "/admin/accounts/4?done=added",
		"username", "Ned", "email", "ned@example.org", "password", "neds password", "current", password)
	ned := w.account("ned@example.org")
	if ned.Admin || !w.signsIn("ned", "neds password") {
		t.Errorf("got %v, want a member who can sign in", ned.Username)
	}
	b.sends("/admin/accounts", "/admin/accounts/5?done=added",
		"username", "eve", "password", "eves password", "admin", "1", "current", password)
	if !w.account("eve").Admin {
		t.Error("eve is not an admin")
	}
	b.refused("/admin/accounts", "An account with this name", "username", "ned", "password", "another one", "current", password)
	b.refused("/admin/accounts", "at least 8", "username", "uma", "password", "short", "current", password)
	b.refused("/admin/accounts", "has a space", "username", "u ma", "password", "long enough", "current", password)
	b.reads("/admin/accounts", "Ned", "ned@example.org", "eve", "(you)")
	b.reads("/admin/accounts/4?done=added", "Added.", "Ned", ned.UUID)

	miasPath := "/admin/accounts/2"
	b.confirms(miasPath+"/disable", miasPath+"?done=disabled")
	if !w.account("mia").Disabled {
		t.Error("mia is not disabled")
	}
	b.reads(miasPath, "disabled", "Enable mia")
	b.sends(miasPath+"/enable", miasPath+"?done=enabled")
	if w.account("mia").Disabled {
		t.Error("mia is still disabled")
	}

	// A new password either leaves the account's tokens valid or revokes them.
	w.program("mia")
	b.sends(miasPath+"/password", miasPath+"?done=password", "new", "a second one", "current", password)
	if !w.signsIn("mia", "a second one") || w.signsIn("mia", password) || len(w.tokens(w.account("mia").ID)) != 1 {
		t.Error("mia's password is not changed, or her token was revoked")
	}
	b.sends(miasPath+"/password", miasPath+"?done=password", "new", password, "others", "1", "current", password)
	if len(w.tokens(w.account("mia").ID)) != 0 {
		t.Error("mia's token still exists")
	}
	b.refused(miasPath+"/password", "at least 8", "new", "short", "current", password)

	w.program("mia")
	mias := w.browser().signIn("mia")
	b.confirms(miasPath+"/sign-out", miasPath+"?done=others")
	mias.wantTo(mias.get("/account"), "/auth?next=%2Faccount")
	if len(w.tokens(w.account("mia").ID)) != 0 {
		t.Error("mia's token still exists after everything was signed out")
	}

	w.enrol("mia")
	b.reads(miasPath, "on, 10 backup codes are left")
	b.confirms(miasPath+"/second-factor/remove", miasPath+"?done=factor")
	if w.account("mia").TOTPSeed != nil {
		t.Error("mia still has a second factor")
	}

	// A passkey works without the password. To recover an account from an intruder, an
	// admin removes the intruder's passkey.
	w.browser().signIn("mia").addPasskey("Somebody's phone")
	keys, err := w.Passkeys.List(t.Context(), w.account("mia").ID)
	w.must(err)
	b.reads(miasPath, "Remove the passkey Somebody's phone")
	keysPath := fmt.Sprintf("%s/passkeys/%d/remove", miasPath, keys[0].ID)
	b.refused(keysPath, "password is not right", "sure", "1", "current", "a guess")
	b.confirms(keysPath, miasPath+"?done=passkey")
	if list, err := w.Passkeys.List(t.Context(), keys[0].AccountID); len(list) > 0 || err != nil {
		t.Errorf("mia still has %d passkeys (%v)", len(list), err)
	}
	b.wantPage(b.post(keysPath, url.Values{"current": {password}, "sure": {"1"}}), http.StatusNotFound)

	b.confirms(miasPath+"/remove", "/admin/accounts?done=removed")
	if _, err := w.Accounts.Find(t.Context(), "mia"); err == nil {
		t.Error("mia still exists")
	}
	b.wantPage(b.get(miasPath), http.StatusNotFound)
	b.wantPage(b.post(miasPath+"/enable", nil), http.StatusNotFound)
}

// Attack: an intruder finds an admin's open browser. They cannot add, take over or remove
// an account, because that requires the password.
func TestAdminsOpenBrowser(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("olga")
	const wrong = "Your own password is not right"
	b.refused("/admin/accounts", wrong, "username", "eve", "password", "eves password", "admin", "1", "current", "a guess")
	b.refused("/admin/accounts/2/password", wrong, "new", "another one", "current", "a guess")
	for _, change := range []string{"second-factor/remove", "remove", "disable", "sign-out", "passkeys/1/remove"} {
		b.refused("/admin/accounts/2/"+change, wrong, "sure", "1")
		b.refused("/admin/accounts/2/"+change, wrong, "sure", "1", "current", "a guess")
	}
	w.program("mia")
	b.refused("/admin/tokens/1/revoke", wrong, "sure", "1", "current", "a guess")
	if list, err := paging.Rows(w.Accounts.List(t.Context(), paging.Request{})); len(list) != 3 || err != nil || !w.signsIn("mia", password) {
		t.Errorf("there are %d accounts (%v), want three, unchanged", len(list), err)
	}
}

// Admins cannot disable themselves, or avoid the password that their own
// account's page requires.
func TestAdminsOwnAccount(t *testing.T) {
	w := newTown(t)
	eve := w.AddAdmin("eve")
	b := w.browser().signIn("olga")
	const own = "This is your own account"
	for _, path := range []string{"/disable", "/enable", "/password", "/second-factor/remove", "/sign-out", "/remove"} {
		b.refused("/admin/accounts/1"+path, own, "new", "another one", "current", password)
	}
	page := b.reads("/admin/accounts/1", own)
	if strings.Contains(page, `action="/admin/accounts/1`) {
		t.Error("the admin's page for their own account has forms")
	}
	// olga cannot be removed while she is the only admin.
	b.confirms(fmt.Sprintf("/admin/accounts/%d/disable", eve.ID), fmt.Sprintf("/admin/accounts/%d?done=disabled", eve.ID))
	if err := w.Accounts.Remove(t.Context(), operator, w.account("olga").ID); err == nil {
		t.Error("the last admin was removed")
	}
}

func TestAdminManagesSources(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("olga")
	b.sends("/admin/servers", "/admin/servers?done=added", "name", "Den", "identifier", "den-1", "product", "Plex Media Server",
		"version", "1.2", "owner", "1", "connections", "http://192.168.1.5:32400\r\n\r\nhttps://relay.example.org:443 relay\nhttp://10.0.0.9:80 remote\n")
	den, err := w.Sources.Find(t.Context(), source.Ref{Kind: source.Server, Identifier: "den-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := source.Source{
		ID: den.ID, Kind: source.Server, Identifier: "den-1", Name: "Den", Product: "Plex Media Server", ProductVersion: "1.2",
		Platform: "unknown", PlatformVersion: "unknown", Device: "unknown", OwnerID: 1,
		OwnerName: "olga", CreatedAt: den.CreatedAt, Connections: []source.Connection{
			{URI: "http://192.168.1.5:32400", Protocol: "http", Address: "192.168.1.5", Port: 32400, Local: true},
			{URI: "https://relay.example.org:443", Protocol: "https", Address: "relay.example.org", Port: 443, Relay: true},
			{URI: "http://10.0.0.9:80", Protocol: "http", Address: "10.0.0.9", Port: 80},
		},
	}
	if diff := cmp.Diff(want, den); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	denPath := fmt.Sprint("/admin/servers/", den.ID)
	form := []string{"name", "Attic", "identifier", "den-1", "connections", "http://10.0.0.1:32400"}
	b.refused("/admin/servers", "A source with this identifier exists already", form...)
	for connections, problem := range map[string]string{
		"":                        "It has no connection",
		"10.0.0.1":                "not of the form",
		"http://10.0.0.1 nearby":  "local, remote or relay, and not “nearby”",
		"javascript:alert(1)":     "not of the form",
		"http://10.0.0.1:99999":   "no usable port",
		"http://me@10.0.0.1:3240": "not of the form",
	} {
		b.refused("/admin/servers", problem, "name", "Attic", "identifier", "attic", "connections", connections)
	}
	b.reads("/admin/servers", "Den", denPath, "this server itself", "shared with nobody, owned by olga")
	if page := b.reads(fmt.Sprint("/admin/servers/", w.Sources.Self().ID), "This server itself"); strings.Contains(page, "Remove it") {
		t.Error("the page offers to remove this server itself")
	}

	b.reads(denPath, "Den", "den-1", "http://192.168.1.5:32400", "relay", "Nobody yet", "Remove Den")
	b.wantPage(b.get(fmt.Sprint("/admin/providers/", den.ID)), http.StatusNotFound)
	b.sends("/admin/shares", denPath+"?done=shared", "server", "den-1", "account", "2")
	if shares, err := paging.Rows(w.Sources.Shares(t.Context(), paging.Request{})); len(shares) != 1 || err != nil || shares[0].Username != "mia" {
		t.Errorf("shares: got %v (%v), want one with mia", shares, err)
	}
	b.reads("/admin/servers", "shared with 1 account, owned by olga<")
	b.reads(denPath, "Take back the share of mia")
	b.reads("/admin/accounts/2", "Den", "shared")
	b.refused("/admin/shares", "is shared with the account already", "server", "den-1", "account", "2")
	b.confirms("/admin/shares/remove", denPath+"?done=unshared", "server", "den-1", "account", "2")
	if shares, err := paging.Rows(w.Sources.Shares(t.Context(), paging.Request{})); len(shares) != 0 || err != nil {
		t.Errorf("shares: got %v (%v), want none", shares, err)
	}

	b.refused("/admin/servers/remove", "This server is usher itself", "identifier", "self", "sure", "1", "current", password)
	b.confirms("/admin/servers/remove", "/admin/servers?done=removed", "identifier", "den-1")
	if list, err := paging.Rows(w.Sources.List(t.Context(), source.Server, paging.Request{})); len(list) != 1 || err != nil {
		t.Errorf("servers: got %d (%v), want this one only", len(list), err)
	}

	b.sends("/admin/providers", "/admin/providers?done=added", "name", "Guide", "identifier", "tv.guide", "everyone", "1",
		"connections", "https://guide.example.org")
	if list, err := paging.Rows(w.Sources.List(t.Context(), source.Provider, paging.Request{})); len(list) != 1 || err != nil || !list[0].Everyone || list[0].OwnerID != 0 {
		t.Errorf("providers: got %v (%v), want one for everyone", list, err)
	}
	b.reads("/admin/providers", "Guide", "shared with everyone")
	b.confirms("/admin/providers/remove", "/admin/providers?done=removed", "identifier", "tv.guide")
	if list, err := paging.Rows(w.Sources.List(t.Context(), source.Provider, paging.Request{})); len(list) != 0 || err != nil {
		t.Errorf("providers: got %v (%v), want none", list, err)
	}
}

// Tokens are found by the beginning of the name of a device, a program or an account.
func TestAdminSearchesTokens(t *testing.T) {
	w := newTown(t)
	for _, name := range []string{"mia", "noa"} {
		d := device.Device{ClientIdentifier: name, Product: "Player " + name, Name: "Room of " + name}
		_, err := w.Tokens.SignIn(t.Context(), operator, w.Prove(w.account(name)).Proof, d)
		w.must(err)
	}
	b := w.browser().signIn("olga")
	for text, found := range map[string][2]bool{
		"room of": {true, true}, "ROOM OF m": {true, false}, "player n": {false, true}, "mi": {true, false}, "oom": {}, "%": {}, "": {true, true},
	} {
		page := b.reads("/admin/tokens?" + url.Values{"search": {text}}.Encode())
		for i, name := range []string{"mia", "noa"} {
			if strings.Contains(page, "Room of "+name) != found[i] {
				t.Errorf("searching %q finds the token of %s: %v, want %v", text, name, !found[i], found[i])
			}
		}
	}
	b.wantPage(b.get("/admin/tokens?search=nobody"), 200, "Nothing was found.", `value="nobody"`)
	b.wantPage(b.get(fmt.Sprintf("/admin/tokens?search=room&account=%d", w.account("noa").ID)), 200, "Room of noa")
}

func TestAdminRevokesTokens(t *testing.T) {
	w := newTown(t)
	text := w.program("mia")
	w.program("olga")
	b := w.browser().signIn("olga")
	id := w.tokens(w.account("mia").ID)[0].ID
	b.reads("/admin/tokens", "Telly on Den's television", "192.0.2.7", "mia", "Revoke token 1", "Revoke token 2")
	if page := b.reads("/admin/tokens?account=2", fmt.Sprintf("Revoke token %d", id)); strings.Contains(page, "Revoke token 2") {
		t.Error("the list of mia's tokens contains olga's")
	}
	b.confirms(fmt.Sprintf("/admin/tokens/%d/revoke", id), "/admin/tokens?account=2&done=revoked", "back", "/admin/tokens?account=2")
	if _, err := w.Tokens.Verify(t.Context(), text); err == nil {
		t.Error("the token is still valid")
	}
	for _, path := range []string{fmt.Sprintf("/admin/tokens/%d/revoke", id), "/admin/tokens/x/revoke"} {
		b.wantPage(b.post(path, nil), http.StatusNotFound)
	}
}

func TestAdminKeepsOrigins(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("olga")
	b.sends("/admin/origins", "/admin/origins?done=added", "origin", " https://App.example.org:443 ")
	list, err := paging.Rows(w.Origins.List(t.Context(), paging.Request{}))
	if len(list) != 1 || err != nil || list[0].Origin != "https://app.example.org" {
		t.Errorf("got %v (%v), want https://app.example.org", list, err)
	}
	b.reads("/admin/origins", "https://app.example.org")
	b.refused("/admin/origins", "allowed already", "origin", "https://app.example.org")
	b.refused("/admin/origins", "more than a host and a port", "origin", "https://app.example.org/back")
	b.refused("/admin/origins", "neither https:// nor http://", "origin", "javascript://app.example.org")

	// Browsers follow the redirect to an allowed origin without a click.
	back := func() string {
		return b.get("/auth/done?forwardUrl=https%3A%2F%2FAPP.example.org%2Fback").Header.Get("Refresh")
	}
	if got := back(); got != "0; url=https://APP.example.org/back" {
		t.Errorf("an allowed origin: got Refresh %q", got)
	}
	b.sends("/admin/origins/remove", "/admin/origins?done=removed", "origin", "https://app.example.org")
	if got := back(); got != "" {
		t.Errorf("an origin that is not allowed any more: got Refresh %q", got)
	}
	b.wantPage(b.post("/admin/origins/remove", values([]string{"origin", "https://app.example.org"})), http.StatusNotFound)
}

func TestAdminReadsAudit(t *testing.T) {
	w := newTown(t)
	for i := range 120 {
		w.allow(fmt.Sprintf("https://app-%d.example.org", i))
	}
	b := w.browser().signIn("olga")
	b.confirms("/admin/accounts/2/disable", "/admin/accounts/2?done=disabled")
	b.reads("/admin/audit", "account.disabled", "mia", "by olga", "127.0.0.1", "app-119", "Older rows")

	// Paginating the search shows every origin exactly once.
	seen, path := 0, "/admin/audit?event=origin.allowed&text=EXAMPLE"
	older := regexp.MustCompile(`href="(/admin/audit\?[^"]*before=[^"]*)">Older`)
	for pages := 1; ; pages++ {
		page := b.reads(path)
		if strings.Contains(page, "account.disabled</th>") {
			t.Error("the search found another event")
		}
		seen += strings.Count(page, "origin.allowed</th>")
		next := older.FindStringSubmatch(page)
		if next == nil {
			if pages != 8 {
				t.Errorf("got %d pages, want 8", pages)
			}
			break
		}
		path = next[1]
	}
	if seen != 120 {
		t.Errorf("got %d rows, want 120", seen)
	}
	if page := b.reads("/admin/audit?account=MIA@example.org", "account.disabled"); strings.Contains(page, "origin.allowed</th>") {
		t.Error("rows about nobody were found for mia")
	}
	b.reads("/admin/audit?account=nobody", "Nothing was found")
	b.reads("/admin/audit?text=%25", "Nothing was found")

	b.confirms("/admin/accounts/2/remove", "/admin/accounts?done=removed")
	b.reads("/admin/audit?account=mia", "account.removed") // a removed account
	b.reads("/admin/audit/verify", "The log is whole", fmt.Sprintf("The %d rows", w.entries()))
}

// adminRows returns the pages for admins, with mia's ID in their paths, or with the IDs of
// a server and a provider, which are added if there are none.
func adminRows(t *testing.T, w *fixture) (list []web.Row) {
	t.Helper()
	for _, kind := range []source.Kind{source.Server, source.Provider} {
		if _, err := w.Sources.Find(t.Context(), source.Ref{Kind: kind, Identifier: "den"}); err != nil {
			w.AddSource(source.Source{
				Kind: kind, Identifier: "den", Name: "Den", Connections: []source.Connection{{URI: "http://10.0.0.1:32400"}},
			})
		}
	}
	for _, row := range web.Rows() {
		if strings.HasPrefix(row.Path, "/admin") != row.Admin {
			t.Errorf("%s %s: its path does not match who may open it", row.Method, row.Path)
		}
		if row.Admin {
			id := w.account("mia").ID
			if strings.HasPrefix(row.Path, "/admin/providers") {
				id++
			}
			row.Path = strings.NewReplacer("{id}", fmt.Sprint(id), "{passkey}", "1", "{device}", "1").Replace(row.Path)
			list = append(list, row)
		}
	}
	if len(list) < 25 {
		t.Fatalf("only %d pages are for admins", len(list))
	}
	return list
}

// Attack: a member, an anonymous visitor, a program with an admin's token, and another site
// in an admin's browser open each page and post each form with an admin's values. No page
// is shown, and nothing changes.
func TestAdminPagesAreForAdmins(t *testing.T) {
	w := newTown(t)
	w.allow("https://app.example.org")
	w.program("mia")
	form := url.Values{
		"username": {"eve"}, "password": {"eves password"}, "new": {"another one"}, "current": {password}, "admin": {"1"},
		"name": {"Attic"}, "identifier": {"den"}, "connections": {"http://10.0.0.1:32400"}, "server": {"den"},
		"account": {fmt.Sprint(w.account("mia").ID)}, "origin": {"https://app.example.org"},
	}
	ours := http.Header{"Sec-Fetch-Site": {"same-origin"}}
	tries := map[string]struct {
		*browser
		http.Header
		want int
	}{
		"a stranger":           {w.browser(), ours, http.StatusSeeOther},
		"an admin's program":   {w.browser(), http.Header{"X-Plex-Token": {string(w.program("olga"))}}, http.StatusSeeOther},
		"a member":             {w.browser().signIn("mia"), ours, http.StatusForbidden},
		"a form from anywhere": {w.browser().signIn("olga"), http.Header{"Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden},
	}
	rows := adminRows(t, w)
	before := w.entries()
	for _, row := range rows {
		for name, try := range tries {
			if name == "a form from anywhere" && row.Method == http.MethodGet {
				continue // following a link from another site is allowed
			}
			s := try.do(row.Method, row.Path, form, try.Header)
			if s.StatusCode != try.want || s.StatusCode == http.StatusSeeOther && !strings.HasPrefix(s.location(), "/auth?") {
				t.Errorf("%s, %s %s: got %d to %q, want %d", name, row.Method, row.Path, s.StatusCode, s.location(), try.want)
			}
			if strings.Contains(s.text, "mia@example.org") || strings.Contains(s.text, "10.0.0.1") {
				t.Errorf("%s, %s %s: got\n%s", name, row.Method, row.Path, s.text)
			}
		}
	}
	if n := w.entries(); n != before {
		t.Errorf("the audit log has %d rows more", n-before)
	}
}

// No page contains a secret: a token, a hash of a password, a seed of a second
// factor, or a cookie.
func TestAdminPagesShowNoSecrets(t *testing.T) {
	w := newTown(t)
	seed, backup := w.enrol("noa")
	b := w.browser().signIn("olga")
	noa := w.account("noa")
	texts := map[string]string{
		"mia's token": string(w.program("mia")), "olga's token": string(w.program("olga")),
		"noa's seed": string(seed), "noa's backup code": string(backup[0]),
		"the sealed seed": base64.StdEncoding.EncodeToString(noa.TOTPSeed), "the sealed seed in hex": hex.EncodeToString(noa.TOTPSeed),
		"a hash": "$argon2id$", "a password": password, "the cookie": b.cookie(sessionCookie, "/"),
	}
	for name, text := range texts {
		if text == "" {
			t.Fatalf("there is no text of %s to look for", name)
		}
	}
	rows := append(adminRows(t, w), web.Row{Method: http.MethodGet, Path: fmt.Sprintf("/admin/accounts/%d", noa.ID)})
	for _, row := range rows {
		if row.Method != http.MethodGet {
			continue
		}
		page := b.reads(row.Path)
		for name, text := range texts {
			if strings.Contains(page, text) {
				t.Errorf("%s has %s in it", row.Path, name)
			}
		}
		if strings.Contains(page, " style=") || strings.Contains(page, "<style") || strings.Contains(page, " onclick=") {
			t.Errorf("%s has content that the Content-Security-Policy blocks", row.Path)
		}
	}
}

func TestChart(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(hour, minute int) time.Time { return time.Date(2026, 1, 2, hour, minute, 0, 0, time.UTC) }
	c := web.NewChart(now, []audit.Count{
		{Quarter: at(3, 0), What: "sign-in", N: 3},
		{Quarter: at(3, 0), What: "session.started", N: 1},
		{Quarter: at(2, 45), What: "pin.linked", N: 2},
		{Quarter: at(0, 0), What: "sign-in.refused", N: 300},
		{Quarter: at(0, 15), What: "sign-in.refused", N: 1},
		{Quarter: at(3, 15).AddDate(0, 0, -1), What: "token.checks", N: 50_000},
		{Quarter: at(3, 0).AddDate(0, 0, -1), What: "token.checks", N: 7}, // more than a day ago
		{Quarter: at(3, 15), What: "token.checks", N: 7},                  // in the future
		{Quarter: at(3, 0), What: "account.added", N: 9},                  // in no panel
	})
	var texts []string
	var bars [][4]int
	for _, p := range c.Panels {
		texts = append(texts, p.Text.String())
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
		{831, 0, 100, 300}, {841, 98, 2, 1}, // a count of one stays visible
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
	if empty := web.NewChart(now, nil); empty.Panels[0].Text.String() != "Sign-ins in the last day: none." || empty.Rows != nil {
		t.Errorf("without data: got %+v", empty)
	}
}

// The overview shows recent events as a chart and as text.
func TestAdminOverview(t *testing.T) {
	w := newTown(t)
	w.program("mia")
	w.signsIn("mia", "a wrong one")
	if _, err := w.Tokens.Verify(t.Context(), "aaaaaaaaaaaaaaaaaaaa"); err == nil {
		t.Fatal("a token was guessed")
	}
	w.Tokens.Flush(t.Context())
	b := w.browser().signIn("olga")
	b.reads("/admin", "Sign-ins in the last day: 2 in all", "Refusals in the last day: 1 in all",
		"Token checks in the last day: 1 in all", `height="100"><title data-at="`, "of which 1 admin")
}

// A day later, the chart is empty.
func TestAdminOverviewAfterADay(t *testing.T) {
	var later time.Duration
	w := newFixture(t, func(c *config) { c.Now = func() time.Time { return time.Now().Add(later) } })
	w.people()
	w.program("mia")
	b := w.browser().signIn("olga")
	later = 25 * time.Hour
	b.reads("/admin", "Sign-ins in the last day: none.", "Nothing happened.")
}

// Attack: a member sets another person's e-mail address. An admin sees that it is not
// confirmed, and confirms or replaces it with their own password.
func TestEmailIsConfirmedByAdmins(t *testing.T) {
	w := newFixture(t, func(cfg *config) { cfg.MembersSetEmail = true })
	w.people()
	mia, olga := w.browser().signIn("mia"), w.browser().signIn("olga")
	path := "/admin/accounts/" + strconv.FormatInt(w.account("mia").ID, 10)
	confirmed := func(want bool) {
		t.Helper()
		if got := w.account("mia").EmailConfirmed(); got != want {
			t.Errorf("the address is confirmed: %v, want %v", got, want)
		}
	}
	olga.wantPage(olga.get(path), 200, "mia@example.org")
	olga.wantNot(olga.get(path), "not confirmed")
	mia.wantNot(mia.get("/account/profile"), "readonly")
	mia.wantTo(mia.post("/account/identity", url.Values{
		"username": {"mia"}, "email": {"boss@example.org"}, "current": {password},
	}), "/account/profile?done=identity")
	confirmed(false)
	olga.wantPage(olga.get(path), 200, "boss@example.org", "not confirmed", "/email/confirm")
	form := url.Values{"email": {"boss@example.org"}, "current": {"wrong"}}
	olga.wantPage(olga.post(path+"/email/confirm", form), 400, "Your own password is not right.")
	form.Set("current", password)
	stale := url.Values{"email": {"mia@example.org"}, "current": {password}}
	olga.wantPage(olga.post(path+"/email/confirm", stale), 400, "changed meanwhile")
	confirmed(false)
	olga.wantTo(olga.post(path+"/email/confirm", form), path+"?done=confirm")
	confirmed(true)
	olga.wantPage(olga.get(path+"?done=confirm"), 200, "is confirmed")
	olga.wantNot(olga.get(path+"?done=confirm"), "not confirmed", "/email/confirm")
	form.Set("email", "mia@example.com")
	olga.wantTo(olga.post(path+"/email", form), path+"?done=email")
	confirmed(true)
	form.Set("email", "noa@example.org")
	olga.wantPage(olga.post(path+"/email", form), 400, "exists already")
	form.Set("email", "n0a@example.org")
	olga.wantPage(olga.post(path+"/email", form), 400, "looks like this e-mail address")
	mia.wantPage(mia.post(path+"/email/confirm", form), 403)
}

// By default, members cannot change their e-mail address, and the page says so.
func TestMembersDoNotSetEmail(t *testing.T) {
	w := newTown(t)
	mia, olga := w.browser().signIn("mia"), w.browser().signIn("olga")
	mia.wantPage(mia.get("/account/profile"), 200, "readonly", "only an admin can change it")
	form := url.Values{"username": {"mia"}, "email": {"boss@example.org"}, "current": {password}}
	mia.wantPage(mia.post("/account/identity", form), 403, "by an admin only")
	form.Del("email") // only the name
	form.Set("username", "maria")
	mia.wantTo(mia.post("/account/identity", form), "/account/profile?done=identity")
	if a := w.account("maria"); a.Email != "mia@example.org" || !a.EmailConfirmed() {
		t.Errorf("the address is %s, confirmed %v", a.Email, a.EmailConfirmed())
	}
	olga.wantNot(olga.get("/account/profile"), "readonly")
	form = url.Values{"username": {"olga"}, "email": {"o@example.org"}, "current": {password}}
	olga.wantTo(olga.post("/account/identity", form), "/account/profile?done=identity")
}
