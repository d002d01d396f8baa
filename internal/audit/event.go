package audit

import (
	"cmp"
	"strings"
	"time"
	"unicode"

	"github.com/usher-auth/usher/internal/glyph"
)

// Actor is the person or program that does something, and its address. The zero value is an unknown
// visitor.
type Actor struct {
	// AccountID is the account that acts; 0 if none is signed in.
	AccountID int64
	// Name names an actor without an account, such as the command line. The
	// name of an account is looked up.
	Name string
	// Device is the client's description of itself, and Address its network address.
	Device, Address string
	// ForID is the admin for whom an actor without an account acts, such as the maker
	// of a key, or 0. Links that the actor creates are revoked when that admin is
	// demoted or removed.
	ForID int64
	// KeyID is the key of the admin API that acts, or 0. Links that it creates are
	// revoked with the key.
	KeyID int64
	// MembersOnly reports that the actor may not change accounts that are admins. The
	// packages check that in the transaction of the change.
	MembersOnly bool
	// NewBrowser reports that the actor uses a browser that has not signed in to the
	// account before. It is not logged.
	NewBrowser bool
}

// MakerID returns the admin with whom the links that the actor creates are revoked, or
// 0.
func (a Actor) MakerID() int64 { return cmp.Or(a.AccountID, a.ForID) }

// Event is an event to record. Its texts must not contain secrets, nor text that a
// person typed, because it may be a password in the wrong field.
type Event struct {
	Kind Kind // what happened
	// AccountID is the account that the event is about; 0 if unknown.
	AccountID int64
	// Account is that account's username. If empty, it is looked up.
	Account string
	// Detail has further details in a few words. It may be empty.
	Detail string
	// FormerEmail is the confirmed e-mail address that the account had before the
	// event, if it has another one now. It is not logged.
	FormerEmail string
	// Added reports an addition, for events that are about both additions and removals.
	// It is not logged.
	Added bool
}

// Details that other packages compare.
const (
	ByResetLink  = "by a reset link"
	ByAdminLink  = "by an admin's link"
	OfName       = "the name"
	OfEmail      = "the e-mail address"
	OfNameEmail  = "the name and the e-mail address"
	OfConfirming = "the e-mail address is confirmed"
	MailsOff     = "e-mails about new devices: off"
	MailsOn      = "e-mails about new devices: on"
)

// Entry is a row of the log. Names are those at the time of the event.
type Entry struct {
	// ID counts up by one from row to row.
	ID        int64
	At        time.Time // to the millisecond, UTC
	Event     Kind      // the name of its kind
	AccountID int64     // 0 if no account is known
	Account   string    // its name at the time
	// Actor is the name of who did it. It is empty for the account itself or, without
	// an account, for an unknown visitor.
	Actor   string
	Device  string // the device's description of itself
	Address string // of the client
	Detail  string // further details
	Hash    Hash   // of this row and the previous one
}

// maxText is the maximum length of a text of a row, in bytes. Most long texts are
// programs' descriptions of themselves.
const maxText = 160

// clean makes a text short and printable.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case !unicode.IsControl(r) && glyph.Invisible(r):
			return -1 // it could reorder the row, or be invisible
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText-len("…")], "") + "…"
	}
	return s
}
