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
	// Device is what the request said of itself, and Address where it came from.
	Device, Address string
	// ForID is the admin for whom an actor without an account acts, such as the maker
	// of a key: what it makes for later ends with that admin. 0: nobody.
	ForID int64
	// KeyID is the key of the admin API that acts: what it makes for later ends when the
	// key is revoked. 0: none does.
	KeyID int64
	// MembersOnly says that the actor may not change accounts that are admins. The
	// packages check that in the transaction that changes one.
	MembersOnly bool
	// NewBrowser says that the actor uses a browser that has not signed in to the
	// account before. It is not logged.
	NewBrowser bool
}

// MakerID is the admin with whom ends what the actor makes for later; 0: nobody.
func (a Actor) MakerID() int64 { return cmp.Or(a.AccountID, a.ForID) }

// Event is something that happened. Its texts must hold no secret, and nothing
// that a person typed: they may have typed a password into the wrong field.
type Event struct {
	Kind Kind // what happened
	// AccountID is the account that the event is about; 0 if unknown.
	AccountID int64
	// Account is that account's username. Empty: it is looked up.
	Account string
	// Detail says more in a few words for people. It may be empty.
	Detail string
	// FormerEmail is the confirmed e-mail address that the account had before the
	// event, if it has another one now. It is not logged.
	FormerEmail string
	// Added says that the account has something that it had not before, for events that
	// are about additions and removals alike. It is not logged.
	Added bool
}

// Details that other packages compare with.
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

// Entry is a row of the log. Names are as they were at the time.
type Entry struct {
	// ID counts up by one from row to row.
	ID        int64
	At        time.Time // to the millisecond, UTC
	Event     Kind      // the name of its kind
	AccountID int64     // 0 if no account is known
	Account   string    // its name at the time
	// Actor is who did it. Empty: the account itself or, without an account, an
	// unknown visitor.
	Actor   string
	Device  string // what the device called itself
	Address string // of the client
	Detail  string // what else is known
	Hash    Hash   // of this row and the one before
}

// maxText is how many bytes a text of a row has at most. Most of it is what a
// program said of itself.
const maxText = 160

// clean makes a text short and printable.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case !unicode.IsControl(r) && glyph.Invisible(r):
			return -1 // it would reorder the row, or be in it unseen
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
