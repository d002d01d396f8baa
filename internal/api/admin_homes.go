package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/plexauth"
)

// adminHomes manages homes in the admin API. A change is made as the account in the
// path, which is the owner of the home.
type adminHomes struct {
	homes    *home.Service
	accounts *account.Service
}

func (f adminHomes) routes() []adminRoute {
	const path, write = accountPath + "/home", adminkey.HomesWrite
	return []adminRoute{
		{"GET", path, adminkey.HomesRead, "", false, f.show},
		{"POST", path + "/users", write, "", true, f.add},
		{"POST", path + "/members", write, "", true, f.join},
		{"PUT", path + "/users/{user}/title", write, "", true, f.rename},
		{"PUT", path + "/users/{user}/restriction", write, "", true, f.restrict},
		{"PUT", path + "/users/{user}/admin", write, "", true, f.setAdmin},
		{"PUT", path + "/users/{user}/pin", write, "", true, f.setPIN},
		{"DELETE", path + "/users/{user}/pin", write, "", false, f.clearPIN},
		{"DELETE", path + "/users/{user}", write, "", false, f.remove},
	}
}

// homeJSON is a home for admins.
type homeJSON struct {
	OwnerID int64          `json:"ownerId"` // account that owns the home
	Users   []homeUserJSON `json:"users"`   // with the owner
}

type homeUserJSON struct {
	ID          int64     `json:"id"`          // number of the account
	UUID        string    `json:"uuid"`        // identifier in the API of clients
	Title       string    `json:"title"`       // name to display
	Role        string    `json:"role"`        // owner, admin, member, managed or guest
	Protected   bool      `json:"protected"`   // has a PIN
	Restriction string    `json:"restriction"` // such as little_kid; empty for none
	JoinedAt    time.Time `json:"joinedAt"`    // in UTC
}

func newHomeUserJSON(u home.User) homeUserJSON {
	return homeUserJSON{u.Account.ID, u.Account.UUID, u.Account.Title, u.Role.String(), u.Protected(), u.Restriction, u.JoinedAt}
}

func (f adminHomes) show(ctx context.Context, c *adminCall) (int, any, error) {
	return f.answer(ctx, c, nil)
}

// answer returns the home after a change, or the error of the change.
func (f adminHomes) answer(ctx context.Context, c *adminCall, err error) (int, any, error) {
	if err != nil {
		return 0, nil, err
	}
	h, err := f.homes.Of(ctx, c.id("id"))
	body := homeJSON{h.OwnerID, make([]homeUserJSON, 0, len(h.Users))}
	for _, u := range h.Users {
		body.Users = append(body.Users, newHomeUserJSON(u))
	}
	return http.StatusOK, body, err
}

func (f adminHomes) add(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct {
		Title, Restriction string
		Guest              bool
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	var u home.User
	var err error
	if in.Guest {
		u, err = f.homes.AddGuest(ctx, c.actor(), c.id("id"))
	} else {
		u, err = f.homes.AddManaged(ctx, c.actor(), c.id("id"), in.Title, in.Restriction)
	}
	return http.StatusCreated, newHomeUserJSON(u), err
}

// join adds an account that signs in. Attack: an admin's account is added to a home,
// and gets a PIN there, with which others switch to it.
func (f adminHomes) join(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct {
		AccountID int64
		Admin     bool
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	if in.AccountID == 0 {
		return 0, nil, lacks("accountId")
	}
	a, err := f.accounts.Get(ctx, in.AccountID)
	if err != nil {
		return 0, nil, err
	}
	if err = c.mayChange(a); err == nil {
		err = f.homes.Join(ctx, c.actor(), c.id("id"), a.ID, in.Admin)
	}
	return f.answer(ctx, c, err)
}

// change changes a user of the home in the path, and returns the home.
func (f adminHomes) change(
	ctx context.Context, c *adminCall, in any, do func(owner int64, user string, u home.User) error,
) (int, any, error) {
	if err := c.read(in); err != nil {
		return 0, nil, err
	}
	u, err := f.user(ctx, c)
	if err == nil {
		err = do(c.id("id"), u.Account.UUID, u)
	}
	return f.answer(ctx, c, err)
}

// user returns the user in the path, by number, if the key can change it.
func (f adminHomes) user(ctx context.Context, c *adminCall) (home.User, error) {
	h, err := f.homes.Of(ctx, c.id("id"))
	if err != nil {
		return home.User{}, err
	}
	u, err := h.Find(strconv.FormatInt(c.id("user"), 10))
	if err == nil {
		err = c.mayChange(u.Account)
	}
	return u, err
}

func (f adminHomes) rename(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ Title string }
	return f.change(ctx, c, &in, func(owner int64, user string, _ home.User) error {
		return f.homes.Rename(ctx, c.actor(), owner, user, in.Title)
	})
}

func (f adminHomes) restrict(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ Restriction *string }
	return f.change(ctx, c, &in, func(owner int64, user string, _ home.User) error {
		if in.Restriction == nil {
			return lacks("restriction")
		}
		return f.homes.Restrict(ctx, c.actor(), owner, user, *in.Restriction)
	})
}

func (f adminHomes) setAdmin(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ Admin *bool }
	return f.change(ctx, c, &in, func(owner int64, user string, _ home.User) error {
		if in.Admin == nil {
			return lacks("admin")
		}
		return f.homes.SetAdmin(ctx, c.actor(), owner, user, *in.Admin)
	})
}

func (f adminHomes) setPIN(ctx context.Context, c *adminCall) (int, any, error) {
	var in struct{ PIN plexauth.Secret }
	return f.change(ctx, c, &in, func(owner int64, _ string, u home.User) error {
		if in.PIN == "" {
			return lacks("pin")
		}
		return f.changePIN(ctx, c, owner, u, in.PIN)
	})
}

func (f adminHomes) changePIN(ctx context.Context, c *adminCall, owner int64, u home.User, pin plexauth.Secret) error {
	if !u.Managed() {
		return f.homes.ResetPIN(ctx, c.actor(), u.Account.ID, pin)
	}
	return f.homes.SetManagedPIN(ctx, c.actor(), owner, u.Account.UUID, pin)
}

func (f adminHomes) clearPIN(ctx context.Context, c *adminCall) (int, any, error) {
	u, err := f.user(ctx, c)
	if err == nil {
		err = f.changePIN(ctx, c, c.id("id"), u, "")
	}
	return gone(err)
}

func (f adminHomes) remove(ctx context.Context, c *adminCall) (int, any, error) {
	u, err := f.user(ctx, c)
	if err == nil {
		err = f.homes.Remove(ctx, c.actor(), c.id("id"), u.Account.UUID)
	}
	return gone(err)
}

// lacks returns the error for a missing field.
func lacks(field string) error { return fault.Invalidf(field, "%s is missing", field) }
