package web

import (
	"context"
	"errors"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/plexauth"
)

// Errors of forms that are confirmed with what the visitor signs in with. Nobody
// typed a name into them.
var (
	errPassword = fault.WithField(fault.New(fault.Unauthenticated, "your own password is not right"), "current", "")
	errFactor   = fault.New(fault.Unauthenticated,
		"this requires a code of your second factor, or a passkey; ask an admin if you have neither")
	errGone = fault.New(fault.Conflict, "your account was changed meanwhile: open the page anew and try again")
)

// confirmPassword verifies the visitor's own password, in the form's "current".
// A change to how an account signs in requires it: an open browser is not
// enough.
func confirmPassword(ctx context.Context, accounts *account.Service, v *visit) error {
	return confirmPasswordOf(ctx, accounts, v, v.account)
}

// confirmPasswordOf is confirmPassword for a visitor who may lack the second
// factor.
func confirmPasswordOf(ctx context.Context, accounts *account.Service, v *visit, a account.Account) error {
	if v.account.ID == a.ID && a.ByPasskeyOnly() {
		return v.caution.confirmByPasskey(ctx, v)
	}
	err := accounts.ConfirmPassword(ctx, v.actor(), credentials(v, a))
	if errors.Is(err, account.ErrCredentials) {
		return errPassword
	}
	return err
}

// credentials are an account's name with the password in the form.
func credentials(v *visit, a account.Account) account.Credentials {
	return account.Credentials{
		Login: a.Username, Password: plexauth.Secret(v.PostFormValue("current")), Caller: v.caller(),
	}
}

// factorCheck verifies the visitor's password and, if the account has one, the
// second factor. Attack: an attacker who has the password and an open browser turns
// the second factor off, replaces it, or adds a way around it.
type factorCheck struct {
	accounts *account.Service
	passkeys *passkey.Service
	site     passkeySite
}

// proof returns the proof that the form has: a code of the present factor in a
// field, or the answer of a passkey in "answer".
func (f factorCheck) proof(ctx context.Context, v *visit, field string) (signin.Proof, error) {
	if v.account.ByPasskeyOnly() {
		return v.caution.byPasskey(ctx, v)
	}
	in := credentials(v, v.account)
	in.Code = codeOf(v, field)
	verified, err := f.accounts.VerifyPassword(ctx, v.actor(), in)
	switch {
	case errors.Is(err, account.ErrCredentials):
		return signin.Proof{}, errPassword
	case errors.Is(err, account.ErrCode):
		return signin.Proof{}, fault.WithField(err, field, "")
	case err != nil:
		return signin.Proof{}, err
	case verified.Complete:
		return verified.Proof, nil
	case v.PostFormValue("answer") == "":
		return signin.Proof{}, fault.WithField(errFactor, field, "")
	}
	party, err := f.site.party(v)
	if err != nil {
		return signin.Proof{}, err
	}
	verified, err = f.passkeys.FinishSecondFactor(ctx, v.actor(), party,
		v.account.ID, verified.Account.Revision, browserOf(v), []byte(v.PostFormValue("answer")))
	return verified.Proof, err
}

// confirm is for changes that do not take the proof. The code is in "code".
func (f factorCheck) confirm(ctx context.Context, v *visit) error {
	proof, err := f.proof(ctx, v, "code")
	if err != nil {
		return err
	}
	return confirmed(f.accounts.Confirm(ctx, v.actor(), proof))
}

// confirmed gives the error of a proof that was void a text for the form: nobody
// typed a name or a password that was wrong.
func confirmed(err error) error {
	if errors.Is(err, account.ErrCredentials) {
		return errGone
	}
	return err
}

// hasPasskey reports whether the visitor can use a passkey instead of a code.
func (f factorCheck) hasPasskey(ctx context.Context, v *visit) (bool, error) {
	party, err := f.site.party(v)
	if err != nil {
		return false, nil
	}
	return f.passkeys.Has(ctx, party, v.session.AccountID)
}
