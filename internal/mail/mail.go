// Package mail queues e-mails in the database and sends them in the background.
//
// It owns the queue (Outbox), which is sealed, and limited by number and age; and
// sending (Sender): the connection to the mail server, which node sends a message, and
// when it is tried again or given up. It does not own the texts, nor who gets them.
package mail

import (
	"context"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
)

// Topic is announced when something is to be sent. The keys mean nothing.
const Topic db.Topic = "outbox"

// ErrFull says that too many messages wait. A transaction may go on without the message.
var ErrFull = fault.New(fault.Busy, "too many e-mails wait to be sent; try again later")

// Message is a text for one person.
type Message struct {
	// To is a bare address, such as mia@example.org.
	To            string
	Subject, Text string
	// Until is when the message becomes useless, such as when a link in it expires. It
	// is not sent later, and never later than MaxAge after it was queued. Zero: MaxAge.
	Until time.Time
}

// Queue takes messages to send.
type Queue interface {
	// Add queues a message in a transaction that is under way. It is sent if the
	// transaction succeeds. fault.Invalid, ErrFull.
	Add(ctx context.Context, tx *db.Tx, m Message) error
}

// check rejects what would become another header or another recipient.
func (m Message) check() error {
	if a, err := netmail.ParseAddress(m.To); err != nil || a.Address != m.To || hasControl(m.To) {
		return fault.Invalidf("email", "the e-mail address is not of the form name@example.org")
	}
	if hasControl(m.Subject) {
		return fault.Invalidf("subject", "the subject of an e-mail has a line break or another control character")
	}
	return nil
}

func hasControl(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }
