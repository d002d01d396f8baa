package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
)

var pageTests = []test{
	{"Pages/Pages of any size hold the rows that one page holds, in both directions", testPages},
	{"Pages/Sources for an account are read a few at a time", testCandidatePages},
	{"Pages/A search finds the names that begin with a text", testSearch},
	{"Pages/Devices are searched and sorted", testDeviceSearch},
	{"Pages/Tokens are searched for", testTokenSearch},
	{"Pages/Rows that come and go do not move others", testPagesMeanwhile},
	{"Pages/An invalid cursor leads to the first rows", testForeignCursor},
	{"Pages/A count stops", testCountStops},
	{"Pages/An origin is looked for by itself", testHasOrigin},
}

// reading is a listing, with rows as text.
type reading func(context.Context, paging.Request) (paging.List[string], error)

// read makes a reading of a method of a table.
func read[T any](list func(context.Context, paging.Request) (paging.List[T], error)) reading {
	return func(ctx context.Context, r paging.Request) (texts paging.List[string], err error) {
		l, err := list(ctx, r)
		texts.Next, texts.Previous = l.Next, l.Previous
		for _, row := range l.Rows {
			texts.Rows = append(texts.Rows, fmt.Sprint(row))
		}
		return texts, err
	}
}

// readings are all listings that are read in pages.
func (w *fixture) readings(accountID, sourceID int64) map[string]reading {
	return map[string]reading{
		"accounts": read(func(ctx context.Context, r paging.Request) (paging.List[account.Account], error) {
			return accounts.List(ctx, w, r)
		}),
		"accounts, the newest first": read(func(ctx context.Context, r paging.Request) (paging.List[account.Account], error) {
			return accounts.Newest(ctx, w, r)
		}),
		"accounts with a second factor": read(func(ctx context.Context, r paging.Request) (paging.List[account.Account], error) {
			return accounts.Sealed(ctx, w, r)
		}),
		"accounts by name": read(func(ctx context.Context, r paging.Request) (paging.List[account.Account], error) {
			return accounts.Search(ctx, w, "", "", r)
		}),
		"accounts by name and by e-mail": read(func(ctx context.Context, r paging.Request) (paging.List[account.Account], error) {
			return accounts.Search(ctx, w, "a", "a", r)
		}),
		"devices": read(func(ctx context.Context, r paging.Request) (paging.List[string], error) {
			l, err := devices.List(ctx, w, accountID, r)
			return deviceNames(l), err
		}),
		"devices by name": read(func(ctx context.Context, r paging.Request) (paging.List[string], error) {
			l, err := devices.Search(ctx, w, accountID, device.Query{Order: device.ByName}, r)
			return deviceNames(l), err
		}),
		"devices by product": read(func(ctx context.Context, r paging.Request) (paging.List[string], error) {
			l, err := devices.Search(ctx, w, accountID, device.Query{Order: device.ByProduct}, r)
			return deviceNames(l), err
		}),
		"devices with a text": read(func(ctx context.Context, r paging.Request) (paging.List[string], error) {
			l, err := devices.Search(ctx, w, accountID, device.Query{Text: "DEVIC"}, r)
			return deviceNames(l), err
		}),
		"tokens": read(func(ctx context.Context, r paging.Request) (paging.List[token.Token], error) {
			return tokens.List(ctx, w, 0, r)
		}),
		"tokens that are searched for": read(func(ctx context.Context, r paging.Request) (paging.List[token.Token], error) {
			return tokens.Search(ctx, w, token.SearchText{Device: "PROD", Username: "a"}, 0, r)
		}),
		"tokens of an account that are searched for": read(func(ctx context.Context, r paging.Request) (paging.List[token.Token], error) {
			return tokens.Search(ctx, w, token.SearchText{Device: "nAme"}, accountID, r)
		}),
		"tokens of an account": read(func(ctx context.Context, r paging.Request) (paging.List[token.Token], error) {
			return tokens.List(ctx, w, accountID, r)
		}),
		"sessions": read(func(ctx context.Context, r paging.Request) (paging.List[session.Stored], error) {
			return sessions.List(ctx, w, accountID, at(0), r)
		}),
		"sources": read(func(ctx context.Context, r paging.Request) (paging.List[source.Source], error) {
			return sources.List(ctx, w, source.Server, "", r)
		}),
		"sources that are searched for": read(func(ctx context.Context, r paging.Request) (paging.List[source.Source], error) {
			return sources.List(ctx, w, source.Server, "S", r)
		}),
		"shares of a source that are searched for": read(func(ctx context.Context, r paging.Request) (paging.List[source.Share], error) {
			return shares.OfSource(ctx, w, sourceID, "a", r)
		}),
		"sources of an owner": read(func(ctx context.Context, r paging.Request) (paging.List[source.Source], error) {
			return sources.Owned(ctx, w, source.Server, accountID, r)
		}),
		"shares": read(func(ctx context.Context, r paging.Request) (paging.List[source.Share], error) {
			return shares.List(ctx, w, r)
		}),
		"shares of a source": read(func(ctx context.Context, r paging.Request) (paging.List[source.Share], error) {
			return shares.OfSource(ctx, w, sourceID, "", r)
		}),
		"shares of an account": read(func(ctx context.Context, r paging.Request) (paging.List[source.Share], error) {
			return shares.OfAccount(ctx, w, accountID, r)
		}),
		"origins": read(func(ctx context.Context, r paging.Request) (paging.List[origin.Origin], error) {
			return origins.List(ctx, w, r)
		}),
		"invitations": read(func(ctx context.Context, r paging.Request) (paging.List[invite.Invitation], error) {
			return invitations.List(ctx, w, r)
		}),
	}
}

// deviceNames are the rows of a listing of devices, with what identifies them.
func deviceNames(l paging.List[device.Device]) paging.List[string] {
	texts := paging.List[string]{Next: l.Next, Previous: l.Previous}
	for _, d := range l.Rows {
		texts.Rows = append(texts.Rows, fmt.Sprint(d.ID, d.ClientIdentifier))
	}
	return texts
}

// full has seven rows for each listing, with values that are the same where they may
// be. It returns the account and the source whose rows some of them are.
func (w *fixture) full() (accountID, sourceID int64) {
	w.t.Helper()
	for i := range 7 {
		a := w.account(fmt.Sprint("a", (i*5)%7)) // not in the order of their names
		a.TOTPSeed = []byte("sealed")
		w.change(a)
		if i == 0 {
			accountID = a.ID
		}
		w.do(func(ctx context.Context, tx *db.Tx) error {
			return accounts.SetBackupCodes(ctx, tx, a.ID, []signin.Hash{{1}})
		})
		deviceID := w.device(accountID, fmt.Sprint("device ", i))
		w.token(fmt.Sprint("token ", i), token.Row{AccountID: accountID, DeviceID: deviceID})
		w.session(session.Session{AccountID: accountID, Complete: true, LastUsedAt: at(i / 2), ExpiresAt: at(1)}, fmt.Sprint(i))
		w.do(func(ctx context.Context, tx *db.Tx) error {
			id, err := sources.Insert(ctx, tx, source.Source{
				Kind: source.Server, Identifier: fmt.Sprint("source ", i), Name: fmt.Sprint("name ", i/2), OwnerID: accountID,
			})
			if i == 0 {
				sourceID = id
			}
			return err
		})
		w.do(func(ctx context.Context, tx *db.Tx) error {
			return origins.Insert(ctx, tx, origin.Origin{Origin: fmt.Sprintf("https://%d.example.org", i), CreatedAt: at(1)})
		})
		w.invitation(invite.Invitation{MakerID: accountID, Servers: []invite.Server{{ID: sourceID}}, CreatedAt: at(i)}, byte(i))
		w.share(sourceID, a.ID)
		if i > 0 {
			w.share(sourceID+int64(i), accountID)
		}
	}
	return accountID, sourceID
}

func testPages(t *testing.T, w *fixture) {
	for name, list := range w.readings(w.full()) {
		whole, err := list(t.Context(), paging.Request{})
		must(t, err)
		if len(whole.Rows) < 7 || whole.Next != "" || whole.Previous != "" {
			t.Errorf("%s: one page has %d rows and the neighbours %q and %q", name, len(whole.Rows), whole.Previous, whole.Next)
		}
		for limit := 1; limit <= len(whole.Rows)+1; limit++ {
			what := fmt.Sprintf("%s, %d at a time", name, limit)
			var pages [][]string
			var forwards []string
			r := paging.Request{Limit: limit}
			l, err := list(t.Context(), r)
			for must(t, err); ; must(t, err) {
				if first := len(pages) == 0; (l.Previous == "") != first {
					t.Errorf("%s: page %d has the place %q before it", what, len(pages)+1, l.Previous)
				}
				pages, forwards = append(pages, l.Rows), append(forwards, l.Rows...)
				if l.Next == "" {
					break
				}
				l, err = list(t.Context(), paging.Request{After: l.Next, Limit: limit})
			}
			same(t, what, forwards, whole.Rows)
			for i := len(pages) - 2; i >= 0; i-- {
				l, err = list(t.Context(), paging.Request{Before: l.Previous, Limit: limit})
				must(t, err)
				same(t, fmt.Sprintf("%s, back to page %d", what, i+1), l.Rows, pages[i])
				if l.Next == "" || (l.Previous == "") != (i == 0) {
					t.Errorf("%s: back on page %d, the neighbours are %q and %q", what, i+1, l.Previous, l.Next)
				}
			}
		}
	}
}

func testCandidatePages(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	var wanted []int64
	for i := range 24 {
		src := source.Source{
			Kind: source.Server, Identifier: fmt.Sprint(i), Name: "name", Everyone: i%4 == 0,
			OwnerID: []int64{noa.ID, mia.ID, 0}[i%3],
		}
		if i%8 == 7 {
			src.Kind = source.Provider
		}
		w.do(func(ctx context.Context, tx *db.Tx) (err error) {
			src.ID, err = sources.Insert(ctx, tx, src)
			return err
		})
		if i%5 == 0 {
			w.share(src.ID, mia.ID)
		}
		if src.Kind == source.Server && (src.Everyone || src.OwnerID != noa.ID || i%5 == 0) {
			wanted = append(wanted, src.ID)
		}
	}
	for limit := 1; limit <= 30; limit++ {
		var got []int64
		for last := int64(0); ; {
			list, err := sources.Candidates(t.Context(), w, source.Server, mia.ID, last, limit)
			must(t, err)
			for _, c := range list {
				last = c.ID
				got = append(got, c.ID)
			}
			if len(list) < limit {
				break
			}
		}
		same(t, fmt.Sprintf("%d at a time", limit), got, wanted)
	}
}

func testSearch(t *testing.T, w *fixture) {
	for _, name := range []string{"mia", "mi", "noa", "mib", "m", "mi\U0010FFFD", "mi日", "ami"} {
		a := w.account(name)
		if name == "noa" || name == "ami" { // whose address begins in another way
			a.Email, a.EmailKey = "mi-"+name+"@example.com", "mi-"+name+"@example.com"
			w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Update(ctx, tx, a) })
		}
	}
	names := func(name, email string, limit int) (found []string) {
		list, err := accounts.Search(t.Context(), w, name, email, paging.Request{Limit: limit})
		must(t, err)
		for {
			for _, a := range list.Rows {
				found = append(found, a.Username)
			}
			if list.Next == "" {
				break
			}
			list, err = accounts.Search(t.Context(), w, name, email, paging.Request{After: list.Next, Limit: limit})
			must(t, err)
		}
		var back []string
		for list.Previous != "" {
			list, err = accounts.Search(t.Context(), w, name, email, paging.Request{Before: list.Previous, Limit: limit})
			must(t, err)
			for _, a := range slices.Backward(list.Rows) {
				back = append(back, a.Username)
			}
		}
		slices.Reverse(back)
		if !slices.Equal(back, found[:len(back)]) {
			t.Errorf("back, %d at a time: %q, want %q", limit, back, found[:len(back)])
		}
		if len(found) > limit && len(back) < len(found)-limit {
			t.Errorf("%d at a time: only %d of %d are read back", limit, len(back), len(found))
		}
		return found
	}
	for limit := 1; limit < 10; limit++ {
		what := fmt.Sprintf(", %d at a time", limit)
		same(t, "by name and e-mail"+what, names("mi", "mi", limit), []string{"mi", "mia", "mib", "mi日", "mi\U0010FFFD", "ami", "noa"})
		same(t, "by name only"+what, names("mi", "", limit), []string{"mi", "mia", "mib", "mi日", "mi\U0010FFFD"})
		same(t, "by e-mail only"+what, names("mi-", "mi-", limit), []string{"ami", "noa"})
		same(t, "an impossible name"+what, names("%", "%", limit), nil)
	}
	for _, c := range []paging.Cursor{paging.NewCursor("mi"), paging.NewCursor(int64(2), "mi"), paging.NewCursor(int64(-1), "mi"), paging.NewCursor("0", "mi")} {
		l, err := accounts.Search(t.Context(), w, "mi", "mi", paging.Request{Before: c, Limit: 2})
		must(t, err)
		if len(l.Rows) != 2 || l.Rows[0].Username != "mi" {
			t.Errorf("the cursor %q leads to %v", c, l.Rows)
		}
	}
}

func testDeviceSearch(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	add := func(accountID int64, client, product, name string, signedIn bool) (id int64) {
		w.do(func(ctx context.Context, tx *db.Tx) (err error) {
			id, _, err = devices.Upsert(ctx, tx, accountID, device.Device{
				ClientIdentifier: client, Product: product, Name: name, Platform: "Roku", Address: "192.0.2.7",
			})
			return err
		})
		if signedIn {
			w.token(client, token.Row{AccountID: accountID, DeviceID: id})
			w.token(client+" again", token.Row{AccountID: accountID, DeviceID: id})
		}
		return id
	}
	den := add(mia.ID, "a", "Telly", "den", true)
	add(mia.ID, "b", "telly", "Attic", true)
	add(mia.ID, "c", "Player 100%", "Zoo", true)
	gone := add(mia.ID, "d", "Telly", "gone", false)
	add(noa.ID, "e", "Telly", "noa's", true)
	found := func(query device.Query) string {
		t.Helper()
		rows, err := paging.Rows(devices.Search(t.Context(), w, mia.ID, query, paging.Request{}))
		must(t, err)
		text := ""
		for _, d := range rows {
			text += d.ClientIdentifier
		}
		return text
	}
	for _, row := range []struct {
		query device.Query
		want  string
	}{
		{device.Query{Order: device.ByName}, "bac"},
		{device.Query{Order: device.ByProduct}, "cab"},
		{device.Query{Text: "TELLY", Order: device.ByName}, "ba"},
		{device.Query{Text: "ROKU", Order: device.ByName}, "bac"},
		{device.Query{Text: "0%", Order: device.ByName}, "c"},
		{device.Query{Text: "%%", Order: device.ByName}, ""},
		{device.Query{Text: "' OR 1=1 --", Order: device.ByProduct}, ""},
		{device.Query{Text: "noa"}, ""},
	} {
		same(t, fmt.Sprintf("%+v", row.query), found(row.query), row.want)
	}
	n, err := devices.Count(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "Count", n, 3)
	d, held, err := devices.Held(t.Context(), w, mia.ID, den)
	must(t, err)
	same(t, "Held", fmt.Sprint(d.Name, held), "den2")
	for _, ids := range [][2]int64{{noa.ID, den}, {mia.ID, gone}, {mia.ID, 99}} {
		if _, _, err := devices.Held(t.Context(), w, ids[0], ids[1]); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("device %d of account %d: %v", ids[1], ids[0], err)
		}
	}
	child := w.token("child", token.Row{AccountID: mia.ID, DeviceID: den, ParentID: 1})
	w.token("grandchild", token.Row{AccountID: mia.ID, DeviceID: den, ParentID: child})
	for selection, want := range map[token.Selection]int{
		{AccountID: mia.ID}: 8, {AccountID: noa.ID}: 2, {DeviceID: den}: 4, {ID: 1}: 3, {ID: child}: 2, {ID: 99}: 0, {}: 0,
	} {
		n, err := tokens.CountSelected(t.Context(), w, selection)
		must(t, err)
		same(t, fmt.Sprintf("the tokens of %+v", selection), n, want)
	}
	for i, expires := range []time.Time{at(1), at(9), at(9)} {
		w.session(session.Session{AccountID: mia.ID, Complete: i < 2, LastUsedAt: at(0), ExpiresAt: expires}, fmt.Sprint("cookie ", i))
	}
	ofSessions, err := sessions.CountOf(t.Context(), w, mia.ID, at(5))
	must(t, err)
	same(t, "the browsers of an account", ofSessions, 1)
}

func testPagesMeanwhile(t *testing.T, w *fixture) {
	accountID, _ := w.full()
	first, err := tokens.List(t.Context(), w, accountID, paging.Request{Limit: 3})
	must(t, err)
	w.use("token 3", at(59)) // on the second page
	w.token("new", token.Row{AccountID: accountID, DeviceID: 1})
	w.do(func(ctx context.Context, tx *db.Tx) error {
		_, err := tokens.Delete(ctx, tx, token.Selection{ID: first.Rows[2].ID}) // the place itself
		return err
	})
	rest, err := paging.Rows(tokens.List(t.Context(), w, accountID, paging.Request{After: first.Next}))
	must(t, err)
	var ids []int64
	for _, row := range rest {
		ids = append(ids, row.ID)
	}
	same(t, "the rows after the first page", ids, []int64{4, 3, 2, 1})
}

func testForeignCursor(t *testing.T, w *fixture) {
	accountID, _ := w.full()
	whole, err := sources.List(t.Context(), w, source.Server, "", paging.Request{})
	must(t, err)
	whole.Restarted = true // as the pages report it
	for _, c := range []paging.Cursor{
		"?", paging.NewCursor(int64(1)), paging.NewCursor(int64(1), int64(1)), paging.NewCursor("name 1", "2"),
		paging.NewCursor("name 1", int64(2), int64(3)),
	} {
		for _, r := range []paging.Request{{After: c}, {Before: c}} {
			got, err := sources.List(t.Context(), w, source.Server, "", r)
			must(t, err)
			same(t, fmt.Sprintf("the page of %+v", r), got, whole)
		}
	}
	got, err := accounts.List(t.Context(), w, paging.Request{Before: paging.NewCursor(accountID)})
	must(t, err)
	same(t, "before the first row", got, paging.List[account.Account]{})

	found, err := accounts.Search(t.Context(), w, "a", "a", paging.Request{})
	must(t, err)
	if len(found.Rows) < 2 {
		t.Fatalf("the search finds %d accounts", len(found.Rows))
	}
	found.Restarted = true
	for _, c := range []paging.Cursor{paging.NewCursor(""), paging.NewCursor(int64(0), "A"), paging.NewCursor(int64(0), "b"), paging.NewCursor(int64(1), "b")} {
		for _, r := range []paging.Request{{After: c}, {Before: c}} {
			got, err := accounts.Search(t.Context(), w, "a", "a", r)
			must(t, err)
			same(t, fmt.Sprintf("the accounts from %+v, a place of another search", r), got, found)
		}
	}
}

func testCountStops(t *testing.T, w *fixture) {
	const wanted = paging.Counted + 1
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			INSERT INTO account (uuid, username, username_key, email, title, password_hash, admin, created_at)
			SELECT CAST(i AS TEXT), 'u', CAST(i AS TEXT), '', '', '', i < 0, 0 FROM n`, wanted+5)
	})
	c, err := accounts.Count(t.Context(), w)
	must(t, err)
	same(t, "Count", c, account.Counts{Accounts: wanted})
}

func testHasOrigin(t *testing.T, w *fixture) {
	w.full()
	for text, wanted := range map[string]bool{"https://3.example.org": true, "https://3.example.or": false, "": false} {
		has, err := store.Origins{}.Has(t.Context(), w, text)
		must(t, err)
		same(t, "Has "+text, has, wanted)
	}
}

func testTokenSearch(t *testing.T, w *fixture) {
	mia, alba := w.account("mia"), w.account("alba")
	n := 0
	add := func(a account.Account, name, product string, held int) (names []string) {
		d := newDevice(fmt.Sprint("device ", n))
		d.Name, d.Product = name, product
		var id int64
		w.do(func(ctx context.Context, tx *db.Tx) (err error) {
			id, _, err = devices.Upsert(ctx, tx, a.ID, d)
			return err
		})
		for range held {
			n++
			names = append(names, fmt.Sprint(w.token(fmt.Sprint("token ", n), token.Row{AccountID: a.ID, DeviceID: id})))
		}
		return names
	}
	byAccount := add(alba, "Kitchen", "Player", 2)
	byProduct := add(mia, "Kitchen", "ALbum", 2)
	byName := add(mia, "alcove_", "ALbum", 3)
	byName = append(byName, add(alba, "AL%", "Player", 1)...) // "%" comes before letters
	byName = append(byName[3:], byName[:3]...)
	add(mia, "Den", "Player", 1)
	search := func(text string, accountID int64, r paging.Request) paging.List[string] {
		t.Helper()
		l, err := tokens.Search(t.Context(), w.other(), token.SearchText{Device: text, Username: strings.ToLower(text)}, accountID, r)
		must(t, err)
		found := paging.List[string]{Next: l.Next, Previous: l.Previous}
		for _, row := range l.Rows {
			found.Rows = append(found.Rows, fmt.Sprint(row.ID))
		}
		return found
	}
	all := slices.Concat(byName, byProduct, byAccount)
	for limit := 1; limit <= len(all)+1; limit++ {
		var forwards, backwards []string
		l := search("Al", 0, paging.Request{Limit: limit})
		for forwards = l.Rows; l.Next != ""; forwards = append(forwards, l.Rows...) {
			l = search("Al", 0, paging.Request{After: l.Next, Limit: limit})
		}
		same(t, fmt.Sprint("forwards, ", limit), forwards, all)
		for backwards = l.Rows; l.Previous != ""; backwards = slices.Concat(l.Rows, backwards) {
			l = search("Al", 0, paging.Request{Before: l.Previous, Limit: limit})
		}
		same(t, fmt.Sprint("backwards, ", limit), backwards, all)
	}
	for text, want := range map[string][]string{
		"al%": byName[:1], "alcove_": byName[1:], "alco%": nil, "alcove__": nil, "ALBA": append(slices.Clone(byAccount), byName[0]), "album": slices.Concat(byName[1:], byProduct),
		"lcove": nil, "al\u00e9": nil,
	} {
		if text == "album" {
			want = slices.Concat(byProduct, byName[1:]) // by the number of the device
		}
		same(t, text, search(text, 0, paging.Request{}).Rows, want)
	}
	// In one account, the newest first, and not by its name.
	same(t, "of mia", search("al", mia.ID, paging.Request{}).Rows, []string{byName[3], byName[2], byName[1], byProduct[1], byProduct[0]})
	same(t, "of alba", search("al", alba.ID, paging.Request{}).Rows, byName[:1])
	// A cursor of another search leads to the first rows of this one.
	other := search("kitchen", 0, paging.Request{Limit: 1})
	same(t, "with a cursor of another search", search("al", 0, paging.Request{After: other.Next}).Rows, all)
	same(t, "back from it", search("al", 0, paging.Request{Before: other.Next}).Rows, all)
}
