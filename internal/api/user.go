package api

import (
	"context"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/wire"
)

// userHandlers return the account of a token.
type userHandlers struct {
	cache   *accountCache
	avatars avatarHandlers
	now     func() time.Time
}

// ping shows that the service responds.
func (userHandlers) ping(context.Context, *call) (answer, error) {
	return answer{status: http.StatusOK, body: wire.Pong{}}, nil
}

// details is getTokenDetails: the account, with the token of the request.
func (h userHandlers) details(ctx context.Context, c *call) (answer, error) {
	page, err := h.cache.page(ctx, c.principal.AccountID)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: h.avatars.account(c, page, c.Token, h.now())}, nil
}

// detailsV1 is details in version 1.
func (h userHandlers) detailsV1(ctx context.Context, c *call) (answer, error) {
	a, err := h.cache.account(ctx, c.principal.AccountID)
	if err != nil {
		return answer{}, err
	}
	body, err := h.cache.legacy(ctx, c, h.avatars, a, c.Token)
	return answer{status: http.StatusOK, body: body}, err
}

// person returns an account for a response. A managed account has no username, and
// its name as the friendly one (third-party sample).
func person(a account.Profile, f home.Facts) wire.Person {
	p := wire.Person{
		ID: a.ID, UUID: a.UUID, Username: a.Username, Title: a.Title, Email: a.Email,
		Confirmed: a.EmailConfirmed, JoinedAt: a.CreatedAt,
		HasPassword: a.HasPassword, TwoFactorEnabled: a.HasSecondFactor, BackupCodes: a.HasBackupCodes,
		House: wire.House{
			Home: f.Home, Admin: f.Admin, Size: f.Size, Restricted: f.Restricted, Guest: f.Guest, Protected: f.Protected,
		},
	}
	if a.Managed {
		p.Username, p.FriendlyName = "", a.Title
	}
	return p
}
