package plexauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// HomeUser is a user of a home: a group of accounts that share a screen. A field
// that the server omits has its zero value.
type HomeUser struct {
	// ID is the numeric id of the account, and UUID the textual one. At least one of
	// them is set.
	ID   int64
	UUID string
	// Title is the name to display.
	Title string
	// Username and Email are empty for managed users, who cannot sign in. Servers may
	// omit them for others, too.
	Username, Email string
	// FriendlyName is the full name.
	FriendlyName string
	// Thumb is the URL of the avatar.
	Thumb string
	// Admin reports whether the user can change the home.
	Admin bool
	// Guest reports whether the user is the guest of the home.
	Guest bool
	// Restricted reports whether the user is a managed user.
	Restricted bool
	// RestrictionProfile is the content restriction of the user, such as "little_kid",
	// or empty.
	RestrictionProfile string
	// HasPassword reports whether the account has a password.
	HasPassword bool
	// Protected reports whether the user has a PIN, which SwitchHomeUser requires. Admins
	// can switch to some users without it.
	Protected bool

	// raw is the element of the list. See Account.raw.
	raw *[]byte
}

// Raw returns the element of the list as the server sent it, in JSON or XML, or nil
// for a HomeUser that did not come from a server. Use it for values that have no
// field. The caller must not modify it.
func (u *HomeUser) Raw() []byte {
	if u.raw == nil {
		return nil
	}
	return *u.raw
}

// homeUserDocument is the wire form of a user of a home.
type homeUserDocument struct {
	ID                 number
	UUID               text
	Title              text
	Username           text
	Email              text
	FriendlyName       text
	Thumb              text
	Admin              boolean
	Guest              boolean
	Restricted         boolean
	RestrictionProfile text
	HasPassword        boolean
	Protected          boolean
}

// usable implements item.
func (d homeUserDocument) usable() bool { return d.ID > 0 || d.UUID != "" }

// homeUserList is the form of a list of users of a home.
var homeUserList = listForm{outer: "home", root: "users", element: "user"}

// HomeUsers returns the users of the account's home, including the account itself. If
// the account is in no home, servers may return the account alone, or ErrNotFound.
// Elements without an id are omitted. If no element is left of a list that had some,
// or if the response is not a list, the call fails with an *Error. Servers may reject
// transient tokens and the tokens of resources with ErrForbidden.
func (c *Client) HomeUsers(ctx context.Context) ([]HomeUser, error) {
	op := call{operation: "HomeUsers", method: http.MethodGet, path: "/api/v2/home/users"}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	elements, err := readList[homeUserDocument](res.body, homeUserList)
	if err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	users := make([]HomeUser, 0, len(elements))
	for _, e := range elements {
		users = append(users, e.value.user(e.raw))
	}
	return users, nil
}

// user returns the user of a document.
func (d *homeUserDocument) user(raw []byte) HomeUser {
	return HomeUser{
		ID: int64(d.ID), UUID: string(d.UUID), Title: string(d.Title), Username: string(d.Username), Email: string(d.Email),
		FriendlyName: string(d.FriendlyName), Thumb: string(d.Thumb), Admin: bool(d.Admin), Guest: bool(d.Guest),
		Restricted: bool(d.Restricted), RestrictionProfile: string(d.RestrictionProfile),
		HasPassword: bool(d.HasPassword), Protected: bool(d.Protected), raw: &raw,
	}
}

var errNoHomeUser = errors.New("plexauth: SwitchHomeUser: the id of the user is empty")

// SwitchHomeUser switches to a user of the home, and returns the account of that user
// with a new token in Account.AuthToken. The token belongs to this device.
// SwitchHomeUser does not change Client.Token. user is HomeUser.UUID, or HomeUser.ID
// in decimal. pin is the PIN of that user. If it is empty, none is sent.
//
// The error is ErrHomePIN if the PIN is missing or wrong, ErrRateLimited after too
// many wrong ones, and ErrNotFound if no user of the home has the id. With usher, the
// new token is revoked together with the token of the request, and an account that
// signs in and has no PIN is closed to the other users of its home.
//
// The PIN is in the query of the request, where servers expect it: the log of a proxy
// may show it. Neither errors nor Client.Logger do. An empty id is an error of another
// type than *Error, and nothing is sent.
func (c *Client) SwitchHomeUser(ctx context.Context, user string, pin Secret) (*Account, error) {
	if user == "" {
		return nil, errNoHomeUser
	}
	op := call{
		operation: "SwitchHomeUser", method: http.MethodPost, path: "/api/v2/home/users/" + url.PathEscape(user) + "/switch",
		query: encodeQuery("pin", string(pin)),
	}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	a, err := readAccount(res.body)
	if err == nil && a.AuthToken == "" {
		err = errNoAuthToken
	}
	if err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	return a, nil
}
