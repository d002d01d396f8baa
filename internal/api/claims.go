package api

import (
	"context"
	"net/http"

	"github.com/usher-auth/usher/internal/claim"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/wire"
)

// claimHandlers create and redeem the codes with which a media server is connected to
// an account.
type claimHandlers struct {
	claims      *claim.Service
	mediaServer mediaServerHandlers
}

// errClaimed reports that this server does not belong to the claimant.
var errClaimed = fault.New(fault.Denied, "this server belongs to its admins already")

// token creates a claim for the caller's account.
func (h claimHandlers) token(_ context.Context, c *call) (answer, error) {
	return answer{status: http.StatusOK, body: wire.ClaimToken{Token: h.claims.New(c.principal)}}, nil
}

// claim uses a claim on this server. The server already belongs to its admins: an admin
// gets the account that the server is signed in with, and other accounts are denied.
func (h claimHandlers) claim(ctx context.Context, c *call) (answer, error) {
	text, err := c.params.Secret("token")
	if err != nil {
		return answer{}, err
	}
	if err := missing("token", string(text)); err != nil {
		return answer{}, err
	}
	a, err := h.claims.Redeem(ctx, text)
	if err != nil {
		return answer{}, err
	}
	if !a.Admin {
		return answer{}, errClaimed
	}
	return h.mediaServer.account(ctx, c)
}
