package plexauthtest

import (
	"net/url"
	"strconv"
	"strings"
)

// MediaServer is a media server of the usher of "usher exec".
type MediaServer struct {
	// Name is the name to display, and ID the machine identifier. Both are required.
	Name string `json:"name"`
	ID   string `json:"id"`
	// Owner is the username of the owner. If empty, every admin owns it.
	Owner string `json:"owner,omitempty"`
	// Sections are its libraries, as its owner names them.
	Sections []Section `json:"sections,omitempty"`
	// Connections are its addresses. If empty, AddServer gives it addresses at which
	// nothing listens.
	Connections []Connection `json:"connections,omitempty"`
	// SharedWith are the usernames of the accounts that AddServer shares it with, the
	// way an operator does: they do not become friends of the owner. It is empty in
	// results.
	SharedWith []string `json:"sharedWith,omitempty"`
}

// Section is a library of a media server.
type Section struct {
	// Name is the name to display. Required.
	Name string `json:"name"`
	// Type is movie, show, artist or photo. If empty, it is movie.
	Type string `json:"type,omitempty"`
	// Number is its number at the server. If zero, it is the next free one.
	Number int `json:"number,omitempty"`
}

// Connection is an address of a media server.
type Connection struct {
	// URI is the base URL, such as https://192.0.2.5:32400. Required.
	URI string `json:"uri"`
	// Local reports whether the address is in the server's local network.
	Local bool `json:"local,omitempty"`
	// Relay reports whether the connection goes through a relay.
	Relay bool `json:"relay,omitempty"`
}

// Share is a media server that is shared with an account.
type Share struct {
	// Server is the ID of the media server, and Account the username.
	Server  string `json:"server"`
	Account string `json:"with"`
	// Sections are the names of the shared sections. If nil, all are shared.
	Sections []string `json:"sections,omitzero"`
}

// Invitation is a pending invitation.
type Invitation struct {
	// ID identifies the invitation in requests.
	ID int64 `json:"id,omitempty"`
	// Sender is the username of the account that sent it.
	Sender string `json:"from"`
	// To is the username or the e-mail address of the invited account.
	To string `json:"to"`
	// Server is the ID of the media server. If empty, the invitation is to a
	// friendship only.
	Server string `json:"server,omitempty"`
	// Sections are the names of the sections to share. If nil, all are shared.
	Sections []string `json:"sections,omitzero"`
}

// path returns the URL path with the given segments, which it escapes.
func path(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("/" + url.PathEscape(part))
	}
	return b.String()
}

// Accounts returns the current accounts, including those that the program under test
// added, for example by a sign-up.
func (c *Control) Accounts() []Account {
	c.t.Helper()
	var list []controlAccount
	c.call("GET", "/accounts", none{}, &list)
	out := make([]Account, 0, len(list))
	for _, a := range list {
		out = append(out, a.account())
	}
	return out
}

// RemoveAccount removes an account, and the managed accounts of its home.
func (c *Control) RemoveAccount(username string) {
	c.t.Helper()
	c.call("DELETE", path("accounts", username), none{}, nil)
}

// AddToHome adds an account that signs in to the home of owner, as an admin of the home
// if homeAdmin is true. AddAccount adds managed accounts.
func (c *Control) AddToHome(owner, username string, homeAdmin bool) {
	c.t.Helper()
	c.call("POST", path("homes", owner, "users"), map[string]any{"username": username, "homeAdmin": homeAdmin}, nil)
}

// RemoveFromHome removes an account from the home of owner. A managed account is
// deleted.
func (c *Control) RemoveFromHome(owner, username string) {
	c.t.Helper()
	c.call("DELETE", path("homes", owner, "users", username), none{}, nil)
}

// Servers returns the current media servers, including usher itself.
func (c *Control) Servers() (list []MediaServer) {
	c.t.Helper()
	c.call("GET", "/servers", none{}, &list)
	return list
}

// AddServer adds a media server, and returns it with the values that usher chose for
// empty fields.
func (c *Control) AddServer(m MediaServer) (added MediaServer) {
	c.t.Helper()
	c.call("POST", "/servers", m, &added)
	return added
}

// RemoveServer removes a media server, with its shares and the tokens for it.
func (c *Control) RemoveServer(id string) {
	c.t.Helper()
	c.call("DELETE", path("servers", id), none{}, nil)
}

// Shares returns the current shares, ordered by server.
func (c *Control) Shares() (list []Share) {
	c.t.Helper()
	c.call("GET", "/shares", none{}, &list)
	return list
}

// Share shares a media server with an account, as its owner does: the two become
// friends. Without names of sections, all sections are shared.
func (c *Control) Share(server, username string, sections ...string) {
	c.t.Helper()
	c.call("POST", "/shares", Share{server, username, sections}, nil)
}

// Unshare removes a share, which revokes the tokens that depend on it.
func (c *Control) Unshare(server, username string) {
	c.t.Helper()
	c.call("DELETE", path("shares", server, username), none{}, nil)
}

// Befriend makes two accounts friends.
func (c *Control) Befriend(username, other string) {
	c.t.Helper()
	c.call("POST", "/friends", []string{username, other}, nil)
}

// Unfriend ends a friendship, with the shares and invitations between the two.
func (c *Control) Unfriend(username, other string) {
	c.t.Helper()
	c.call("DELETE", path("friends", username, other), none{}, nil)
}

// Invitations returns the pending invitations, including those that the program under
// test sent.
func (c *Control) Invitations() (list []Invitation) {
	c.t.Helper()
	c.call("GET", "/invitations", none{}, &list)
	return list
}

// Invite invites an account to a media server. to is a username or an e-mail address,
// and no account need have it. If server is empty, the invitation is to a friendship
// only. Without names of sections, it covers all sections. It stays pending.
func (c *Control) Invite(sender, to, server string, sections ...string) (sent Invitation) {
	c.t.Helper()
	c.call("POST", "/invitations", struct {
		From     string   `json:"from"`
		To       string   `json:"to"`
		Server   string   `json:"server,omitempty"`
		Sections []string `json:"sections,omitempty"`
	}{sender, to, server, sections}, &sent)
	return sent
}

// AcceptInvitation accepts an invitation as the invited account.
func (c *Control) AcceptInvitation(i Invitation) {
	c.t.Helper()
	c.call("POST", path("invitations", strconv.FormatInt(i.ID, 10), "accept"), none{}, nil)
}

// EndInvitation withdraws or declines an invitation.
func (c *Control) EndInvitation(i Invitation) {
	c.t.Helper()
	c.call("DELETE", path("invitations", strconv.FormatInt(i.ID, 10)), none{}, nil)
}
