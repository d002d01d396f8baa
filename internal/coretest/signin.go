package coretest

import (
	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/plexauth"
)

// Prove checks Password for an account, and returns the proof.
func (c *Core) Prove(a account.Account) account.Verified {
	c.t.Helper()
	v, err := c.Accounts.VerifyPassword(c.t.Context(), audit.Actor{}, account.Credentials{
		Login: a.Username, Password: Password,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// Token signs a device in to an account whose password is Password.
func (c *Core) Token(a account.Account, clientIdentifier string) plexauth.Secret {
	c.t.Helper()
	d := device.Device{ClientIdentifier: clientIdentifier, Product: "Test"}
	tok, err := c.Tokens.SignIn(c.t.Context(), audit.Actor{}, c.Prove(a).Proof, d)
	if err != nil {
		c.t.Fatal(err)
	}
	return tok
}
