package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
)

// start is the page at the server's bare address.
type start struct {
	accounts *account.Service
}

func (s *start) pages() []page {
	return []page{
		{"GET", "/{$}", anyone, s.show},
	}
}

func (s *start) show(ctx context.Context, v *visit) (view, error) {
	if v.signedIn() {
		return view{to: "/account"}, nil
	}
	none, err := noAccounts(ctx, s.accounts)
	return view{name: "home", data: struct{ Empty bool }{none}}, err
}

// noAccounts reports whether no account exists yet.
func noAccounts(ctx context.Context, accounts *account.Service) (bool, error) {
	any, err := accounts.Any(ctx)
	return !any, err
}
