package api

import (
	"context"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// adminAccounts manages accounts in the admin API.
type adminAccounts struct {
	accounts *account.Service
	passkeys *passkey.Service
	sessions *session.Service
	sources  *source.Service
}

const accountsPath, accountPath = "/admin/api/v1/accounts", "/admin/api/v1/accounts/{id}"

func (f adminAccounts) routes() []adminRoute {
	return []adminRoute{
		{"GET", accountsPath, adminkey.AccountsRead, paged + " search sort", false, f.list},
		{"POST", accountsPath, adminkey.AccountsWrite, "", true, f.add},
		{"GET", accountPath, adminkey.AccountsRead, "", false, f.show},
		{"DELETE", accountPath, adminkey.AccountsWrite, "", false, f.remove},
		{"PUT", accountPath + "/username", adminkey.AccountsWrite, "", true, f.rename},
		{"PUT", accountPath + "/email", adminkey.AccountsWrite, "", true, f.setEmail},
		{"POST", accountPath + "/email/confirm", adminkey.AccountsWrite, "", true, f.confirmEmail},
		{"PUT", accountPath + "/admin", adminkey.AdminsWrite, "", true, f.setAdmin},
		{"PUT", accountPath + "/disabled", adminkey.AccountsWrite, "", true, f.setDisabled},
		{"PUT", accountPath + "/password", adminkey.AccountsWrite, "", true, f.setPassword},
		{"PUT", accountPath + "/rules", adminkey.AccountsWrite, "", true, f.setRules},
		{"DELETE", accountPath + "/second-factor", adminkey.AccountsWrite, "", false, f.removeFactor},
		{"GET", accountPath + "/passkeys", adminkey.AccountsRead, "", false, f.listPasskeys},
		{"DELETE", accountPath + "/passkeys/{passkey}", adminkey.AccountsWrite, "", false, f.removePasskey},
	}
}

// accountJSON is an account for admins.
type accountJSON struct {
	ID             int64     `json:"id"`              // number of the account
	UUID           string    `json:"uuid"`            // identifier in the API of clients
	Username       string    `json:"username"`        // name to sign in with
	Title          string    `json:"title"`           // name to display
	Email          string    `json:"email"`           // empty if the account has none
	EmailConfirmed bool      `json:"emailConfirmed"`  // an admin set or confirmed the address
	Admin          bool      `json:"admin"`           // is an admin
	Managed        bool      `json:"managed"`         // managed user of a home, which cannot sign in
	Disabled       bool      `json:"disabled"`        // cannot sign in
	SecondFactor   bool      `json:"secondFactor"`    // needs a code to sign in
	BackupCodes    int       `json:"backupCodes"`     // codes that are left
	PasswordOff    bool      `json:"passwordOff"`     // the password is rejected
	PasskeyNeeded  bool      `json:"passkeyRequired"` // signing in requires a passkey
	CreatedAt      time.Time `json:"createdAt"`       // in UTC
}

func newAccountJSON(a account.Account) accountJSON {
	return accountJSON{
		a.ID, a.UUID, a.Username, a.Title, a.Email, a.EmailConfirmed(), a.Admin, a.Managed(), a.Disabled, a.HasSecondFactor(),
		a.BackupCodes, a.PasswordOff, a.PasskeyRequired, a.CreatedAt,
	}
}

func (f adminAccounts) list(ctx context.Context, c *adminCall) (int, any, error) {
	part, err := c.part()
	if err != nil {
		return 0, nil, err
	}
	sort, err := c.choice("sort", "name", "newest", "oldest")
	if err != nil {
		return 0, nil, err
	}
	search := c.query.Get("search")
	read := func(ctx context.Context, r paging.Request) (paging.List[account.Account], error) {
		return f.accounts.Search(ctx, search, r)
	}
	switch { // those that are searched for have an order of their own
	case search == "" && sort == "newest":
		read = f.accounts.Newest
	case search == "" && sort == "oldest":
		read = f.accounts.List
	}
	l, err := read(ctx, part)
	return listed(l, err, newAccountJSON)
}

func (f adminAccounts) add(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct {
		Username, Email string
		Password        plexauth.Secret
		Admin           bool
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	if err := c.mayChange(account.Account{Admin: in.Admin}); err != nil {
		return 0, nil, err
	}
	a, err := f.accounts.Add(ctx, c.actor(), account.NewAccount{
		Username: in.Username, Email: in.Email, Password: in.Password, Admin: in.Admin,
	})
	return http.StatusCreated, newAccountJSON(a), err
}

func (f adminAccounts) show(ctx context.Context, c *adminCall) (int, any, error) {
	return f.answer(ctx, c.id("id"), nil)
}

// answer returns the account after a change, or the error of the change.
func (f adminAccounts) answer(ctx context.Context, id int64, err error) (int, any, error) {
	if err != nil {
		return 0, nil, err
	}
	a, err := f.accounts.Get(ctx, id)
	return http.StatusOK, newAccountJSON(a), err
}

// change changes the account in the path, if the key may do so, and returns it. in is
// the destination of the body, or nil if the request has no body.
func (f adminAccounts) change(ctx context.Context, c *adminCall, in any, do func(id int64) error) (int, any, error) {
	if err := c.read(in); err != nil {
		return 0, nil, err
	}
	a, err := f.target(ctx, c)
	if err == nil {
		err = do(a.ID)
	}
	return f.answer(ctx, a.ID, err)
}

// target returns the account in the path, if the key can change it.
func (f adminAccounts) target(ctx context.Context, c *adminCall) (account.Account, error) {
	a, err := f.accounts.Get(ctx, c.id("id"))
	if err == nil {
		err = c.mayChange(a)
	}
	return a, err
}

func (f adminAccounts) remove(ctx context.Context, c *adminCall) (int, any, error) {
	a, err := f.target(ctx, c)
	if err == nil {
		err = f.accounts.Remove(ctx, c.actor(), a.ID)
	}
	return gone(err)
}

func (f adminAccounts) rename(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ Username string }
	return f.change(ctx, c, &in, func(id int64) error { return f.accounts.Rename(ctx, c.actor(), id, in.Username) })
}

func (f adminAccounts) setEmail(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ Email *string }
	return f.change(ctx, c, &in, func(id int64) error {
		if in.Email == nil {
			return lacks("email")
		}
		return f.accounts.SetEmail(ctx, c.actor(), id, *in.Email)
	})
}

func (f adminAccounts) confirmEmail(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ Email string }
	return f.change(ctx, c, &in, func(id int64) error { return f.accounts.ConfirmEmail(ctx, c.actor(), id, in.Email) })
}

func (f adminAccounts) setAdmin(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ Admin *bool }
	return f.change(ctx, c, &in, func(id int64) error {
		switch {
		case in.Admin == nil:
			return lacks("admin")
		case *in.Admin:
			return f.accounts.Promote(ctx, c.actor(), id)
		}
		return f.accounts.Demote(ctx, c.actor(), id, f.sources)
	})
}

func (f adminAccounts) setDisabled(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ Disabled *bool }
	return f.change(ctx, c, &in, func(id int64) error {
		switch {
		case in.Disabled == nil:
			return lacks("disabled")
		case *in.Disabled:
			return f.accounts.Disable(ctx, c.actor(), id)
		}
		return f.accounts.Enable(ctx, c.actor(), id)
	})
}

// setRules changes how an account signs in. Omitted fields are unchanged.
func (f adminAccounts) setRules(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ PasswordOff, PasskeyRequired *bool }
	return f.change(ctx, c, &in, func(id int64) error {
		return f.accounts.SetRules(ctx, c.actor(), id, in.PasswordOff, in.PasskeyRequired, f.passkeys)
	})
}

func (f adminAccounts) setPassword(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct {
		Password plexauth.Secret
		SignOut  bool
	}
	return f.change(ctx, c, &in, func(id int64) error {
		err := f.accounts.SetPassword(ctx, c.actor(), id, in.Password)
		if err == nil && in.SignOut {
			err = f.sessions.RevokeOthers(ctx, c.actor(), id, 0)
		}
		return err
	})
}

func (f adminAccounts) removeFactor(ctx context.Context, c *adminCall) (int, any, error) {
	a, err := f.target(ctx, c)
	if err == nil {
		err = f.accounts.RemoveSecondFactor(ctx, c.actor(), a.ID)
	}
	return gone(err)
}

// passkeyJSON is a passkey without its public key.
type passkeyJSON struct {
	ID         int64      `json:"id"`         // number of the passkey
	Name       string     `json:"name"`       // given by its user
	Site       string     `json:"site"`       // host name that it is for
	CreatedAt  time.Time  `json:"createdAt"`  // in UTC
	LastUsedAt *time.Time `json:"lastUsedAt"` // null if it was never used
}

func (f adminAccounts) listPasskeys(ctx context.Context, c *adminCall) (int, any, error) {
	a, err := f.accounts.Get(ctx, c.id("id"))
	if err != nil {
		return 0, nil, err
	}
	rows, err := f.passkeys.List(ctx, a.ID)
	return listed(paging.List[passkey.Passkey]{Rows: rows}, err, func(p passkey.Passkey) passkeyJSON {
		return passkeyJSON{p.ID, p.Name, p.Party, p.CreatedAt, orNull(p.LastUsedAt)}
	})
}

func (f adminAccounts) removePasskey(ctx context.Context, c *adminCall) (int, any, error) {
	a, err := f.target(ctx, c)
	if err == nil {
		err = f.passkeys.Remove(ctx, c.actor(), a.ID, c.id("passkey"))
	}
	return gone(err)
}
