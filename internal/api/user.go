package api

import (
	"context"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/wire"
)

// userHandlers say whose token a token is.
type userHandlers struct {
	cache   *accountCache
	avatars avatarHandlers
	now     func() time.Time
}

// ping answers whether this is the service.
func (userHandlers) ping(context.Context, *call) (answer, error) {
	return answer{status: http.StatusOK, body: wire.Pong{}}, nil
}

// details is getTokenDetails: the account, with the token that asked.
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
	return answer{status: http.StatusOK, body: h.avatars.accountV1(c, a, c.Token)}, nil
}

// person is an account as answers have it.
func person(a account.Account) wire.Person {
	return wire.Person{
		ID: a.ID, UUID: a.UUID, Username: a.Username, Title: a.Title, Email: a.Email,
		Confirmed: a.EmailConfirmed(), JoinedAt: a.CreatedAt,
		HasPassword: a.PasswordHash != "", TwoFactorEnabled: a.TOTPSeed != nil, BackupCodes: a.BackupCodes > 0,
	}
}
