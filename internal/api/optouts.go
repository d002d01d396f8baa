package api

import (
	"context"
	"net/http"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/wire"
)

// optOutHandlers answer what an account has opted out of, of online media. There
// is none here: the list is empty, whatever one chooses.
type optOutHandlers struct {
	accounts *accountCache
}

// errNotOwnSettings says that the settings are those of another account, which
// may exist or not.
var errNotOwnSettings = fault.New(fault.NotFound, "there are no such settings of this account")

// noOptOuts is an empty list. PlexAPI looks for elements optOut; the root and the
// JSON are inferred.
var noOptOuts = wire.Constant{JSON: `[]`, XML: `<optOuts></optOuts>`}

func (h optOutHandlers) list(ctx context.Context, c *call) (answer, error) {
	err := h.own(ctx, c)
	return answer{status: http.StatusOK, body: noOptOuts}, err
}

func (h optOutHandlers) set(ctx context.Context, c *call) (answer, error) {
	err := h.own(ctx, c)
	return answer{status: http.StatusNoContent}, err
}

// own checks that the path names the account of the token. An unknown one is 404,
// as PlexAPI expects.
func (h optOutHandlers) own(ctx context.Context, c *call) error {
	a, err := h.accounts.account(ctx, c.principal.AccountID)
	if err == nil && a.UUID != c.http.PathValue("uuid") {
		return errNotOwnSettings
	}
	return err
}
