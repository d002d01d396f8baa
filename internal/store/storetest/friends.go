package storetest

import (
	"context"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
)

var friendTests = []test{
	{"Friends/A friendship is one of both", testFriendship},
	{"Friends/Who lives together or shares a server knows each other", testKnow},
	{"Friends/An invitation is read back whole", testInvitation},
	{"Friends/An invitation ends with its server, and forgets who is gone", testInvitationEnds},
	{"Shares/A share has a number and chosen sections", testChosen},
}

var friends store.Friends

func testFriendship(t *testing.T, w *fixture) {
	mia, noa, zoe := w.account("mia"), w.account("noa"), w.account("zoe")
	befriend := func(ctx context.Context, tx *db.Tx) error { return friends.Befriend(ctx, tx, mia.ID, noa.ID, at(1)) }
	w.wantTouched("Befriend", befriend)
	w.do(befriend)
	for _, pair := range [][2]int64{{mia.ID, noa.ID}, {noa.ID, mia.ID}} {
		list, err := friends.Friends(t.Context(), w.other(), pair[0], 10)
		must(t, err)
		same(t, "the friends", list, []friend.Friendship{{AccountID: pair[1], Since: at(1)}})
		are, err := friends.AreFriends(t.Context(), w, pair[0], pair[1])
		must(t, err)
		same(t, "they are friends", are, true)
	}
	are, err := friends.AreFriends(t.Context(), w, mia.ID, zoe.ID)
	must(t, err)
	same(t, "others are friends", are, false)
	w.do(func(ctx context.Context, tx *db.Tx) error { return friends.Unfriend(ctx, tx, noa.ID, mia.ID) })
	list, err := friends.Friends(t.Context(), w, mia.ID, 10)
	must(t, err)
	same(t, "the friends that stay", len(list), 0)
}

func testKnow(t *testing.T, w *fixture) {
	mia, noa, zoe := w.account("mia"), w.account("noa"), w.account("zoe")
	den := w.source("den", mia.ID)
	know := func(a, b int64) bool {
		t.Helper()
		known, err := friends.Know(t.Context(), w, a, b)
		must(t, err)
		return known
	}
	same(t, "strangers know each other", know(mia.ID, noa.ID), false)
	w.share(den.ID, noa.ID)
	same(t, "who is shared a server knows its owner", know(noa.ID, mia.ID), true)
	same(t, "its owner knows them", know(mia.ID, noa.ID), true)
	same(t, "another knows them", know(zoe.ID, noa.ID), false)
	w.source("admins", 0)
	same(t, "a member owns what the admins own", know(zoe.ID, mia.ID), false)
}

func testInvitation(t *testing.T, w *fixture) {
	mia, noa, den := w.account("mia"), w.account("noa"), w.source("den", 0)
	films := w.section(den.ID, source.Section{Number: 1, Title: "Films"})
	shows := w.section(den.ID, source.Section{Number: 2, Title: "Shows"})
	full := friend.Invitation{
		Number: 1000000005, InviterID: mia.ID, AccountID: noa.ID, Invited: "NOA", Key: "noa", SourceID: den.ID, Chosen: true, CreatedAt: at(7),
	}
	bare := friend.Invitation{Number: 1000000004, InviterID: mia.ID, Invited: "nobody", Key: "nobody", CreatedAt: at(8)}
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return friends.Insert(ctx, tx, full, []int64{shows.ID, films.ID, shows.ID})
	})
	w.do(func(ctx context.Context, tx *db.Tx) error { return friends.Insert(ctx, tx, bare, nil) })
	got, err := friends.Get(t.Context(), w.other(), full.Number)
	must(t, err)
	same(t, "Get", got, full)
	sent, err := friends.Sent(t.Context(), w, mia.ID, 10)
	must(t, err)
	same(t, "Sent", sent, []friend.Invitation{bare, full})
	received, err := friends.Received(t.Context(), w, noa.ID, 10)
	must(t, err)
	same(t, "Received", received, []friend.Invitation{full})
	taken, err := shares.Taken(t.Context(), w, full.Number)
	must(t, err)
	same(t, "the number is taken", taken, true)
	chosen, err := friends.Chosen(t.Context(), w, full.Number)
	must(t, err)
	same(t, "Chosen", chosen, []int64{films.ID, shows.ID})
	full.Chosen = false
	w.do(func(ctx context.Context, tx *db.Tx) error { return friends.Choose(ctx, tx, full, nil) })
	got, err = friends.Get(t.Context(), w, full.Number)
	must(t, err)
	same(t, "Get after Choose", got, full)
	w.do(func(ctx context.Context, tx *db.Tx) error { return friends.DeleteBetween(ctx, tx, mia.ID, noa.ID) })
	_, err = friends.Get(t.Context(), w, full.Number)
	want(t, "Get after DeleteBetween", err, db.ErrNotFound)
	w.do(func(ctx context.Context, tx *db.Tx) error { return friends.Delete(ctx, tx, bare.Number) })
	want(t, "Delete again", w.try(func(ctx context.Context, tx *db.Tx) error { return friends.Delete(ctx, tx, bare.Number) }), db.ErrNotFound)
}

func testInvitationEnds(t *testing.T, w *fixture) {
	mia, noa, den := w.account("mia"), w.account("noa"), w.source("den", 0)
	i := friend.Invitation{Number: 1000000005, InviterID: mia.ID, AccountID: noa.ID, SourceID: den.ID, CreatedAt: at(7)}
	w.do(func(ctx context.Context, tx *db.Tx) error { return friends.Insert(ctx, tx, i, nil) })
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, noa.ID) })
	got, err := friends.Get(t.Context(), w, i.Number)
	must(t, err)
	same(t, "who is invited", got.AccountID, 0)
	w.do(func(ctx context.Context, tx *db.Tx) error { return sources.Delete(ctx, tx, den.ID) })
	_, err = friends.Get(t.Context(), w, i.Number)
	want(t, "Get without the server", err, db.ErrNotFound)
}

func testChosen(t *testing.T, w *fixture) {
	mia, den := w.account("mia"), w.source("den", 0)
	films := w.section(den.ID, source.Section{Number: 1, Title: "Films"})
	shows := w.section(den.ID, source.Section{Number: 2, Title: "Shows"})
	w.share(den.ID, mia.ID) // as the previous release does: without a number
	h, err := shares.Of(t.Context(), w, den.ID, mia.ID)
	must(t, err)
	same(t, "its number", h.Number, 0)
	h.Number, h.Chosen = 1000000001, true
	w.do(func(ctx context.Context, tx *db.Tx) error { return shares.SetNumber(ctx, tx, h) })
	want(t, "numbering it again", w.try(func(ctx context.Context, tx *db.Tx) error { return shares.SetNumber(ctx, tx, h) }), db.ErrNotFound)
	choose := func(ctx context.Context, tx *db.Tx) error {
		return shares.Choose(ctx, tx, h, []int64{shows.ID, films.ID})
	}
	w.wantTouched("Choose", choose, db.Change{Topic: source.Topic, Key: db.IDKey(den.ID)})
	w.do(choose)
	got, err := shares.Get(t.Context(), w.other(), h.Number)
	must(t, err)
	same(t, "Get", got, h)
	w.do(func(ctx context.Context, tx *db.Tx) error { return sections.Delete(ctx, tx, den.ID, films.ID) })
	chosen, err := shares.Chosen(t.Context(), w, h.Number)
	must(t, err)
	same(t, "the sections that stay", chosen, []int64{shows.ID})
	w.do(func(ctx context.Context, tx *db.Tx) error { return shares.Delete(ctx, tx, den.ID, mia.ID) })
	_, err = shares.Get(t.Context(), w, h.Number)
	want(t, "Get of a share that is gone", err, db.ErrNotFound)
}
