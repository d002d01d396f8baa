package api

import (
	"context"
	"net/http"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/webhook"
	"github.com/usher-auth/usher/internal/wire"
)

// webhookHandlers manage the addresses to which the events of an account are sent.
type webhookHandlers struct {
	webhooks *webhook.Service
}

func (h webhookHandlers) list(ctx context.Context, c *call) (answer, error) {
	urls, err := h.webhooks.URLs(ctx, c.principal.AccountID)
	return answer{status: http.StatusOK, body: wire.Webhooks(urls)}, err
}

// set replaces the addresses. PlexAPI sends an empty urls to remove all. plex-api.rs requires
// 201.
func (h webhookHandlers) set(ctx context.Context, c *call) (answer, error) {
	list, err := c.params.List("urls")
	if err != nil {
		return answer{}, err
	}
	if len(list) == 0 && !c.params.Has("urls") && !c.params.Has("urls[]") {
		return answer{}, fault.Invalidf("urls[]", "urls[] is missing")
	}
	urls, err := h.webhooks.Set(ctx, c.actor(), c.principal.AccountID, list)
	return answer{status: http.StatusCreated, body: wire.Webhooks(urls)}, err
}
