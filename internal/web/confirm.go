package web

import (
	"context"
	"errors"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

// errPassword is account.ErrCredentials where nobody typed a name.
var errPassword = fault.New(fault.Unauthenticated, "the password is not right")

// confirmPassword verifies the visitor's own password, in the form's "current".
// A change to how an account signs in requires it: an open browser is not
// enough.
func confirmPassword(ctx context.Context, accounts *account.Service, v *visit) error {
	_, err := accounts.VerifyPassword(ctx, v.actor(), account.Credentials{
		Login: v.account.Username, Password: plexauth.Secret(v.PostFormValue("current")),
	})
	if errors.Is(err, account.ErrCredentials) {
		return errPassword
	}
	return err
}
