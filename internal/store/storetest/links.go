package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/store"
)

var linkTests = []test{
	{"Links/An invitation is read back whole", testJoinLink},
	{"Links/Invitations go with what they are of", testInvitationsGo},
	{"Links/An invitation is removed once", testInvitationOnce},
	{"Links/An account has one reset link of an admin", testReset},
	{"Links/An account has a few reset links by e-mail", testMailedResets},
	{"Links/Open invitations are counted", testOpenInvitations},
	{"Links/Links end with the key that made them", testLinksOfKeys},
}

var invitations store.Invitations

// invitation adds an invitation.
func (w *fixture) invitation(i invite.Invitation, h byte) invite.Invitation {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		i.ID, err = invitations.Insert(ctx, tx, i, invite.Hash{h})
		return err
	})
	return i
}

func testJoinLink(t *testing.T, w *fixture) {
	_, err := invitations.ByHash(t.Context(), w, invite.Hash{1})
	want(t, "an invitation that is not there", err, db.ErrNotFound)
	olga, den := w.account("olga"), w.source("den", 0)
	whole := w.invitation(invite.Invitation{
		MakerID: olga.ID, Maker: olga.Username, Name: "mia", Email: "mia@example.org", Admin: true,
		Servers: []invite.Server{{ID: den.ID, Name: den.Name}}, CreatedAt: at(1), ExpiresAt: at(2),
	}, 1)
	bare := w.invitation(invite.Invitation{CreatedAt: at(1), ExpiresAt: at(9)}, 2)
	got, err := invitations.ByHash(t.Context(), w.other(), invite.Hash{1})
	must(t, err)
	same(t, "ByHash", got, whole)
	list, err := paging.Rows(invitations.List(t.Context(), w, paging.Request{}))
	must(t, err)
	same(t, "List", list, []invite.Invitation{bare, whole})
	w.do(func(ctx context.Context, tx *db.Tx) error { return invitations.DeleteExpired(ctx, tx, at(3)) })
	list, err = paging.Rows(invitations.List(t.Context(), w, paging.Request{}))
	must(t, err)
	same(t, "List", list, []invite.Invitation{bare})
}

func testInvitationsGo(t *testing.T, w *fixture) {
	olga, den := w.account("olga"), w.source("den", 0)
	i := invite.Invitation{MakerID: olga.ID, Servers: []invite.Server{{ID: den.ID}}, CreatedAt: at(1), ExpiresAt: at(9)}
	w.invitation(i, 1)
	w.do(func(ctx context.Context, tx *db.Tx) error { return store.Sources{}.Delete(ctx, tx, den.ID) })
	got, err := invitations.ByHash(t.Context(), w, invite.Hash{1})
	must(t, err)
	same(t, "the servers", got.Servers, nil)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, olga.ID) })
	_, err = invitations.ByHash(t.Context(), w, invite.Hash{1})
	want(t, "the invitation of an account that is gone", err, db.ErrNotFound)
}

func testInvitationOnce(t *testing.T, w *fixture) {
	i := w.invitation(invite.Invitation{CreatedAt: at(1), ExpiresAt: at(9)}, 1)
	w.oneWins(func(ctx context.Context, tx *db.Tx, _ int) error {
		err := invitations.Delete(ctx, tx, i.ID)
		if errors.Is(err, db.ErrNotFound) {
			err = db.ErrConflict
		}
		return err
	})
}

func testReset(t *testing.T, w *fixture) {
	mia, olga := w.account("mia"), w.account("olga")
	set := func(h byte, r account.StoredReset) {
		w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.SetReset(ctx, tx, account.LinkHash{h}, r) })
	}
	first := account.StoredReset{
		Reset: account.Reset{Password: true}, AccountID: mia.ID, Sent: true, MembersOnly: true, Revision: 3, ExpiresAt: at(1),
	}
	second := account.StoredReset{Reset: account.Reset{SecondFactor: true}, AccountID: mia.ID, MakerID: olga.ID, Revision: 4, ExpiresAt: at(2)}
	set(1, first)
	got, err := accounts.ResetLink(t.Context(), w.other(), account.LinkHash{1})
	must(t, err)
	same(t, "the first", got, first)
	set(2, second)
	got, err = accounts.ResetLink(t.Context(), w, account.LinkHash{2})
	must(t, err)
	same(t, "the second", got, second)
	_, err = accounts.ResetLink(t.Context(), w, account.LinkHash{1})
	want(t, "the first, replaced", err, db.ErrNotFound)
	mailed := func(ctx context.Context, tx *db.Tx) error { return accounts.DeleteMailedResets(ctx, tx, mia.ID) }
	w.do(mailed)
	_, err = accounts.ResetLink(t.Context(), w, account.LinkHash{2})
	must(t, err)
	set(1, first)
	w.do(mailed)
	_, err = accounts.ResetLink(t.Context(), w, account.LinkHash{1})
	want(t, "one that was sent, too", err, db.ErrNotFound)
	set(2, second)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.DeleteResets(ctx, tx, mia.ID) })
	_, err = accounts.ResetLink(t.Context(), w, account.LinkHash{2})
	want(t, "the second, removed", err, db.ErrNotFound)
	set(2, second)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, olga.ID) })
	_, err = accounts.ResetLink(t.Context(), w, account.LinkHash{2})
	want(t, "one of an admin who is gone", err, db.ErrNotFound)
}

func testMailedResets(t *testing.T, w *fixture) {
	mia := w.account("mia")
	set := func(h byte, r account.StoredReset) {
		w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.SetReset(ctx, tx, account.LinkHash{h}, r) })
	}
	works := func(h byte, wanted error) {
		t.Helper()
		_, err := accounts.ResetLink(t.Context(), w.other(), account.LinkHash{h})
		want(t, fmt.Sprint("link ", h), err, wanted)
	}
	mailed := account.StoredReset{Reset: account.Reset{Password: true}, Mailed: true, AccountID: mia.ID, Revision: 3}
	set(100, account.StoredReset{Reset: account.Reset{Password: true}, AccountID: mia.ID, ExpiresAt: at(1)})
	for h := range byte(account.MaxMailedResets + 1) {
		mailed.ExpiresAt = at(int(h))
		set(h, mailed)
	}
	got, err := accounts.ResetLink(t.Context(), w.other(), account.LinkHash{account.MaxMailedResets})
	must(t, err)
	same(t, "the last one", got, mailed)
	works(0, db.ErrNotFound)
	works(1, nil)
	works(100, nil)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.DeleteMailedResets(ctx, tx, mia.ID) })
	works(1, db.ErrNotFound)
	works(100, nil)
	set(1, mailed)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.DeleteResets(ctx, tx, mia.ID) })
	works(1, db.ErrNotFound)
	works(100, db.ErrNotFound)
}

func testLinksOfKeys(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	var key int64
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		key, err = adminKeys.Insert(ctx, tx, adminkey.Key{Name: "k", Scopes: []adminkey.Scope{adminkey.AccountsWrite}}, adminkey.Hash{7})
		return err
	})
	w.invitation(invite.Invitation{KeyID: key, CreatedAt: at(1), ExpiresAt: at(9)}, 1)
	w.invitation(invite.Invitation{CreatedAt: at(1), ExpiresAt: at(9)}, 2)
	w.do(func(ctx context.Context, tx *db.Tx) error {
		of := account.StoredReset{Reset: account.Reset{Password: true}, AccountID: mia.ID, KeyID: key, ExpiresAt: at(9)}
		other := of
		other.AccountID, other.KeyID = noa.ID, 0
		return errors.Join(accounts.SetReset(ctx, tx, account.LinkHash{1}, of), accounts.SetReset(ctx, tx, account.LinkHash{2}, other))
	})
	found := func() []error {
		t.Helper()
		i, one := invitations.ByHash(t.Context(), w.other(), invite.Hash{1})
		_, two := invitations.ByHash(t.Context(), w.other(), invite.Hash{2})
		r, three := accounts.ResetLink(t.Context(), w.other(), account.LinkHash{1})
		_, four := accounts.ResetLink(t.Context(), w.other(), account.LinkHash{2})
		if one == nil && i.KeyID != key || three == nil && r.KeyID != key {
			t.Errorf("they are of keys %d and %d", i.KeyID, r.KeyID)
		}
		return []error{one, two, three, four}
	}
	for i, err := range found() {
		want(t, fmt.Sprint("link ", i), err, nil)
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return adminKeys.Delete(ctx, tx, key) })
	for i, err := range found() {
		want(t, fmt.Sprint("link ", i, " after the key was revoked"), err, map[bool]error{true: db.ErrNotFound}[i%2 == 0])
	}
}

func testOpenInvitations(t *testing.T, w *fixture) {
	w.invitation(invite.Invitation{CreatedAt: at(1), ExpiresAt: at(2)}, 1)
	open := w.invitation(invite.Invitation{CreatedAt: at(1), ExpiresAt: at(3)}, 2)
	n, err := invitations.Open(t.Context(), w, at(2))
	must(t, err)
	same(t, "Open", n, 1)
	got, err := invitations.Get(t.Context(), w, open.ID)
	must(t, err)
	same(t, "Get", got, open)
	_, err = invitations.Get(t.Context(), w, 99)
	want(t, "Get of none", err, db.ErrNotFound)
}
