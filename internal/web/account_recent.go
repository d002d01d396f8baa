package web

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/audit"
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

// maxRecent is how many sign-ins the account's page shows.
const maxRecent = 20

// recentSignIns lists an account's latest sign-ins, denied ones included.
func recentSignIns(
	ctx context.Context, log *audit.Log, accountID int64,
) ([]recentSignIn, error) {
	q := audit.Query{Account: accountID, Limit: maxRecent}
	for _, k := range recentKinds {
		q.Events = append(q.Events, k.kind)
	}
	entries, err := log.List(ctx, q)
	list := make([]recentSignIn, 0, len(entries))
	for _, e := range entries {
		for _, k := range recentKinds {
			if k.kind == e.Event {
				list = append(list, recentSignIn{e.At, k.text(e.Detail), k.denied, e.Device, e.Address})
			}
		}
	}
	return list, err
}
