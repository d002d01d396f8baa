package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/plexauth"
)

// mailBase is what the links of a command's e-mails begin with: what --public-url says
// or, without it, what the server's links begin with. *hintError if no server of the
// database sends e-mails.
func (f *folder) mailBase(ctx context.Context, c *core.Core, publicURL string) (string, error) {
	base, err := c.MailBase(ctx)
	switch {
	case err != nil:
		return "", err
	case base == "":
		return "", &hintError{errors.New("no server of this database sends e-mails"), "start usher serve with --smtp-url and --public-url"}
	case publicURL == "":
		return base, nil
	}
	return linkBase(publicURL)
}

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

// mailSender returns what sends e-mails; nil: nothing does. It also stores, for commands
// that use the same database, whether a server sends them.
func (o *serveOptions) mailSender(ctx context.Context, c *core.Core) (*mail.Sender, error) {
	to, err := o.mailServer()
	if err != nil {
		return nil, err
	}
	base := ""
	if to != nil {
		base = strings.TrimSuffix(o.publicURL(), "/")
	}
	if err := c.SetMailBase(ctx, base); err != nil || to == nil {
		return nil, err
	}
	return mail.New(mail.Config{Outbox: c.Outbox, Server: *to, Logger: c.Logger, Now: c.Now}), nil
}
