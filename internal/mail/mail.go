// Package mail queues e-mails in the database and sends them in the background.
//
// It owns the queue (Outbox), whose entries are sealed and limited by number and age,
// and the sending (Sender): the connection to the mail server, which node sends a
// message, the retries, and when to give up. It does not own the texts or the choice of
// recipients.
package mail

import (
	"context"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
)

// Topic is announced when there is an e-mail to send. The key has no meaning.
const Topic db.Topic = "outbox"

// ErrFull reports that too many messages are queued. A transaction may continue without
// the message.
var ErrFull = fault.New(fault.Busy, "too many e-mails wait to be sent; try again later")

// Message is an e-mail to one recipient.
type Message struct {
	// To is a bare address, such as mia@example.org.
	To            string
	Subject, Text string
	// Until is the time after which the message is useless, for example because a link
	// in it has expired. It is not sent after Until, nor later than MaxAge after it was
	// queued. If zero, only MaxAge applies.
	Until time.Time
}

// Queue accepts messages to send.
type Queue interface {
	// Add queues a message in an open transaction. It is sent if the transaction
	// succeeds. Errors: fault.Invalid, ErrFull.
	Add(ctx context.Context, tx *db.Tx, m Message) error
}

// check rejects a message with which an attacker could add a header or a recipient.
func (m Message) check() error {
	if a, err := netmail.ParseAddress(m.To); err != nil || a.Address != m.To || hasControl(m.To) {
		return fault.Invalidf("email", "the e-mail address is not of the form name@example.org")
	}
	if hasControl(m.Subject) {
		return fault.Invalidf("subject", "the subject of an e-mail has a line break or another control character")
	}
	return nil
}

// inASCII returns an address with its domain in the form that every mail server takes
// (RFC 5891). What is before the @ has no such form.
func inASCII(address string) string {
	at := strings.LastIndexByte(address, '@') + 1
	domain, err := idna.Lookup.ToASCII(address[at:])
	if err != nil {
		return address
	}
	return address[:at] + domain
}

func hasControl(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }
