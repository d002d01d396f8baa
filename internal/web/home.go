package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
)

// home is the page at the server's bare address.
type home struct {
	accounts *account.Service
}

func (h *home) pages() []page {
	return []page{
		{"GET", "/{$}", anyone, h.show},
	}
}

func (h *home) show(ctx context.Context, v *visit) (view, error) {
	if v.signedIn() {
		return view{to: "/account"}, nil
	}
	none, err := noAccounts(ctx, h.accounts)
	return view{name: "home", data: struct{ Empty bool }{none}}, err
}

// noAccounts reports whether no account exists yet.
func noAccounts(ctx context.Context, accounts *account.Service) (bool, error) {
	any, err := accounts.Any(ctx)
	return !any, err
}
