package api

import (
	"context"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/wire"
)

// optOutHandlers store an account's opt-outs of online media. usher has no
// online media: the choices are for the programs that set and read them.
type optOutHandlers struct {
	accounts *account.Service
	cache    *accountCache
}

// errNotOwnSettings reports that the settings belong to another account, which
// may or may not exist.
var errNotOwnSettings = fault.New(fault.NotFound, "there are no such settings of this account")

func (h optOutHandlers) list(ctx context.Context, c *call) (answer, error) {
	if err := h.own(ctx, c); err != nil {
		return answer{}, err
	}
	list, err := h.accounts.OptOuts(ctx, c.principal.AccountID)
	body := make(wire.OptOuts, 0, len(list))
	for _, o := range list {
		body = append(body, wire.OptOut{Key: o.Source, Value: o.Choice})
	}
	return answer{status: http.StatusOK, body: body}, err
}

func (h optOutHandlers) set(ctx context.Context, c *call) (answer, error) {
	if err := h.own(ctx, c); err != nil {
		return answer{}, err
	}
	var o account.OptOut
	var err error
	if o.Source, err = c.params.Text("key"); err == nil {
		o.Choice, err = c.params.Text("value")
	}
	if err == nil {
		err = h.accounts.SetOptOut(ctx, c.principal.AccountID, o)
	}
	return answer{status: http.StatusNoContent}, err
}

// own checks that the path names the account of the token. An unknown one is 404,
// as PlexAPI expects.
func (h optOutHandlers) own(ctx context.Context, c *call) error {
	a, err := h.cache.account(ctx, c.principal.AccountID)
	if err == nil && a.UUID != c.http.PathValue("uuid") {
		return errNotOwnSettings
	}
	return err
}
