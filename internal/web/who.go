package web

import (
	"context"
	"errors"
	"net/url"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/home"
)

// choices are whom a visitor may choose on a shared screen: themselves, the managed
// users of their home, and the guest. Others sign in by themselves.
func choices(house home.Home) []home.User {
	list := []home.User{house.Self}
	for _, u := range house.Users {
		if u.Managed() && u.Account.ID != house.Self.Account.ID && !u.Account.Disabled {
			list = append(list, u)
		}
	}
	return list
}

// chosen returns one of the choices by UUID. home.ErrNotFound.
func chosen(house home.Home, uuid string) (home.User, error) {
	for _, u := range choices(house) {
		if u.Account.UUID == uuid {
			return u, nil
		}
	}
	return home.User{}, home.ErrNotFound
}

// whoData is the page "Who is watching?".
type whoData struct {
	pinRequest
	Choices []home.User
}

// Link is the page that asks for consent for one of the choices.
func (d whoData) Link(u home.User) string {
	r := d.pinRequest
	r.Who = u.Account.UUID
	return "/auth?" + r.query()
}

// Others is the query of the page that asks who is watching.
func (d consentData) Others() string {
	r := d.pinRequest
	r.Who = ""
	return r.query()
}

// who shows the page "who is watching": the visitor chooses the user that a program on
// a shared screen signs in.
func (c *consent) who(ctx context.Context, v *visit) (view, error) {
	r := readPINRequest(v.URL.Query())
	r.Who = ""
	_, asked, err := c.find(ctx, v, &r)
	if asked != nil || err != nil {
		return orNothing(asked), err
	}
	house, err := c.homes.Of(ctx, v.account.ID)
	return view{name: "who", data: whoData{r, choices(house)}}, err
}

// pinProblem returns the text to show at the field of a PIN.
func pinProblem(err error) (phrase, bool) {
	if errors.Is(err, home.ErrPIN) {
		return say("This is not the PIN. Try again."), true
	}
	if errors.Is(err, home.ErrLocked) {
		return errorText(fault.Find(err)), true
	}
	return phrase{}, false
}

// avatarPath is the path of the picture of a user. It changes with the picture, which
// browsers keep for a day.
func avatarPath(u home.User) string {
	return "/users/" + url.PathEscape(u.Account.UUID) + "/avatar?" + url.Values{"c": {u.Account.Title}}.Encode()
}
