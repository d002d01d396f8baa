package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
)

var deviceTests = []test{
	{"Devices/A device is read back whole", testDevice},
	{"Devices/Upsert replaces what a device says", testUpsert},
	{"Devices/Upsert tells whether a device is new", testFamiliarDevice},
	{"Devices/The last seen is the first of the list", testDeviceOrder},
	{"Devices/One device comes of many upserts", testUpsertAtOnce},
	{"Devices/A device is found by its identifier, with or without a token", testDeviceByIdentifier},
	{"Devices/One takes what another one has", testMergedDevices},
}

var tokenTests = []test{
	{"Tokens/A token is read back whole", testToken},
	{"Tokens/A grant says what the account is now", testGrantOfAccount},
	{"Tokens/Hashes are unique", testTokenConflict},
	{"Tokens/Missing tokens are not found", testNoToken},
	{"Tokens/The newest is the first of the list", testTokenOrder},
	{"Tokens/LeastUsed ends with the least recently used", testLeastUsed},
	{"Tokens/Lineage leads to the root", testLineage},
	{"Tokens/SetLastUsed moves forward only", testSetLastUsed},
	{"Tokens/Uses are noted that move a time by enough", testNoteUses},
	{"Tokens/What notes uses waits for nobody's turn", testNotesWaitForNobody},
	{"Tokens/A noted use brings no revoked token back", testNotesBesideRevocations},
	{"Tokens/Delete takes what matches every field, and its descendants", testDeleteTokens},
	{"Tokens/A selection of nothing deletes nothing", testDeleteNothing},
	{"Tokens/Revoked server tokens are counted for their parent", testRevocations},
	{"Tokens/A token moves under another one", testParents},
	{"Tokens/Those that have expired are found", testExpiredTokens},
}

var (
	devices store.Devices
	tokens  store.Tokens
)

func testDevice(t *testing.T, w *fixture) {
	mia := w.account("mia")
	wanted, isNew := newDevice("tv"), false
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		wanted.CreatedAt, wanted.LastSeenAt = stored(tx.Now()), stored(tx.Now())
		wanted.ID, isNew, err = devices.Upsert(ctx, tx, mia.ID, wanted)
		return err
	})
	same(t, "is new", isNew, true)
	w.device(mia.ID, "without a token")
	list, err := paging.Rows(devices.List(t.Context(), w, mia.ID, paging.Request{}))
	must(t, err)
	same(t, "the devices without a token", list, nil)
	w.token("token", token.Row{AccountID: mia.ID, DeviceID: wanted.ID})
	for _, q := range []db.Querier{w, w.other()} {
		list, err := paging.Rows(devices.List(t.Context(), q, mia.ID, paging.Request{}))
		must(t, err)
		same(t, "the list", list, []device.Device{wanted})
	}
}

func testUpsert(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	id := w.device(mia.ID, "tv")
	w.token("token", token.Row{AccountID: mia.ID, DeviceID: id})
	before, err := paging.Rows(devices.List(t.Context(), w, mia.ID, paging.Request{}))
	must(t, err)
	time.Sleep(2 * time.Millisecond) // the time of a write is stored in milliseconds
	wanted := device.Device{
		ClientIdentifier: "tv", Product: "1", Version: "2", Platform: "3", PlatformVersion: "4", Device: "5",
		Model: "6", Vendor: "7", Name: "8", Address: "9", CreatedAt: before[0].CreatedAt,
	}
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		wanted.LastSeenAt = stored(tx.Now())
		wanted.ID, _, err = devices.Upsert(ctx, tx, mia.ID, wanted)
		return err
	})
	same(t, "its ID", wanted.ID, id)
	list, err := paging.Rows(devices.List(t.Context(), w, mia.ID, paging.Request{}))
	must(t, err)
	same(t, "the list", list, []device.Device{wanted})
	if other := w.device(noa.ID, "tv"); other == id {
		t.Error("a device of two accounts is one row")
	}
}

func testFamiliarDevice(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	d := newDevice("tv")
	d.Address = "2001:db8:1:2::1"
	wantNew := func(what string, accountID int64, d device.Device, wanted bool) {
		t.Helper()
		var isNew bool
		w.do(func(ctx context.Context, tx *db.Tx) (err error) {
			d.ID, isNew, err = devices.Upsert(ctx, tx, accountID, d)
			return err
		})
		same(t, what+": is new", isNew, wanted)
	}
	id := w.device(mia.ID, "tv")
	wantNew("it is signed out", mia.ID, d, true)
	w.token("expired", token.Row{AccountID: mia.ID, DeviceID: id, ExpiresAt: at(1)})
	wantNew("its token has expired", mia.ID, d, true)
	w.token("token", token.Row{AccountID: mia.ID, DeviceID: id})
	wantNew("it is signed in", mia.ID, d, false)
	next := d
	next.Address, next.Version, next.Name = "2001:db8:1:2::2", "another", "another"
	wantNew("another address of the network", mia.ID, next, false)
	elsewhere, program := d, d
	elsewhere.Address, program.Product = "192.0.2.7", "another program"
	wantNew("another network", mia.ID, elsewhere, true)
	wantNew("the same network again", mia.ID, elsewhere, false)
	wantNew("back again", mia.ID, d, true)
	wantNew("another program", mia.ID, program, true)
	wantNew("the first program", mia.ID, d, true)
	wantNew("the first program again", mia.ID, d, false)
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, "UPDATE device SET network = '' WHERE id = $1", id)
	})
	wantNew("from before networks were stored", mia.ID, d, false)

	wantNew("it signs in to another account", noa.ID, d, true)
	wantNew("and to the first one again", mia.ID, d, false)
}

func testDeviceOrder(t *testing.T, w *fixture) {
	mia := w.account("mia")
	var ids []int64
	for _, client := range []string{"1", "2", "3"} {
		id := w.device(mia.ID, client)
		w.token(client, token.Row{AccountID: mia.ID, DeviceID: id})
		ids = append(ids, id)
	}
	w.use("2", time.Now().Add(time.Hour))
	w.use("3", time.Now().Add(time.Hour/2))
	list, err := paging.Rows(devices.List(t.Context(), w, mia.ID, paging.Request{}))
	must(t, err)
	var got []int64
	for _, d := range list {
		got = append(got, d.ID)
	}
	same(t, "the order", got, []int64{ids[1], ids[2], ids[0]})
}

func testDeviceByIdentifier(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	id := w.device(mia.ID, "tv")
	for what, row := range map[string]struct {
		account    int64
		identifier string
		found      bool
	}{
		"mia's":                 {mia.ID, "tv", true},
		"another account's":     {noa.ID, "tv", false},
		"nobody's":              {0, "tv", false},
		"another identifier":    {mia.ID, "phone", false},
		"in another case":       {mia.ID, "TV", false},
		"without an identifier": {mia.ID, "", false},
	} {
		got, address, err := devices.ByIdentifier(t.Context(), w.other(), row.account, row.identifier)
		if !row.found {
			want(t, what, err, db.ErrNotFound)
			continue
		}
		must(t, err)
		same(t, what, got, id)
		same(t, "its address", address, "address")
	}
}

func testUpsertAtOnce(t *testing.T, w *fixture) {
	mia := w.account("mia")
	ids, news := make(chan int64, 20), make(chan bool, 20)
	t.Run("at once", func(t *testing.T) {
		for i := range cap(ids) {
			d := []*db.DB{w.DB, w.other()}[i%2]
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
					id, isNew, err := devices.Upsert(ctx, tx, mia.ID, newDevice("tv"))
					ids <- id
					news <- isNew
					if err != nil {
						return err
					}
					_, err = tokens.Insert(ctx, tx, token.Row{Hash: hash(fmt.Sprint(i)), Kind: token.Access, AccountID: mia.ID, DeviceID: id})
					return err
				}))
			})
		}
	})
	close(ids)
	first := <-ids
	for id := range ids {
		same(t, "the ID of the same device", id, first)
	}
	close(news)
	n := 0
	for isNew := range news {
		if isNew {
			n++
		}
	}
	same(t, "how often it was new", n, 1)
}

// use records the use of a token.
func (w *fixture) use(name string, at time.Time) {
	w.t.Helper()
	g, err := tokens.Grant(w.t.Context(), w, hash(name))
	must(w.t, err)
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return tokens.SetLastUsed(ctx, tx, token.Use{TokenID: g.TokenID, DeviceID: g.DeviceID, At: at})
	})
}

func testToken(t *testing.T, w *fixture) {
	mia := w.account("mia")
	den := w.source("den", 0)
	deviceID := w.device(mia.ID, "tv")
	var made time.Time
	parent := token.Row{Hash: hash("parent"), Kind: token.Access, AccountID: mia.ID, DeviceID: deviceID}
	child := token.Row{
		Hash: hash("child"), Kind: token.Server, AccountID: mia.ID, DeviceID: deviceID, SourceID: den.ID, ExpiresAt: at(30),
	}
	var parentID, childID int64
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		made = stored(tx.Now())
		if parentID, err = tokens.Insert(ctx, tx, parent); err != nil {
			return err
		}
		child.ParentID = parentID
		childID, err = tokens.Insert(ctx, tx, child)
		return err
	})
	wanted := newDevice("tv")
	wanted.ID = deviceID
	for _, q := range []db.Querier{w, w.other()} {
		grant, err := tokens.Grant(t.Context(), q, parent.Hash)
		must(t, err)
		same(t, "the parent's grant", grant, token.Grant{
			TokenID: parentID, Hash: parent.Hash, Kind: token.Access, AccountID: mia.ID, DeviceID: deviceID, LastUsedAt: made,
		})
		grant, err = tokens.Grant(t.Context(), q, child.Hash)
		must(t, err)
		same(t, "the child's grant", grant, token.Grant{
			TokenID: childID, Hash: child.Hash, Kind: token.Server, AccountID: mia.ID, DeviceID: deviceID, SourceID: den.ID,
			ExpiresAt: at(30), LastUsedAt: made,
		})
		row := token.Token{
			ID: childID, Kind: token.Server, AccountID: mia.ID, Username: "mia", Device: wanted, Source: den.Name,
			CreatedAt: made, LastUsedAt: made, ExpiresAt: at(30),
		}
		got, err := tokens.Get(t.Context(), q, childID)
		must(t, err)
		same(t, "Get", got, row)
		list, err := paging.Rows(tokens.List(t.Context(), q, mia.ID, paging.Request{}))
		must(t, err)
		second := row
		second.ID, second.Kind, second.Source, second.ExpiresAt = parentID, token.Access, "", time.Time{}
		same(t, "List", list, []token.Token{row, second})
		counts, err := tokens.Count(t.Context(), q)
		must(t, err)
		same(t, "Count", counts, token.Counts{Access: 1, Server: 1})
	}
}

func testGrantOfAccount(t *testing.T, w *fixture) {
	mia := w.account("mia")
	w.token("token", token.Row{AccountID: mia.ID, DeviceID: w.device(mia.ID, "tv")})
	for _, a := range []account.Account{{Admin: true}, {Disabled: true}, {}} {
		mia.Admin, mia.Disabled = a.Admin, a.Disabled
		w.change(mia)
		g, err := tokens.Grant(t.Context(), w, hash("token"))
		must(t, err)
		if g.Admin != a.Admin || g.Disabled != a.Disabled {
			t.Errorf("the grant is %+v, want admin %v and disabled %v", g, a.Admin, a.Disabled)
		}
	}
}

func testTokenConflict(t *testing.T, w *fixture) {
	mia := w.account("mia")
	deviceID := w.device(mia.ID, "tv")
	w.oneWins(func(ctx context.Context, tx *db.Tx, _ int) error {
		_, err := tokens.Insert(ctx, tx, token.Row{
			Hash: hash("same"), Kind: token.Access, AccountID: mia.ID, DeviceID: deviceID,
		})
		return err
	})
}

func testNoToken(t *testing.T, w *fixture) {
	_, err := tokens.Grant(t.Context(), w, hash("none"))
	want(t, "Grant", err, db.ErrNotFound)
	_, err = tokens.Get(t.Context(), w, 99)
	want(t, "Get", err, db.ErrNotFound)
	w.do(func(ctx context.Context, tx *db.Tx) error { // is ignored
		return tokens.SetLastUsed(ctx, tx, token.Use{TokenID: 99, DeviceID: 99, At: at(1)})
	})
	none, err := tokens.Uses(t.Context(), w, token.Selection{})
	must(t, err)
	same(t, "the uses of no selection", len(none), 0)
}

// fleet is mia's tv with tokens "0" to "4", used in the order 0, 4, 3, 2, 1 with
// 1 the last; her phone with one, and noa's tv with one.
func (w *fixture) fleet() (mia, noa account.Account, tv int64, ids []int64) {
	w.t.Helper()
	mia, noa = w.account("mia"), w.account("noa")
	tv = w.device(mia.ID, "tv")
	for i := range 5 {
		ids = append(ids, w.token(fmt.Sprint(i), token.Row{AccountID: mia.ID, DeviceID: tv}))
	}
	now := time.Now()
	for i := 1; i < 5; i++ {
		w.use(fmt.Sprint(i), now.Add(time.Duration(10-i)*time.Hour))
	}
	w.token("phone", token.Row{AccountID: mia.ID, DeviceID: w.device(mia.ID, "phone")})
	w.token("noa", token.Row{AccountID: noa.ID, DeviceID: w.device(noa.ID, "tv")})
	return mia, noa, tv, ids
}

func testTokenOrder(t *testing.T, w *fixture) {
	mia, _, _, ids := w.fleet()
	for id, wanted := range map[int64][]int64{
		mia.ID: {ids[0] + 5, ids[4], ids[3], ids[2], ids[1], ids[0]},
		0:      {ids[0] + 6, ids[0] + 5, ids[4], ids[3], ids[2], ids[1], ids[0]},
	} {
		list, err := paging.Rows(tokens.List(t.Context(), w, id, paging.Request{}))
		must(t, err)
		var got []int64
		for _, row := range list {
			got = append(got, row.ID)
		}
		same(t, fmt.Sprintf("the list of account %d", id), got, wanted)
	}
}

func testLeastUsed(t *testing.T, w *fixture) {
	mia, _, tv, ids := w.fleet()
	// A server token is not one of the device's access tokens.
	w.token("server", token.Row{
		Kind: token.Server, AccountID: mia.ID, DeviceID: tv, ParentID: ids[1], SourceID: w.source("den", 0).ID,
	})
	got, err := tokens.LeastUsed(t.Context(), w, tv, token.Access)
	must(t, err)
	same(t, "the order", got, []int64{ids[1], ids[2], ids[3], ids[4], ids[0]})
	got, err = tokens.LeastUsed(t.Context(), w, tv, token.DeviceKey)
	must(t, err)
	same(t, "tokens of another kind", got, nil)
}

func testLineage(t *testing.T, w *fixture) {
	mia := w.account("mia")
	tv, phone := w.device(mia.ID, "tv"), w.device(mia.ID, "phone")
	root := w.token("root", token.Row{AccountID: mia.ID, DeviceID: tv})
	child := w.token("child", token.Row{AccountID: mia.ID, DeviceID: phone, ParentID: root})
	w.token("sibling", token.Row{AccountID: mia.ID, DeviceID: phone, ParentID: root})
	grandchild := w.token("grandchild", token.Row{AccountID: mia.ID, DeviceID: tv, ParentID: child})
	for id, wanted := range map[int64][]int64{
		root: {root}, child: {root, child}, grandchild: {root, child, grandchild}, 99: nil,
	} {
		got, err := tokens.Lineage(t.Context(), w, id)
		must(t, err)
		slices.Sort(got)
		same(t, fmt.Sprint("the lineage of ", id), got, wanted)
	}
}

func testRevocations(t *testing.T, w *fixture) {
	mia := w.account("mia")
	tv, den, attic := w.device(mia.ID, "tv"), w.source("den", 0).ID, w.source("attic", 0).ID
	parent := w.token("parent", token.Row{AccountID: mia.ID, DeviceID: tv})
	other := w.token("other", token.Row{AccountID: mia.ID, DeviceID: tv})
	child := func(name string, parent, source int64) int64 {
		return w.token(name, token.Row{Kind: token.Server, AccountID: mia.ID, DeviceID: tv, ParentID: parent, SourceID: source})
	}
	remove := func(s token.Selection) {
		t.Helper()
		w.do(func(ctx context.Context, tx *db.Tx) error {
			_, err := tokens.Delete(ctx, tx, s)
			return err
		})
	}
	count := func(what string, parent, source int64, wanted int) {
		t.Helper()
		got, err := tokens.Revocations(t.Context(), w, parent, source)
		must(t, err)
		same(t, what, got, wanted)
	}
	count("nothing", parent, den, 0)
	remove(token.Selection{ID: child("one", parent, den)})
	count("one", parent, den, 1)
	child("two", parent, den)
	child("attic", parent, attic)
	child("of another", other, den)
	remove(token.Selection{SourceID: den, AccountID: mia.ID})
	count("two, by the source", parent, den, 2)
	count("another parent", other, den, 1)
	count("another source", parent, attic, 0)
	child("three", parent, den)
	remove(token.Selection{ID: parent})
	count("a parent that is gone", parent, den, 0)
	// An access token has no source.
	remove(token.Selection{ID: other})
	count("the other parent", other, den, 0)
}

func testSetLastUsed(t *testing.T, w *fixture) {
	mia := w.account("mia")
	deviceID := w.device(mia.ID, "tv")
	id := w.token("token", token.Row{AccountID: mia.ID, DeviceID: deviceID})
	later := stored(time.Now().Add(time.Hour))
	for _, at := range []time.Time{later, later.Add(-time.Minute)} { // the second comes too late
		w.use("token", at)
		got, err := tokens.Get(t.Context(), w, id)
		must(t, err)
		same(t, "when the token was last used", got.LastUsedAt, later)
		list, err := paging.Rows(devices.List(t.Context(), w, mia.ID, paging.Request{}))
		must(t, err)
		same(t, "when the device was last seen", list[0].LastSeenAt, later)
	}
	used, err := tokens.Uses(t.Context(), w, token.Selection{AccountID: mia.ID})
	must(t, err)
	same(t, "the uses", used, map[token.Hash]token.Use{hash("token"): {TokenID: id, DeviceID: deviceID, At: later}})
}

// lastUse returns when a token was last used, and its device last seen.
func (w *fixture) lastUse(id int64) (used, seen time.Time) {
	w.t.Helper()
	got, err := tokens.Get(w.t.Context(), w, id)
	must(w.t, err)
	d, _, err := devices.Held(w.t.Context(), w, got.AccountID, got.Device.ID)
	must(w.t, err)
	return got.LastUsedAt, d.LastSeenAt
}

func testNoteUses(t *testing.T, w *fixture) {
	mia := w.account("mia")
	tv, phone := w.device(mia.ID, "tv"), w.device(mia.ID, "phone")
	begin := stored(time.Now().Add(time.Hour))
	uses := make(map[int64]token.Use)
	for i := range 700 { // more than are written in one transaction
		id := w.token(fmt.Sprint(i), token.Row{AccountID: mia.ID, DeviceID: []int64{tv, phone}[i%2]})
		uses[id] = token.Use{TokenID: id, DeviceID: []int64{tv, phone}[i%2], At: begin.Add(-time.Duration(i%2) * time.Second)}
	}
	uses[1<<40] = token.Use{TokenID: 1 << 40, DeviceID: 1 << 40, At: begin} // gone
	w.take()
	must(t, tokens.NoteUses(t.Context(), w.DB, uses, time.Minute))
	same(t, "what uses announce", len(w.take()), 0)
	delete(uses, 1<<40)
	for id, u := range uses {
		used, seen := w.lastUse(id)
		same(t, "when one of many tokens was last used", used, u.At)
		same(t, "when its device was last seen", seen, u.At)
	}
	one := w.token("one", token.Row{AccountID: mia.ID, DeviceID: w.device(mia.ID, "tablet")})
	g, err := tokens.Grant(t.Context(), w, hash("one"))
	must(t, err)
	at := begin
	for _, step := range []struct {
		by   time.Duration
		move bool
	}{{0, true}, {time.Minute, false}, {time.Minute + time.Millisecond, true}, {-time.Hour, false}, {0, false}, {time.Hour, true}} {
		now := at.Add(step.by)
		must(t, tokens.NoteUses(t.Context(), w.other(), map[int64]token.Use{one: {TokenID: one, DeviceID: g.DeviceID, At: now}}, time.Minute))
		if step.move {
			at = now
		}
		used, seen := w.lastUse(one)
		same(t, fmt.Sprintf("a use %v after the last", step.by), used, at)
		same(t, fmt.Sprintf("a use %v after the last, of the device", step.by), seen, at)
	}
}

// Only a database that several processes share has turns.
func testNotesWaitForNobody(t *testing.T, w *fixture) {
	if !w.Shared() {
		return
	}
	mia := w.account("mia")
	tv := w.device(mia.ID, "tv")
	begin := stored(time.Now().Add(time.Hour))
	uses := make(map[int64]token.Use)
	var ids []int64
	for i, name := range []string{"free", "changed", "revoked"} {
		ids = append(ids, w.token(name, token.Row{AccountID: mia.ID, DeviceID: tv}))
		uses[ids[i]] = token.Use{TokenID: ids[i], DeviceID: tv, At: begin}
	}
	later := begin.Add(time.Minute)
	must(t, w.other().Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if err := tx.Exec(ctx, "UPDATE token SET last_used_at = $2 WHERE id = $1", ids[1], later.UnixMilli()); err != nil {
			return err
		}
		if _, err := tokens.Delete(ctx, tx, token.Selection{ID: ids[2]}); err != nil {
			return err
		}
		return tokens.NoteUses(t.Context(), w.DB, uses, 0) // in the turn of another process
	}))
	for id, wanted := range map[int64]time.Time{ids[0]: begin, ids[1]: later} {
		used, _ := w.lastUse(id)
		same(t, "when a token was last used", used, wanted)
	}
	_, err := tokens.Grant(t.Context(), w, hash("revoked"))
	want(t, "a token that was revoked while its use was noted", err, db.ErrNotFound)
}

// Attack: a token is used while it is revoked. Uses are recorded by two processes, in the
// order of the tokens, while writes change and remove them in the other order.
func testNotesBesideRevocations(t *testing.T, w *fixture) {
	mia := w.account("mia")
	const n = 40
	var all []token.Use
	for i := range n {
		d := w.device(mia.ID, fmt.Sprint("device ", i/2))
		all = append(all, token.Use{TokenID: w.token(fmt.Sprint(i), token.Row{AccountID: mia.ID, DeviceID: d}), DeviceID: d})
	}
	begin := stored(time.Now().Add(time.Hour))
	usesAt := func(at time.Time) map[int64]token.Use {
		uses := make(map[int64]token.Use)
		for _, u := range all {
			u.At = at
			uses[u.TokenID] = u
		}
		return uses
	}
	rounds := 4 // of two processes that wait for each other's commits
	if w.Shared() {
		rounds = 15
	}
	var wg sync.WaitGroup
	for _, d := range []*db.DB{w.DB, w.other()} {
		wg.Go(func() {
			for i := range rounds {
				if err := tokens.NoteUses(t.Context(), d, usesAt(begin.Add(time.Duration(i)*time.Second)), 0); err != nil {
					t.Errorf("noting uses beside writes: %v", err)
				}
			}
		})
	}
	for i := n - 1; i >= 0; i -= 4 {
		w.do(func(ctx context.Context, tx *db.Tx) error {
			for _, u := range all[i-3 : i+1] {
				u.At = begin
				if err := tokens.SetLastUsed(ctx, tx, u); err != nil {
					return err
				}
			}
			_, err := tokens.Delete(ctx, tx, token.Selection{ID: all[i].TokenID})
			return err
		})
	}
	wg.Wait()
	last := begin.Add(time.Hour)
	must(t, tokens.NoteUses(t.Context(), w.other(), usesAt(last), 0))
	for i, u := range all {
		_, err := tokens.Grant(t.Context(), w.other(), hash(fmt.Sprint(i)))
		if i%4 == 3 {
			want(t, "a token that was revoked while it was used", err, db.ErrNotFound)
			continue
		}
		must(t, err)
		used, seen := w.lastUse(u.TokenID)
		same(t, "when a token was last used", used, last)
		same(t, "when its device was last seen", seen, last)
	}
}

// family is a tree of tokens: mia's tv and phone hold a parent each, with a
// child for the den and a grandchild of it; the tv has a child for the attic,
// too. noa's tv holds a parent with a child for the den.
func (w *fixture) family() (mia, tv, parent, den int64) {
	w.t.Helper()
	a, noa := w.account("mia"), w.account("noa")
	server, attic := w.source("den", 0).ID, w.source("attic", 0).ID
	tv = w.device(a.ID, "tv")
	for _, of := range []struct {
		name     string
		account  int64
		deviceID int64
	}{{"tv", a.ID, tv}, {"phone", a.ID, w.device(a.ID, "phone")}, {"noa", noa.ID, w.device(noa.ID, "tv")}} {
		id := w.token(of.name, token.Row{AccountID: of.account, DeviceID: of.deviceID})
		child := token.Row{
			Kind: token.Server, AccountID: of.account, DeviceID: of.deviceID, ParentID: id, SourceID: server,
		}
		grandchild := child
		grandchild.ParentID = w.token(of.name+"/den", child)
		grandchild.SourceID = 0
		w.token(of.name+"/den/child", grandchild)
		if of.name == "tv" {
			parent = id
			child.SourceID = attic
			w.token("tv/attic", child)
		}
	}
	return a.ID, tv, parent, server
}

func testDeleteTokens(t *testing.T, w *fixture) {
	all := []string{
		"noa", "noa/den", "noa/den/child", "phone", "phone/den", "phone/den/child",
		"tv", "tv/attic", "tv/den", "tv/den/child",
	}
	for name, row := range map[string]struct {
		selection func(mia, tv, parent, den int64) token.Selection
		gone      []string
	}{
		"one, with children and grandchildren": {
			func(_, _, parent, _ int64) token.Selection { return token.Selection{ID: parent} },
			[]string{"tv", "tv/attic", "tv/den", "tv/den/child"},
		},
		"an account's": {
			func(mia, _, _, _ int64) token.Selection { return token.Selection{AccountID: mia} },
			[]string{"phone", "phone/den", "phone/den/child", "tv", "tv/attic", "tv/den", "tv/den/child"},
		},
		"a device's": {
			func(mia, tv, _, _ int64) token.Selection { return token.Selection{AccountID: mia, DeviceID: tv} },
			[]string{"tv", "tv/attic", "tv/den", "tv/den/child"},
		},
		"another account's device": {
			func(mia, tv, _, _ int64) token.Selection { return token.Selection{AccountID: mia + 1, DeviceID: tv} },
			nil,
		},
		"a server's": {
			func(_, _, _, den int64) token.Selection { return token.Selection{SourceID: den} },
			[]string{"noa/den", "noa/den/child", "phone/den", "phone/den/child", "tv/den", "tv/den/child"},
		},
		"a server's, of one account": {
			func(mia, _, _, den int64) token.Selection { return token.Selection{SourceID: den, AccountID: mia} },
			[]string{"phone/den", "phone/den/child", "tv/den", "tv/den/child"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.fresh(t)
			selection := row.selection(w.family())
			var n int
			changes := w.touched(func(ctx context.Context, tx *db.Tx) (err error) {
				n, err = tokens.Delete(ctx, tx, selection)
				return err
			})
			same(t, "how many Delete says there were", n, len(row.gone))
			var touched, wanted []string
			for _, c := range changes {
				same(t, "the topic", c.Topic, token.Topic)
				touched = append(touched, c.Key)
			}
			for _, name := range row.gone {
				wanted = append(wanted, hash(name).Key())
			}
			slices.Sort(touched)
			slices.Sort(wanted)
			same(t, "the hashes that are touched", touched, wanted)
			for _, name := range all {
				same(t, name+" is there", w.alive(name), !slices.Contains(row.gone, name))
			}
		})
	}
}

func testDeleteNothing(t *testing.T, w *fixture) {
	w.family()
	n := -1
	w.wantTouched("Delete of nothing", func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = tokens.Delete(ctx, tx, token.Selection{})
		return err
	})
	same(t, "how many Delete says there were", n, 0)
	counts, err := tokens.Count(t.Context(), w)
	must(t, err)
	same(t, "Count", counts, token.Counts{Access: 3, Server: 7})
}

func testParents(t *testing.T, w *fixture) {
	mia := w.account("mia")
	tv, phone := w.device(mia.ID, "tv"), w.device(mia.ID, "phone")
	add := func(name string, deviceID, parentID int64) int64 {
		return w.token(name, token.Row{AccountID: mia.ID, DeviceID: deviceID, ParentID: parentID})
	}
	root := add("root", phone, 0)
	parent := add("parent", tv, root)
	key := add("key", tv, parent)
	other, own := add("other", phone, parent), add("own", tv, parent)
	lineage := func(what string, wanted ...int64) {
		t.Helper()
		got, err := tokens.Lineage(t.Context(), w, wanted[0])
		must(t, err)
		same(t, what, got, wanted)
	}
	lineage("the key", key, parent, root)
	lineage("the root", root)
	w.do(func(ctx context.Context, tx *db.Tx) error { return tokens.SetParent(ctx, tx, key, root) })
	w.do(func(ctx context.Context, tx *db.Tx) error { return tokens.Adopt(ctx, tx, parent, key, tv) })
	lineage("the key, without its parent", key, root)
	lineage("the token of the other device", other, key, root)
	lineage("the token of the same device", own, parent, root)
	w.do(func(ctx context.Context, tx *db.Tx) error { return tokens.SetParent(ctx, tx, key, 0) })
	lineage("the key, without any", key)
	want(t, "SetParent of no token", w.try(func(ctx context.Context, tx *db.Tx) error {
		return tokens.SetParent(ctx, tx, 99, 0)
	}), db.ErrNotFound)
	w.do(func(ctx context.Context, tx *db.Tx) error {
		_, err := tokens.Delete(ctx, tx, token.Selection{ID: root})
		return err
	})
	for name, alive := range map[string]bool{"root": false, "parent": false, "own": false, "key": true, "other": true} {
		same(t, name+" is alive", w.alive(name), alive)
	}
}

func testExpiredTokens(t *testing.T, w *fixture) {
	mia := w.account("mia")
	tv := w.device(mia.ID, "tv")
	var ids []int64
	for i := range 3 {
		ids = append(ids, w.token(fmt.Sprint(i), token.Row{AccountID: mia.ID, DeviceID: tv, ExpiresAt: at(20 + i)}))
	}
	w.token("for ever", token.Row{AccountID: mia.ID, DeviceID: tv})
	for now, wanted := range map[int][]int64{19: nil, 20: ids[:1], 21: ids[:2], 50: ids} {
		got, err := tokens.Expired(t.Context(), w, at(now))
		must(t, err)
		same(t, fmt.Sprint("at ", now), got, wanted)
	}
}

func testMergedDevices(t *testing.T, w *fixture) {
	mia := w.account("mia")
	from, into := w.device(mia.ID, "from"), w.device(mia.ID, "into")
	w.token("one", token.Row{AccountID: mia.ID, DeviceID: from})
	w.token("stays", token.Row{AccountID: mia.ID, DeviceID: into})
	key := w.deviceKey("key", mia.ID, from, 0)
	w.use("one", time.Now().Add(time.Hour))
	before, _, err := devices.Held(t.Context(), w, mia.ID, from)
	must(t, err)
	client, err := deviceKeys.Client(t.Context(), w, from)
	must(t, err)
	same(t, "Client", client, "from")
	_, err = deviceKeys.Client(t.Context(), w, 99)
	want(t, "Client of none", err, db.ErrNotFound)

	touched := w.touched(func(ctx context.Context, tx *db.Tx) error {
		n, err := tokens.MoveDevice(ctx, tx, from, into)
		same(t, "MoveDevice", n, 2)
		return err
	})
	for _, name := range []string{"one", "key"} {
		if !slices.Contains(touched, db.Change{Topic: token.Topic, Key: hash(name).Key()}) || len(touched) != 2 {
			t.Errorf("MoveDevice touches %v, which is not %s", touched, name)
		}
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return devices.Absorb(ctx, tx, from, into) })
	w.do(func(ctx context.Context, tx *db.Tx) error { return devices.Delete(ctx, tx, from) })
	after, n, err := devices.Held(t.Context(), w.other(), mia.ID, into)
	must(t, err)
	same(t, "its tokens", n, 3)
	same(t, "when it was made", after.CreatedAt, before.CreatedAt)
	same(t, "when it was seen", after.LastSeenAt, before.LastSeenAt)
	moved, err := deviceKeys.ByKID(t.Context(), w.other(), key.KID)
	must(t, err)
	same(t, "the identifier of the key", moved.ClientIdentifier, "from")
	same(t, "the device of the key", moved.DeviceID, into)
	want(t, "into none", w.try(func(ctx context.Context, tx *db.Tx) error { return devices.Absorb(ctx, tx, into, 99) }), db.ErrNotFound)
}
