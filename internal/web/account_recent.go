package web

import (
	"context"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/paging"
)

// recentSignIn is a sign-in, or an attempt at one, as the account's page shows it.
type recentSignIn struct {
	At              time.Time
	What            phrase
	Denied          bool
	Device, Address string
}

// recentKind is an event that the page shows.
type recentKind struct {
	kind   audit.Kind
	denied bool
	what   string
}

// text adds the reason to a denied sign-in. The details of other events are for
// operators.
func (k recentKind) text(detail string) phrase {
	if k.kind == audit.SignInRefused && detail != "" {
		return say(k.what+": %s", detail)
	}
	return say(k.what)
}

// recentKinds are the events that count as sign-ins.
var recentKinds = [...]recentKind{
	{audit.SignIn, false, "A program was signed in"},
	{audit.PINLinked, false, "A device was signed in by its code"},
	{audit.SessionStarted, false, "A browser was signed in"},
	{audit.PasskeyUsed, false, "A passkey was used"},
	{audit.BackupCodeUsed, false, "A backup code was used up"},
	{audit.SignInUnfinished, false, "The password was right, and the second factor was asked for"},
	{audit.SignInRefused, true, "Refused"},
	{audit.SecondFactorGuessed, true, "Many wrong codes were entered after your password"},
	{audit.PINRefused, true, "You refused a device"},
}

// recentSignIns lists an account's sign-ins, denied ones included, the latest first.
func recentSignIns(
	ctx context.Context, log *audit.Log, accountID int64, r paging.Request,
) (list paging.List[recentSignIn], err error) {
	q, back, known := audit.Query{Account: accountID, Limit: r.Max() + 1}, false, false
	if q.Before, known = eventAt(r.After); !known {
		q.After, back = eventAt(r.Before)
		q.OldestFirst = back
	}
	for _, k := range recentKinds {
		q.Events = append(q.Events, k.kind)
	}
	entries, err := log.List(ctx, q)
	if err != nil {
		return list, err
	}
	part := paging.Cut(entries, r, back, back || known, func(e audit.Entry) paging.Cursor { return paging.NewCursor(e.ID) })
	list.Next, list.Previous = part.Next, part.Previous
	for _, e := range part.Rows {
		list.Rows = append(list.Rows, newRecentSignIn(e))
	}
	return list, nil
}

// eventAt is the event whose place a cursor is.
func eventAt(c paging.Cursor) (id int64, ok bool) {
	values, ok := c.Values(1)
	if !ok {
		return 0, false
	}
	id, ok = values[0].(int64)
	return id, ok && id > 0
}

func newRecentSignIn(e audit.Entry) recentSignIn {
	i := slices.IndexFunc(recentKinds[:], func(k recentKind) bool { return k.kind == e.Event })
	return recentSignIn{e.At, recentKinds[i].text(e.Detail), recentKinds[i].denied, e.Device, e.Address}
}

// latestSignIn returns the time of an account's last sign-in. It is zero if the log has
// none.
func latestSignIn(ctx context.Context, log *audit.Log, accountID int64) (time.Time, error) {
	q := audit.Query{Account: accountID, Limit: 1}
	for _, k := range recentKinds {
		if !k.denied {
			q.Events = append(q.Events, k.kind)
		}
	}
	entries, err := log.List(ctx, q)
	if err != nil || len(entries) == 0 {
		return time.Time{}, err
	}
	return entries[0].At, nil
}
