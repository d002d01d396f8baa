package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/avatar"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/wire"
	"github.com/usher-auth/usher/plexauth"
)

// avatarHandlers serve the avatars of accounts, which clients show next to the
// names.
type avatarHandlers struct {
	accounts *account.Service
	base     func(*http.Request) string // see newBaseURL
}

// errNoAvatar reports that no account has a UUID. A UUID has 64 random bits, so it
// cannot be guessed.
var errNoAvatar = fault.New(fault.NotFound, "there is no such account")

// avatarLife is how long an avatar can be cached. Its address changes with it.
const avatarLife = 24 * time.Hour

// picture draws the initials of an account.
func (h avatarHandlers) picture(ctx context.Context, c *call) (answer, error) {
	a, err := h.accounts.ByUUID(ctx, c.http.PathValue("uuid"))
	if errors.Is(err, account.ErrNotFound) {
		return answer{}, errNoAvatar
	}
	if err != nil {
		return answer{}, err
	}
	c.Format = wire.SVG
	return answer{status: http.StatusOK, body: wire.Picture(avatar.SVG(a.Title)), life: avatarLife}, nil
}

// picturePath returns the path of an account's picture. It contains no token.
func picturePath(a account.Profile) string {
	return "/users/" + a.UUID + "/avatar?c=" + avatar.Version(a.Title)
}

// account completes an account's page with its token and picture.
func (h avatarHandlers) account(c *call, p accountPage, token plexauth.Secret, now time.Time) wire.Body {
	return p.page.With(token, h.base(c.http)+p.picture, now)
}
