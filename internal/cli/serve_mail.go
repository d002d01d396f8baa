package cli

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/plexauth"
)

// mailServer is the mail server of the flags; nil: there is none. Its errors do not
// repeat the URL, which has a password in it.
func (o *serveOptions) mailServer() (*mail.Server, error) {
	if o.smtpURL == "" {
		if o.smtpPasswordFile != "" {
			return nil, wrongUse("--smtp-password-file needs --smtp-url")
		}
		return nil, nil
	}
	to, err := mail.ParseServer(plexauth.Secret(o.smtpURL))
	switch {
	case err != nil:
		return nil, wrongUse("--smtp-url: %w", err)
	case o.publicURL() == "":
		return nil, wrongUse("--smtp-url needs --public-url, with which the links in e-mails begin")
	case o.smtpPasswordFile == "":
		return &to, nil
	case to.Password != "":
		return nil, wrongUse("--smtp-url has a password, and --smtp-password-file has another one")
	}
	if to.Password, err = firstLine(o.smtpPasswordFile); err != nil {
		return nil, fmt.Errorf("reading the password of the mail server: %w", err)
	}
	return &to, nil
}

// mailSender returns what sends e-mails; nil: nothing does.
func (o *serveOptions) mailSender(log *slog.Logger) (*mail.Sender, error) {
	to, err := o.mailServer()
	if err != nil || to == nil {
		return nil, err
	}
	return mail.New(mail.Config{Server: *to, Logger: log}), nil
}

// runMail sends e-mails until the function that it returns is called: when the last
// request has been answered.
func runMail(ctx context.Context, sender *mail.Sender) (stop func()) {
	if sender == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { sender.Run(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}
