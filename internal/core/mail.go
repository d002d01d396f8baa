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
	return c.setSetting(ctx, mailSetting, base)
}

// MailBase returns the base URL of the links in e-mails, or "" if no server of the database
// sends e-mails.
func (c *Core) MailBase(ctx context.Context) (string, error) {
	return c.setting(ctx, mailSetting)
}

// linkSetting is the setting with the base URL of the links that commands print.
const linkSetting = "links"

// SetLinkBase records the first address of a server of this database, with which the links
// that commands print begin. Of several nodes, the one that started last sets it.
func (c *Core) SetLinkBase(ctx context.Context, base string) error {
	return c.setSetting(ctx, linkSetting, base)
}

// LinkBase returns the base URL of the links that commands print. Empty: no server has used
// the database.
func (c *Core) LinkBase(ctx context.Context) (string, error) { return c.setting(ctx, linkSetting) }

// setting returns a text of the settings in the database, or "" if it is not set.
func (c *Core) setting(ctx context.Context, name string) (string, error) {
	text, err := store.Settings{DB: c.DB}.Find(ctx, name)
	if errors.Is(err, db.ErrNotFound) {
		return "", nil
	}
	return string(text), err
}

func (c *Core) setSetting(ctx context.Context, name, text string) error {
	before, err := c.setting(ctx, name)
	if err != nil || before == text {
		return err
	}
	return store.Settings{DB: c.DB}.Put(ctx, name, []byte(text))
}
