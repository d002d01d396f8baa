// Package mail sends e-mails in the background.
//
// It owns the address of the mail server, the queue, and when a message is tried
// again or given up. It does not own what is written, nor to whom.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/usher-auth/usher/internal/fault"
)

// ErrFull says that too many messages wait.
var ErrFull = fault.New(fault.Busy, "too many e-mails wait to be sent; try again in a minute")

// Message is a text for one person.
type Message struct {
	// To is a bare address, such as mia@example.org.
	To            string
	Subject, Text string
}

// Job writes a message when it is its turn: what that takes and finds out is not seen
// by the person who asked for it. It returns false if there is nothing to send.
type Job func(ctx context.Context) (m Message, send bool, err error)

// Config says where messages go and how often they are tried.
type Config struct {
	// Server is the mail server. Required.
	Server Server
	// Queue is how many messages may wait. Zero: 200.
	Queue int
	// Workers is how many are sent at once. Zero: 4.
	Workers int
	// Timeout bounds each attempt. Zero: 20 seconds.
	Timeout time.Duration
	// Retries are how long a message waits before each further attempt. Nil: a second,
	// 10 seconds and a minute.
	Retries []time.Duration
	// TLS is the configuration of TLS but for the server's name. Nil: the system's.
	TLS *tls.Config
	// Logger gets what could not be sent. Nil: nothing is logged.
	Logger *slog.Logger
}

// Sender sends messages while Run runs. It is safe for concurrent use.
type Sender struct {
	cfg                   Config
	queue                 chan Job
	sent, failed, dropped atomic.Uint64
}

// New returns a Sender.
func New(cfg Config) *Sender {
	if cfg.Queue == 0 {
		cfg.Queue = 200
	}
	if cfg.Workers == 0 {
		cfg.Workers = 4
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	if cfg.Retries == nil {
		cfg.Retries = []time.Duration{time.Second, 10 * time.Second, time.Minute}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Sender{cfg: cfg, queue: make(chan Job, cfg.Queue)}
}

// Counts are how many messages were sent, could not be sent, and were not accepted
// because too many waited.
type Counts struct{ Sent, Failed, Dropped uint64 }

// Counts returns the counts since the start.
func (s *Sender) Counts() Counts { return Counts{s.sent.Load(), s.failed.Load(), s.dropped.Load()} }

// Send puts a message in the queue. fault.Invalid, ErrFull.
func (s *Sender) Send(m Message) error {
	if err := m.check(); err != nil {
		return err
	}
	return s.Do(func(context.Context) (Message, bool, error) { return m, true, nil })
}

// Do puts a job in the queue. ErrFull.
func (s *Sender) Do(job Job) error {
	select {
	case s.queue <- job:
		return nil
	default:
		s.dropped.Add(1)
		return ErrFull
	}
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

// Run sends messages until ctx ends. Those that wait then are lost.
func (s *Sender) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for range s.cfg.Workers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case job := <-s.queue:
					s.work(ctx, job)
				}
			}
		})
	}
	wg.Wait()
}

// work does a job, and logs why it failed.
func (s *Sender) work(ctx context.Context, job Job) {
	m, send, err := job(ctx)
	if err == nil && !send {
		return
	}
	if err == nil {
		err = m.check()
	}
	if err == nil {
		err = s.deliver(ctx, m)
	}
	if err != nil {
		s.failed.Add(1)
		s.cfg.Logger.Error("cannot send an e-mail", "server", s.cfg.Server.String(), "error", s.hidden(err, m))
		return
	}
	s.sent.Add(1)
}

// hidden is the text of an error without the address of the person and the password of
// the server: mail servers repeat what they were told.
func (s *Sender) hidden(err error, m Message) string {
	text := err.Error()
	for _, secret := range []string{m.To, string(s.cfg.Server.Password), s.cfg.Server.User} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

// deliver tries a message until it is sent, the server says that it never will be, or
// it was tried often enough.
func (s *Sender) deliver(ctx context.Context, m Message) error {
	for attempt := 0; ; attempt++ {
		err := s.attempt(ctx, m)
		if err == nil || isFinal(err) || attempt == len(s.cfg.Retries) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(s.cfg.Retries[attempt]):
		}
	}
}

// isFinal reports whether the server has refused a message for good.
func isFinal(err error) bool {
	var refused *gomail.SendError
	return errors.As(err, &refused) && refused.ErrorCode() >= 500
}

func (s *Sender) attempt(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	client, err := gomail.NewClient(s.cfg.Server.Host, s.options()...)
	if err != nil {
		return fmt.Errorf("preparing the mail client: %w", err)
	}
	message, err := s.message(m)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, message)
}

func (s *Sender) message(m Message) (*gomail.Msg, error) {
	message := gomail.NewMsg()
	if err := message.From(s.cfg.Server.From); err != nil {
		return nil, fmt.Errorf("the sender's address: %w", err)
	}
	if err := message.To(m.To); err != nil {
		return nil, fmt.Errorf("the recipient's address: %w", err)
	}
	message.Subject(m.Subject)
	message.SetDate()
	message.SetMessageID()
	message.SetGenHeader("Auto-Submitted", "auto-generated") // nobody's holiday answers it (RFC 3834)
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	return message, nil
}

// options are how the server is reached. Without TLS from the start, STARTTLS is
// required: somebody on the way could otherwise strip it, and read passwords and links.
func (s *Sender) options() []gomail.Option {
	to := s.cfg.Server
	conf := &tls.Config{}
	if s.cfg.TLS != nil {
		conf = s.cfg.TLS.Clone()
	}
	conf.ServerName, conf.MinVersion = to.Host, tls.VersionTLS12
	options := []gomail.Option{
		gomail.WithPort(to.Port), gomail.WithTimeout(s.cfg.Timeout), gomail.WithTLSConfig(conf), gomail.WithTLSPolicy(gomail.TLSMandatory),
	}
	switch {
	case to.Implicit:
		options = append(options, gomail.WithSSL())
	case to.Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	}
	if to.User == "" {
		return options
	}
	auth := gomail.SMTPAuthAutoDiscover
	if to.Plain { // it would not give the password without TLS
		auth = gomail.SMTPAuthPlainNoEnc
	}
	return append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(to.User), gomail.WithPassword(string(to.Password)))
}
