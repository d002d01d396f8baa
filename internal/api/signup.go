package api

import (
	"context"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
)

// signUp adds an account for the caller, and signs them in to it.
func (h signInHandlers) signUp(ctx context.Context, c *call) (answer, error) {
	in, err := readSignUp(c)
	if err != nil {
		return answer{}, ofForm{err}
	}
	by := c.actor()
	verified, err := h.accounts.SignUp(ctx, by, in)
	if err != nil {
		return answer{}, ofForm{err}
	}
	tok, err := h.tokens.SignIn(ctx, by, verified.Proof, c.device())
	h.count(err)
	if err != nil {
		return answer{}, err
	}
	return h.signedIn(ctx, c, verified.Account, tok)
}

// readSignUp reads the form of a sign-up. Clients that send no username expect one
// derived from the e-mail address (clients' sources; the derivation is inferred).
func readSignUp(c *call) (n account.NewAccount, err error) {
	if n.Username, err = c.params.Text("username"); err != nil {
		return n, err
	}
	if n.Email, err = c.params.Text("email"); err != nil {
		return n, err
	}
	if n.Password, err = c.params.Secret("password"); err != nil {
		return n, err
	}
	if n.Username == "" {
		n.Username, _, _ = strings.Cut(n.Email, "@")
	}
	if n.Username == "" {
		return n, fault.Invalidf("email", "email and username are missing")
	}
	return n, missing("password", string(n.Password))
}
