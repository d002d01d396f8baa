package core

import (
	"context"
	"errors"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/store"
)

// mailSetting is the setting with the base URL of the links in e-mails. If empty, no server
// of the database sends e-mails.
const mailSetting = "e-mail links"

// SetMailBase records that a server of this database sends the e-mails in the outbox, with
// links that begin with base. If base is empty, no server does. If there are several nodes,
// the one that started last sets it.
func (c *Core) SetMailBase(ctx context.Context, base string) error {
	before, err := c.MailBase(ctx)
	if err != nil || before == base {
		return err
	}
	return store.Settings{DB: c.DB}.Put(ctx, mailSetting, []byte(base))
}

// MailBase returns the base URL of the links in e-mails, or "" if no server of the database
// sends e-mails.
func (c *Core) MailBase(ctx context.Context) (string, error) {
	base, err := store.Settings{DB: c.DB}.Find(ctx, mailSetting)
	if errors.Is(err, db.ErrNotFound) {
		return "", nil
	}
	return string(base), err
}
