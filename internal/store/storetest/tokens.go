package storetest

import (
	"context"
	"fmt"
	"slices"
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
	{"Tokens/LeastUsed leaves out the most recently used", testLeastUsed},
	{"Tokens/Lineage leads to the root", testLineage},
	{"Tokens/SetLastUsed moves forward only", testSetLastUsed},
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
	wanted := newDevice("tv")
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		wanted.CreatedAt, wanted.LastSeenAt = stored(tx.Now()), stored(tx.Now())
		wanted.ID, err = devices.Upsert(ctx, tx, mia.ID, wanted)
		return err
	})
	w.device(mia.ID, "without a token")
	list, err := paging.Rows(devices.List(t.Context(), w, mia.ID, paging.Request{}))
	must(t, err)
	same(t, "the devices without a token", list, nil)
	w.token("token", token.Row{AccountID: mia.ID, DeviceID: wanted.ID})
	for _, q := range []db.Querier{w, w.other} {
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
		wanted.ID, err = devices.Upsert(ctx, tx, mia.ID, wanted)
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
		got, address, err := devices.ByIdentifier(t.Context(), w.other, row.account, row.identifier)
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
	ids := make(chan int64, 20)
	t.Run("at once", func(t *testing.T) {
		for i := range cap(ids) {
			d := []*db.DB{w.DB, w.other}[i%2]
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
					id, err := devices.Upsert(ctx, tx, mia.ID, newDevice("tv"))
					ids <- id
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
}

// use records the use of a token.
func (w *fixture) use(name string, at time.Time) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *db.Tx) error { return tokens.SetLastUsed(ctx, tx, at, hash(name)) })
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
	for _, q := range []db.Querier{w, w.other} {
		grant, err := tokens.Grant(t.Context(), q, parent.Hash)
		must(t, err)
		same(t, "the parent's grant", grant, token.Grant{
			TokenID: parentID, Hash: parent.Hash, Kind: token.Access, AccountID: mia.ID, DeviceID: deviceID,
		})
		grant, err = tokens.Grant(t.Context(), q, child.Hash)
		must(t, err)
		same(t, "the child's grant", grant, token.Grant{
			TokenID: childID, Hash: child.Hash, Kind: token.Server, AccountID: mia.ID, DeviceID: deviceID, SourceID: den.ID,
			ExpiresAt: at(30),
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
	w.use("none", at(1)) // is ignored
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
	for except, wanted := range [][]int64{
		{ids[1], ids[2], ids[3], ids[4], ids[0]}, {ids[2], ids[3], ids[4], ids[0]}, {ids[3], ids[4], ids[0]},
		{ids[4], ids[0]}, {ids[0]}, nil, nil,
	} {
		got, err := tokens.LeastUsed(t.Context(), w, tv, token.Access, except)
		must(t, err)
		same(t, fmt.Sprintf("all but %d", except), got, wanted)
	}
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
	// Many at once, more than one statement names, and some that are gone.
	several := []token.Hash{hash("gone"), hash("token")}
	ids := []int64{id}
	for i := range 20 {
		name := fmt.Sprint("token ", i)
		ids = append(ids, w.token(name, token.Row{AccountID: mia.ID, DeviceID: deviceID}))
		several = append(several, hash(name))
	}
	other := w.token("other", token.Row{AccountID: mia.ID, DeviceID: deviceID})
	last := later.Add(time.Minute)
	w.do(func(ctx context.Context, tx *db.Tx) error { return tokens.SetLastUsed(ctx, tx, last, several...) })
	for _, id := range ids {
		got, err := tokens.Get(t.Context(), w, id)
		must(t, err)
		same(t, "when one of many tokens was last used", got.LastUsedAt, last)
	}
	got, err := tokens.Get(t.Context(), w, other)
	must(t, err)
	if got.LastUsedAt.Equal(last) {
		t.Error("a token that was not used was last used with the others")
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
	after, n, err := devices.Held(t.Context(), w.other, mia.ID, into)
	must(t, err)
	same(t, "its tokens", n, 3)
	same(t, "when it was made", after.CreatedAt, before.CreatedAt)
	same(t, "when it was seen", after.LastSeenAt, before.LastSeenAt)
	moved, err := deviceKeys.ByKID(t.Context(), w.other, key.KID)
	must(t, err)
	same(t, "the identifier of the key", moved.ClientIdentifier, "from")
	same(t, "the device of the key", moved.DeviceID, into)
	want(t, "into none", w.try(func(ctx context.Context, tx *db.Tx) error { return devices.Absorb(ctx, tx, into, 99) }), db.ErrNotFound)
}
