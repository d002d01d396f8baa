package web_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/source"
)

// crowd adds accounts: user000, user001 and so on.
func (w *fixture) crowd(n int) {
	w.Helper()
	for i := range n {
		name := fmt.Sprintf("user%03d", i)
		_, err := w.Accounts.Add(w.Context(), operator, account.NewAccount{
			Username: name, Email: name + "@example.org", Password: password,
		})
		w.must(err)
	}
}

var besidesLink = regexp.MustCompile(`<a rel="(prev|next)" href="([^"]*)"`)

// walk follows the links of a listing from its first page to the last and back. It returns
// the matches of a pattern from the way forwards.
func (b *browser) walk(path string, pattern *regexp.Regexp) (found []string, pages int) {
	b.Helper()
	links := func(page string) map[string]string {
		to := make(map[string]string)
		for _, m := range besidesLink.FindAllStringSubmatch(page, -1) {
			to[m[1]] = html.UnescapeString(m[2])
		}
		return to
	}
	var rows []string // of each page
	for {
		page := b.reads(path)
		rows = append(rows, strings.Join(pattern.FindAllString(page, -1), " "))
		next := links(page)["next"]
		if next == "" {
			break
		}
		path = next
	}
	for i := len(rows) - 2; i >= 0; i-- {
		path = links(b.reads(path))["prev"]
		if got := strings.Join(pattern.FindAllString(b.reads(path), -1), " "); got != rows[i] {
			b.Errorf("back on page %d are %s, want %s", i+1, got, rows[i])
		}
	}
	if prev := links(b.reads(path))["prev"]; prev != "" {
		b.Errorf("before the first page is %s", prev)
	}
	return strings.Fields(strings.Join(rows, " ")), len(rows)
}

func TestAccountsInPages(t *testing.T) {
	w := newTown(t)
	w.crowd(250)
	b := w.browser().signIn("olga")
	names := regexp.MustCompile(`user\d{3}\b`)
	found, pages := b.walk("/admin/accounts", regexp.MustCompile(`>user\d{3}</`))
	if len(found) != 250 || pages != 22 || names.FindString(found[0]) != "user000" || names.FindString(found[249]) != "user249" {
		t.Errorf("%d accounts on %d pages, want 250 on 22", len(found), pages)
	}
	found, pages = b.walk("/admin/accounts?search=USER1", regexp.MustCompile(`>user\d{3}</`))
	if len(found) != 100 || pages != 9 {
		t.Errorf("a search finds %d accounts on %d pages, want 100 on 9", len(found), pages)
	}
	for search, want := range map[string]string{"user249": "user249", "user007@": "user007", "%5C%22%3Cb%3E": "Nothing was found"} {
		b.reads("/admin/accounts?search="+search, want)
	}
	// A prefix of an e-mail address is enough. Accounts found by it come after those found
	// by name.
	w.must(w.Accounts.SetEmail(t.Context(), operator, w.account("noa").ID, "User1@example.org"))
	found, pages = b.walk("/admin/accounts?search=user1", regexp.MustCompile(`>(user\d{3}|noa)</`))
	if len(found) != 101 || pages != 9 || found[100] != ">noa</" {
		t.Errorf("a search finds %d accounts on %d pages, want 101 on 9, noa last", len(found), pages)
	}
	if page := b.reads("/admin/accounts?search=user1&sort=new", "come first, in the order of the names"); strings.Contains(page, `name="sort"`) {
		t.Error("the page of a search offers an order, which it ignores")
	}
	// An invalid cursor leads to the first page.
	b.reads("/admin/accounts?after=nothing", "user000", "First page")
}

// All sign-ins are paginated, the latest first. Failed attempts do not hide the last
// successful one.
func TestSignInsInPages(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.wantPage(b.post("/auth/sign-in", url.Values{"login": {"mia"}, "password": {"wrong"}}), 401)
	b.signIn("mia")
	mia := w.account("mia")
	w.must(w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		for i := range 30 {
			by := audit.Actor{Device: fmt.Sprintf("try%02d", i)}
			err := w.Audit.Record(ctx, tx, by, audit.Event{Kind: audit.SignInRefused, AccountID: mia.ID})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	found, pages := b.walk("/account/sign-ins", regexp.MustCompile(`try\d\d|A browser was signed in|wrong password`))
	if got := strings.Join(found, " "); pages != 6 || !strings.HasPrefix(got, "try29 try28 ") || !strings.HasSuffix(got, " try00 A browser was signed in wrong password") {
		t.Errorf("%d pages have %s", pages, got)
	}
	if page := b.reads("/account", "Latest sign-in"); strings.Contains(page, "none yet") {
		t.Error("the overview knows of no sign-in")
	}
	for _, misspelt := range []string{"after=nothing", "before=nothing", "after=WzBd", "after=WyJhIl0"} { // [0], ["a"]
		b.reads("/account/sign-ins?"+misspelt, "try29", "First page")
	}
}

// Servers can be searched. A form in a list leads back to the same part of the list.
func TestAdminSearchesServers(t *testing.T) {
	w := newTown(t)
	for _, name := range []string{"Den", "Attic", "den of mia", "100 %"} {
		w.AddSource(source.Source{
			Kind: source.Server, Identifier: strings.ReplaceAll(name, " ", "-"), Name: name, Product: "Shelf",
			Connections: []source.Connection{{URI: "http://10.0.0.1:32400"}},
		})
	}
	b := w.browser().signIn("olga")
	for search, want := range map[string]string{"den": "Den den of mia", "%25": "100 %", "shelf": "100 % Attic Den den of mia", "_": "", "n-of": "den of mia"} {
		page := b.reads("/admin/servers?search=" + search)
		var found []string
		for _, m := range regexp.MustCompile(`<a class="name" [^>]*>([^<]*)</a>`).FindAllStringSubmatch(page, -1) {
			found = append(found, m[1])
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("searching for %s finds %q, want %q", search, got, want)
		}
	}

	// Browsers send the address of the form's page, and the confirmation page passes it on.
	w.program("mia")
	const list = "/admin/tokens?search=telly&account=2"
	path := fmt.Sprintf("/admin/tokens/%d/revoke", w.tokens(2)[0].ID)
	referer := http.Header{"Origin": {b.base}, "Sec-Fetch-Site": {"same-origin"}, "Referer": {b.base + list + "&done=revoked"}}
	s := b.do(http.MethodPost, path, nil, referer)
	b.wantPage(s, http.StatusOK, `name="back" value="/admin/tokens?account=2&search=telly"`, `href="/admin/tokens?account=2&search=telly">Keep`)
	// Attack: a form that leads to another site.
	for _, elsewhere := range []string{"https://evil.example/admin/tokens2", "//evil.example", "/admin/keys", `/\evil.example`, "%zz"} {
		s := b.post(path, url.Values{"back": {elsewhere}})
		b.wantPage(s, http.StatusOK, `name="back" value="/admin/tokens"`)
	}
	b.sends(path, "/admin/tokens?account=2&done=revoked&search=telly", "sure", "1", "current", password, "back", "/admin/tokens?account=2&search=telly")
}

// If there are many accounts, forms take a typed name, and listings are paginated.
func TestAdminOfManyAccounts(t *testing.T) {
	w := newTown(t)
	w.crowd(150)
	b := w.browser().signIn("olga")
	form := []string{"name", "Den", "identifier", "den-1", "connections", "http://192.168.1.5:32400"}
	b.refused("/admin/servers", "There is no account “nobody”", append(form, "owner-name", "nobody")...)
	b.sends("/admin/servers", "/admin/servers?done=added", append(form, "owner-name", " USER005@example.org ")...)
	den, err := w.Sources.Find(t.Context(), source.Ref{Kind: source.Server, Identifier: "den-1"})
	w.must(err)
	if owner, err := w.Accounts.Get(t.Context(), den.OwnerID); err != nil || owner.Username != "user005" {
		t.Errorf("the owner is %s: %v", owner.Username, err)
	}
	denPath := fmt.Sprint("/admin/servers/", den.ID)
	for path, field := range map[string]string{"/admin/servers": `name="owner-name"`, denPath: `name="account-name"`} {
		if page := b.reads(path, field); strings.Contains(page, "<select") {
			t.Errorf("%s lets an admin choose one of 150 accounts", path)
		}
	}
	s := b.post("/admin/shares", url.Values{"server": {"den-1"}, "account-name": {"nobody"}})
	b.wantPage(s, http.StatusBadRequest, `value="nobody"`)
	b.wantWrong(s, "admin-shares-account-name", "There is no account “nobody”.")
	b.sends("/admin/shares", denPath+"?done=shared", "server", "den-1", "account-name", "User007")
	for i := range 130 {
		w.must(w.Sources.Share(t.Context(), operator, den, int64(i+20)))
	}
	b.reads("/admin/servers", "shared with more than 25 accounts")
	b.reads(denPath+"?search=USER00", "Take back the share of user007")
	b.reads(denPath+"?search=nobody", "Nothing was found")
	for path, want := range map[string]int{"/admin/shares": 22, "/admin/shares?server=den-1": 22, denPath: 33} {
		found, pages := b.walk(path, regexp.MustCompile(`<strong>user\d{3}</`))
		if len(found) != 131 || pages != want {
			t.Errorf("%s: %d shares on %d pages, want 131 on %d", path, len(found), pages, want)
		}
	}
	owner, err := w.Accounts.Find(t.Context(), "user007")
	w.must(err)
	b.wantTo(b.get("/admin/shares?name=User007"), fmt.Sprint("/admin/shares?account=", owner.ID))
	b.wantPage(b.get("/admin/shares?name=nobody"), http.StatusBadRequest, "There is no account “nobody”")
	b.reads(fmt.Sprint("/admin/shares?account=", owner.ID), "Shares of user007", "Den")
	for _, path := range []string{"/admin/shares?server=none", "/admin/shares?account=99999", "/admin/shares?account=x"} {
		b.wantPage(b.get(path), http.StatusNotFound)
	}
	w.program("mia")
	b.reads("/admin/tokens?name=MIA", "Revoke token", `value="mia"`)
	b.wantPage(b.get("/admin/tokens?name=nobody"), http.StatusBadRequest, "There is no account “nobody”")
}

// An account's page paginates devices and browsers separately.
func TestAccountInPages(t *testing.T) {
	w := newTown(t)
	for i := range 60 {
		name := fmt.Sprintf("set-%02d", i)
		verified, err := w.Accounts.Verify(t.Context(), audit.Actor{}, account.Credentials{Login: "mia", Password: password})
		w.must(err)
		_, err = w.Tokens.SignIn(t.Context(), audit.Actor{}, verified.Proof, device.Device{ClientIdentifier: name, Name: name})
		w.must(err)
	}
	b := w.browser().signIn("mia")
	found, pages := b.walk("/account/devices", regexp.MustCompile(`Sign out set-\d\d`))
	if len(found) != 3*60 || pages != 10 {
		t.Errorf("%d devices on %d pages, want 60 on 10", len(found)/3, pages)
	}
}

// The audit log can be paginated in both directions.
func TestAuditInPages(t *testing.T) {
	w := newTown(t)
	for i := range 120 {
		w.allow(fmt.Sprintf("https://app-%d.example.org", i))
	}
	b := w.browser().signIn("olga")
	rows := regexp.MustCompile(`app-\d+`)
	link := func(page, text string) string {
		m := regexp.MustCompile(`href="([^"]*)">` + text).FindStringSubmatch(page)
		if m == nil {
			return ""
		}
		return html.UnescapeString(m[1])
	}
	path, first := "/admin/audit?event=origin.allowed", ""
	var shown [][]string
	for path != "" {
		page := b.reads(path)
		if len(shown) == 0 {
			first = path
		}
		shown = append(shown, rows.FindAllString(page, -1))
		if next := link(page, "Older rows"); next != "" {
			path = next
			continue
		}
		break
	}
	if len(shown) != 8 {
		t.Fatalf("got %d pages, want 8", len(shown))
	}
	for i := len(shown) - 2; i >= 0; i-- {
		path = link(b.reads(path), "Newer rows")
		if got := rows.FindAllString(b.reads(path), -1); fmt.Sprint(got) != fmt.Sprint(shown[i]) {
			t.Errorf("back on page %d are %v, want %v", i+1, got, shown[i])
		}
	}
	if newer := link(b.reads(path), "Newer rows"); newer != "" {
		t.Errorf("newer than %s is %s", first, newer)
	}
}
