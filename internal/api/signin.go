package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
	"github.com/usher-auth/usher/plexauth"
)

// signInHandlers sign in by name and password, and sign out.
type signInHandlers struct {
	accounts *account.Service
	tokens   *token.Service
	cache    *accountCache
	avatars  avatarHandlers
	signIns  *prometheus.CounterVec
	now      func() time.Time
}

// signIn is post-users-sign-in-data. The response is the account that the password
// was checked against: a cache can be older.
func (h signInHandlers) signIn(ctx context.Context, c *call) (answer, error) {
	in, err := readSignIn(c, "login", "password")
	if err != nil {
		return answer{}, err
	}
	a, tok, err := h.issue(ctx, c, in)
	if err != nil {
		return answer{}, err
	}
	return h.signedIn(ctx, c, a, tok)
}

// signedIn returns the response with an account and its new token.
func (h signInHandlers) signedIn(ctx context.Context, c *call, a account.Account, tok plexauth.Secret) (answer, error) {
	page, err := h.cache.fresh(ctx, a)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: h.avatars.account(c, page, tok, h.now())}, nil
}

// signInV1 is the sign-in of version 1: by Basic authentication, or with the same
// fields one level deeper.
func (h signInHandlers) signInV1(ctx context.Context, c *call) (answer, error) {
	login, password, ok, err := wire.BasicCredentials(c.http)
	if err != nil {
		return answer{}, err
	}
	in := account.Credentials{Login: login, Password: password}
	if !ok {
		if in, err = readSignIn(c, "user[login]", "user[password]"); err != nil {
			return answer{}, err
		}
	}
	a, tok, err := h.issue(ctx, c, in)
	if err != nil {
		return answer{}, err
	}
	body, err := h.cache.legacy(ctx, c, h.avatars, a, tok)
	return answer{status: http.StatusCreated, body: body}, err
}

// readSignIn reads the form of a sign-in. Its two required fields have other
// names in version 1.
func readSignIn(c *call, loginField, passwordField string) (in account.Credentials, err error) {
	if in.Login, err = c.params.Text(loginField); err != nil {
		return in, err
	}
	if in.Password, err = c.params.Secret(passwordField); err != nil {
		return in, err
	}
	if in.Code, err = c.params.Secret("verificationCode"); err != nil {
		return in, err
	}
	// rememberMe has no effect, because tokens are valid until they are revoked. A
	// value that is not a boolean is rejected nevertheless.
	if _, err = c.params.Bool("rememberMe"); err != nil {
		return in, err
	}
	return in, missing(loginField, in.Login, passwordField, string(in.Password))
}

// missing returns an error that names the empty values, or nil if no value
// is empty.
func missing(namesAndValues ...string) error {
	var names []string
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] == "" {
			names = append(names, namesAndValues[i])
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fault.Invalidf(names[0], "%s is missing", strings.Join(names, " is missing, "))
}

// issue checks credentials and issues a token to the caller's device.
func (h signInHandlers) issue(ctx context.Context, c *call, in account.Credentials) (account.Account, plexauth.Secret, error) {
	by := c.actor()
	in.Caller.ClientIdentifier = c.ClientIdentifier
	verified, err := h.accounts.Verify(ctx, by, in)
	if err != nil {
		h.count(err)
		return account.Account{}, "", err
	}
	tok, err := h.tokens.SignIn(ctx, by, verified.Proof, c.device())
	h.count(err)
	return verified.Account, tok, err
}

// signOut revokes the caller's token and those derived from it.
func (h signInHandlers) signOut(ctx context.Context, c *call) (answer, error) {
	if err := h.tokens.SignOut(ctx, c.actor(), c.principal); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// newSignInCounter returns the metric of sign-ins.
func newSignInCounter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "usher_sign_ins_total", Help: "Sign-ins, by result.",
	}, []string{"result"})
}

// count counts a sign-in by its result.
func (h signInHandlers) count(err error) {
	result := "failed"
	switch {
	case err == nil:
		result = "good"
	case errors.Is(err, account.ErrCredentials):
		result = "wrong"
	case errors.Is(err, account.ErrCode):
		result = "code"
	case errors.Is(err, guard.ErrBusy):
		result = "busy"
	case errors.Is(err, account.ErrRateLimited), errors.Is(err, account.ErrTooMany):
		result = "limited"
	case errors.Is(err, context.Canceled): // the client has disconnected
		result = "ended"
	}
	h.signIns.WithLabelValues(result).Inc()
}
