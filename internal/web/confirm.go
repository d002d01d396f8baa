package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/plexauth"
)

// confirmPassword verifies the visitor's own password, in the form's "current".
// A change to how an account signs in requires it: an open browser is not
// enough.
func confirmPassword(ctx context.Context, accounts *account.Service, v *visit) error {
	_, err := accounts.VerifyPassword(ctx, v.actor(), account.Credentials{
		Login: v.account.Username, Password: plexauth.Secret(v.PostFormValue("current")),
	})
	return err
}
