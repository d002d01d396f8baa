package api

import (
	"context"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/wire"
)

// consentHandlers store the consents of an account that programs ask for.
type consentHandlers struct {
	accounts *account.Service
}

func (h consentHandlers) privacy(ctx context.Context, c *call) (answer, error) {
	given, err := h.accounts.Consents(ctx, c.principal.AccountID)
	return answer{status: http.StatusOK, body: wire.Privacy{
		NoPlayback: given[account.NoPlaybackStats], NoLibrary: given[account.NoLibraryStats],
	}}, err
}

// setPrivacy changes the given settings. plex-api.rs requires 204.
func (h consentHandlers) setPrivacy(ctx context.Context, c *call) (answer, error) {
	playback, err := c.params.Bool("optOutPlayback")
	if err != nil {
		return answer{}, err
	}
	library, err := c.params.Bool("optOutLibraryStats")
	if err != nil {
		return answer{}, err
	}
	given := make(map[account.Consent]bool)
	if c.params.Has("optOutPlayback") {
		given[account.NoPlaybackStats] = playback
	}
	if c.params.Has("optOutLibraryStats") {
		given[account.NoLibraryStats] = library
	}
	return answer{status: http.StatusNoContent}, h.accounts.SetConsents(ctx, c.principal.AccountID, given)
}

func (h consentHandlers) viewStateSync(ctx context.Context, c *call) (answer, error) {
	given, err := h.accounts.Consents(ctx, c.principal.AccountID)
	return answer{status: http.StatusOK, body: wire.ViewStateSync(given[account.ViewStateSync])}, err
}

// setViewStateSync changes the consent, if the request has one.
func (h consentHandlers) setViewStateSync(ctx context.Context, c *call) (answer, error) {
	consent, err := c.params.Bool("consent")
	if err == nil && !c.params.Has("consent") {
		return h.viewStateSync(ctx, c)
	}
	if err == nil {
		err = h.accounts.SetConsents(ctx, c.principal.AccountID, map[account.Consent]bool{account.ViewStateSync: consent})
	}
	return answer{status: http.StatusOK, body: wire.ViewStateSync(consent)}, err
}
