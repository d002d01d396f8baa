package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/plexauth"
)

// mailBase returns the base URL of the links in a command's e-mails: --public-url or,
// without it, the server's base URL. It returns a *hintError if no server of the database
// sends e-mails.
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

// mailServer returns the mail server of the flags, or nil without one. Its errors do not
// contain the URL, which can have a password in it.
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
	case o.smtpPasswordFile == "" && to.User != "" && to.Password == "":
		return nil, wrongUse("--smtp-url has a user, and no password: set --smtp-password-file")
	case o.smtpPasswordFile == "":
		return &to, nil
	case to.Password != "":
		return nil, wrongUse("--smtp-url has a password, and --smtp-password-file has another one")
	case to.User == "":
		return nil, wrongUse("--smtp-password-file needs a user in --smtp-url: smtp://USER@HOST:587?from=ADDRESS")
	}
	if to.Password, err = firstLine(o.smtpPasswordFile); err != nil {
		return nil, fmt.Errorf("reading the password of the mail server: %w", err)
	}
	if to.Password == "" {
		return nil, fmt.Errorf("reading the password of the mail server: the first line of %s is empty", o.smtpPasswordFile)
	}
	return &to, nil
}

// mailSender returns the sender of e-mails, or nil without a mail server. For other
// commands on the same database, it also stores whether a server sends e-mails.
func (o *serveOptions) mailSender(ctx context.Context, c *core.Core) (*mail.Sender, error) {
	to, err := o.mailServer()
	if err != nil {
		return nil, err
	}
	base := ""
	if to != nil {
		base = o.publicURL()
	}
	if err := c.SetMailBase(ctx, base); err != nil || to == nil {
		return nil, err
	}
	return mail.New(mail.Config{Outbox: c.Outbox, Server: *to, Logger: c.Logger, Now: c.Now}), nil
}
