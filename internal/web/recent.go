package web

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/store"
)

// recentSignIn is a sign-in, or a try at one, in the words of people.
type recentSignIn struct {
	At              time.Time
	What            string
	Refused         bool
	Device, Address string
}

// recentKind is how an event of a sign-in reads.
type recentKind struct {
	kind    store.EventKind
	refused bool
	what    string
}

// say adds to a refusal why it was one. Other details are for operators.
func (k recentKind) say(detail string) string {
	if k.kind == store.EventSignInRefused && detail != "" {
		return k.what + ": " + detail
	}
	return k.what
}

// recentKinds is what counts as a sign-in.
var recentKinds = [...]recentKind{
	{store.EventSignIn, false, "A program was signed in"},
	{store.EventPINLinked, false, "A device was signed in by its code"},
	{store.EventSessionStarted, false, "A browser was signed in"},
	{store.EventPasskeyUsed, false, "A passkey was used"},
	{store.EventBackupCodeUsed, false, "A backup code was used up"},
	{store.EventSignInUnfinished, false, "The password was right, and the second factor was asked for"},
	{store.EventSignInRefused, true, "Refused"},
	{store.EventPINRefused, true, "You refused a device"},
}

// maxRecent is how many sign-ins the account's page shows.
const maxRecent = 20

// recent lists an account's latest sign-ins, good and refused.
func (p *Pages) recent(ctx context.Context, account int64) ([]recentSignIn, error) {
	q := store.AuditQuery{Account: account, Limit: maxRecent}
	for _, k := range recentKinds {
		q.Events = append(q.Events, k.kind)
	}
	entries, err := p.Store.Audit(ctx, q)
	list := make([]recentSignIn, 0, len(entries))
	for _, e := range entries {
		for _, k := range recentKinds {
			if k.kind == e.Event {
				list = append(list, recentSignIn{e.At, k.say(e.Detail), k.refused, e.Device, e.Address})
			}
		}
	}
	return list, err
}
