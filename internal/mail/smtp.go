package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// isFinal reports whether the server rejected a message permanently.
func isFinal(err error) bool {
	var refused *gomail.SendError
	return errors.As(err, &refused) && refused.ErrorCode() >= 500
}

// attempt passes a message to the server. id lets a receiver that gets the message
// twice detect the duplicate.
func (s *Sender) attempt(ctx context.Context, id string, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	client, err := gomail.NewClient(s.cfg.Server.Host, s.options()...)
	if err != nil {
		return fmt.Errorf("preparing the mail client: %w", err)
	}
	message, err := s.message(id, m)
	if err != nil {
		return err
	}
	// The client obeys the context only while it connects. attempt does not wait for
	// what the client does for the rest of the timeout.
	sent := make(chan error, 1)
	go func() { sent <- pass(ctx, client, message) }()
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pass passes a message to a server. Once the server has accepted it, no error of
// ending the connection counts: another attempt would send the message twice.
func pass(ctx context.Context, client *gomail.Client, message *gomail.Msg) error {
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	err = client.SendWithSMTPClient(conn, message)
	if message.IsDelivered() {
		err = nil
	}
	go func() { _ = client.CloseWithSMTPClient(conn) }() // the server may not answer to it
	return err
}

func (s *Sender) message(id string, m Message) (*gomail.Msg, error) {
	message := gomail.NewMsg()
	if err := message.From(s.cfg.Server.From); err != nil {
		return nil, fmt.Errorf("the sender's address: %w", err)
	}
	if err := message.To(m.To); err != nil {
		return nil, fmt.Errorf("the recipient's address: %w", err)
	}
	message.Subject(m.Subject)
	message.SetDate()
	message.SetMessageIDWithValue(id + "@" + s.domain())
	message.SetGenHeader("Auto-Submitted", "auto-generated") // keeps vacation responders from answering (RFC 3834)
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	return message, nil
}

// domain returns the domain of the sender's address.
func (s *Sender) domain() string {
	from, err := netmail.ParseAddress(s.cfg.Server.From)
	if err != nil {
		return s.cfg.Server.Host
	}
	return from.Address[strings.LastIndex(from.Address, "@")+1:]
}

// options returns the options of the connection. Without TLS from the start, STARTTLS
// is required: otherwise, an attacker on the path could strip it, and read passwords
// and links.
func (s *Sender) options() []gomail.Option {
	to := s.cfg.Server
	conf := &tls.Config{}
	if s.cfg.TLS != nil {
		conf = s.cfg.TLS.Clone()
	}
	conf.ServerName, conf.MinVersion = to.Host, tls.VersionTLS12
	options := []gomail.Option{
		gomail.WithPort(to.Port), gomail.WithTimeout(s.cfg.Timeout), gomail.WithTLSConfig(conf), gomail.WithTLSPolicy(gomail.TLSMandatory),
		gomail.WithoutRset(), // each connection carries one message
	}
	switch {
	case to.Implicit:
		options = append(options, gomail.WithSSL())
	case to.Plain:
		// A connection without TLS would be fine, and so is one to a server that has a
		// certificate that nobody signed, as mail servers on this computer often do.
		conf.InsecureSkipVerify = true
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	}
	if to.User == "" {
		return options
	}
	auth := gomail.SMTPAuthAutoDiscover
	if to.Plain { // the library would not send the password without TLS
		auth = gomail.SMTPAuthPlainNoEnc
	}
	return append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(to.User), gomail.WithPassword(string(to.Password)))
}
