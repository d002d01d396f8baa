package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/store"
)

var noticeTests = []test{
	{"Notices/A notice is read back whole", testNotice},
	{"Notices/An account keeps the newest of each kind", testOldNotices},
	{"Notices/What waits for another address is kept", testWaitingNotices},
	{"Notices/What is to be sent is found until it is taken", testNoticesToSend},
	{"Notices/Whom to tell, and how", testRecipient},
	{"Notices/Sign-ins that failed are counted", testRefused},
}

var noticeRows store.Notices

// notice adds a notice.
func (w *fixture) notice(n notify.Notice, email string) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *db.Tx) error { return noticeRows.Insert(ctx, tx, n, email) })
}

// noticesOf returns the notices of an account, the newest first.
func (w *fixture) noticesOf(accountID int64) []notify.Notice {
	w.t.Helper()
	list, err := paging.Rows(noticeRows.List(w.t.Context(), w.other(), accountID, paging.Request{}))
	must(w.t, err)
	return list
}

func testNotice(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	first := notify.Notice{
		AccountID: mia.ID, Kind: notify.Tries, At: at(1), Actor: "olga", ByLink: true, Device: "TV", Address: "192.0.2.7", Tries: 10,
	}
	second := notify.Notice{AccountID: mia.ID, Kind: notify.Password, At: at(2)}
	w.notice(first, "")
	w.notice(second, "")
	w.notice(notify.Notice{AccountID: noa.ID, Kind: notify.Password, At: at(2)}, "")
	list := w.noticesOf(mia.ID)
	if len(list) != 2 {
		t.Fatalf("the list is %+v", list)
	}
	first.ID, second.ID = list[1].ID, list[0].ID
	same(t, "the list", list, []notify.Notice{second, first})
	n, err := noticeRows.Unseen(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "unseen", n, 2)
	w.do(func(ctx context.Context, tx *db.Tx) error { return noticeRows.SetSeen(ctx, tx, mia.ID, first.ID) })
	first.Seen = true
	same(t, "the list", w.noticesOf(mia.ID), []notify.Notice{second, first})
	n, err = noticeRows.Unseen(t.Context(), w, noa.ID)
	must(t, err)
	same(t, "unseen by another", n, 1)
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Delete(ctx, tx, mia.ID) })
	same(t, "those of an account that is gone", w.noticesOf(mia.ID), nil)
}

func testOldNotices(t *testing.T, w *fixture) {
	mia := w.account("mia")
	for i := range 4 {
		w.notice(notify.Notice{AccountID: mia.ID, Kind: notify.NewDevice, At: at(i)}, "")
	}
	w.notice(notify.Notice{AccountID: mia.ID, Kind: notify.Password, At: at(0)}, "")
	newest := notify.Notice{AccountID: mia.ID, Kind: notify.NewDevice}
	for range 2 {
		w.do(func(ctx context.Context, tx *db.Tx) error { return noticeRows.DeleteOld(ctx, tx, newest, "", 2, at(0)) })
		list := w.noticesOf(mia.ID)
		if len(list) != 3 || list[0].Kind != notify.Password || !list[2].At.Equal(at(2)) {
			t.Errorf("the list is %+v", list)
		}
	}
	for since, wanted := range map[int]bool{3: true, 4: false} {
		found, err := noticeRows.Since(t.Context(), w, mia.ID, notify.NewDevice, at(since))
		must(t, err)
		same(t, "since", found, wanted)
	}
}

// Old notices are deleted, except recent ones that still must be sent to another address.
func testWaitingNotices(t *testing.T, w *fixture) {
	mia := w.account("mia")
	newest := notify.Notice{AccountID: mia.ID, Kind: notify.Password, At: at(9)}
	for i, email := range []string{"old@example.org", "old@example.org", "", "new@example.org"} {
		n := newest
		n.At = at(i)
		w.notice(n, email)
	}
	w.notice(newest, "new@example.org")
	for _, step := range []struct {
		since int
		kept  []int
	}{{0, []int{0, 1, 9}}, {1, []int{1, 9}}} {
		w.do(func(ctx context.Context, tx *db.Tx) error {
			return noticeRows.DeleteOld(ctx, tx, newest, "new@example.org", 1, at(step.since))
		})
		var times []time.Time
		for _, n := range w.noticesOf(mia.ID) {
			times = append([]time.Time{n.At}, times...)
		}
		var wanted []time.Time
		for _, n := range step.kept {
			wanted = append(wanted, at(n))
		}
		same(t, fmt.Sprintf("kept since %d", step.since), times, wanted)
	}
}

func testNoticesToSend(t *testing.T, w *fixture) {
	mia := w.account("mia")
	n := notify.Notice{AccountID: mia.ID, Kind: notify.Password, At: at(5)}
	w.wantTouched("Insert", func(ctx context.Context, tx *db.Tx) error { return noticeRows.Insert(ctx, tx, n, "") })
	w.wantTouched("Insert", func(ctx context.Context, tx *db.Tx) error {
		return noticeRows.Insert(ctx, tx, n, "mia@example.org")
	}, db.Change{Topic: notify.Topic})
	due := func(since, now int) []int64 {
		t.Helper()
		list, err := noticeRows.Due(t.Context(), w.other(), at(since), at(now), 10)
		must(t, err)
		return list
	}
	same(t, "due", due(5, 9), []int64{mia.ID})
	same(t, "too old", due(6, 9), nil)
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return noticeRows.SetSetting(ctx, tx, mia.ID, notify.Setting{NextMailAt: at(8)})
	})
	same(t, "not yet", due(5, 7), nil)
	same(t, "due", due(5, 8), []int64{mia.ID})
	for before, wanted := range map[int]bool{5: false, 6: true} {
		stale, err := noticeRows.Stale(t.Context(), w, at(before))
		must(t, err)
		same(t, "stale", stale, wanted)
	}
	list, err := noticeRows.Unsent(t.Context(), w, mia.ID)
	must(t, err)
	if len(list) != 1 || list[0].Email != "mia@example.org" || list[0].Kind != notify.Password || !list[0].At.Equal(at(5)) {
		t.Fatalf("unsent: %+v", list)
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return noticeRows.SetEmail(ctx, tx, list[0].ID, "") })
	same(t, "taken", due(5, 9), nil)
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return noticeRows.SetEmail(ctx, tx, list[0].ID, "x@example.org")
	})
	w.do(func(ctx context.Context, tx *db.Tx) error { return noticeRows.DropStale(ctx, tx, at(6)) })
	same(t, "given up", due(5, 9), nil)
	want(t, "a notice that is gone", w.try(func(ctx context.Context, tx *db.Tx) error {
		return noticeRows.SetEmail(ctx, tx, 99, "")
	}), db.ErrNotFound)
}

func testRecipient(t *testing.T, w *fixture) {
	mia := w.account("mia")
	to := func() notify.Recipient {
		t.Helper()
		r, err := noticeRows.Recipient(t.Context(), w.other(), mia.ID)
		must(t, err)
		return r
	}
	same(t, "without a confirmed address", to(), notify.Recipient{})
	mia.ConfirmedEmail = mia.Email
	w.do(func(ctx context.Context, tx *db.Tx) error { return accounts.Update(ctx, tx, mia) })
	same(t, "with one", to(), notify.Recipient{Email: mia.Email})
	setting := notify.Setting{Quiet: true, Language: "de", NextMailAt: at(3)}
	w.do(func(ctx context.Context, tx *db.Tx) error { return noticeRows.SetSetting(ctx, tx, mia.ID, setting) })
	same(t, "quiet", to(), notify.Recipient{Email: mia.Email, Quiet: true})
	got, err := noticeRows.Setting(t.Context(), w.other(), mia.ID)
	must(t, err)
	same(t, "the setting", got, setting)
	_, err = noticeRows.Recipient(t.Context(), w, 99)
	want(t, "nobody", err, db.ErrNotFound)
	name, err := noticeRows.Username(t.Context(), w, mia.ID)
	must(t, err)
	same(t, "the name", name, mia.Username)
}

func testRefused(t *testing.T, w *fixture) {
	mia := w.account("mia")
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return store.Audit{}.Append(ctx, tx, []audit.Entry{
			{ID: 1, At: at(1), Event: audit.SignInRefused, AccountID: mia.ID},
			{ID: 2, At: at(2), Event: audit.SignInRefused, AccountID: mia.ID},
			{ID: 3, At: at(3), Event: audit.SignIn, AccountID: mia.ID},
			{ID: 4, At: at(4), Event: audit.SignInRefused, AccountID: mia.ID + 1},
			{ID: 5, At: at(5), Event: audit.SignInRefused, AccountID: mia.ID},
		})
	})
	n, err := noticeRows.Refused(t.Context(), w, mia.ID, at(2))
	must(t, err)
	same(t, "refused", n, 2)
}
