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
	// Connections are how it is reached. If empty, nothing listens where it is.
	Connections []Connection `json:"connections,omitempty"`
	// SharedWith are the usernames of those whom AddServer shares it with, as an
	// operator does it: nobody becomes a friend. It is not returned.
	SharedWith []string `json:"sharedWith,omitempty"`
}

// Section is a library of a media server.
type Section struct {
	// Name is the name to display. Required.
	Name string `json:"name"`
	// Type is movie, show, artist or photo. If empty, it is movie.
	Type string `json:"type,omitempty"`
	// Number is its number at the server. Zero: the next one that is free.
	Number int `json:"number,omitempty"`
}

// Connection is an address of a media server.
type Connection struct {
	// URI is such as https://192.0.2.5:32400. Required.
	URI string `json:"uri"`
	// Local says that it is in the network of the server, and Relay that it leads
	// through a relay.
	Local bool `json:"local,omitempty"`
	Relay bool `json:"relay,omitempty"`
}

// Share is a media server that is shared with an account.
type Share struct {
	// Server is the ID of the media server, and Account the username.
	Server  string `json:"server"`
	Account string `json:"with"`
	// Sections are the names of those that are shared. Nil: all.
	Sections []string `json:"sections,omitzero"`
}

// Invitation is an invitation that waits for an answer.
type Invitation struct {
	// ID is what programs name it by.
	ID int64 `json:"id,omitempty"`
	// Sender is the username of who invites, and To the username or e-mail address
	// of who is invited.
	Sender string `json:"from"`
	To     string `json:"to"`
	// Server is the ID of the media server. If empty, it is about friendship alone.
	Server string `json:"server,omitempty"`
	// Sections are as those of a Share.
	Sections []string `json:"sections,omitzero"`
}

// path returns a path of these parts.
func path(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("/" + url.PathEscape(part))
	}
	return b.String()
}

// Accounts returns the accounts that there are now, also those that the program has
// added, such as by a sign-up.
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

// RemoveAccount removes an account, and the managed ones of its home.
func (c *Control) RemoveAccount(username string) {
	c.t.Helper()
	c.call("DELETE", path("accounts", username), none{}, nil)
}

// AddToHome lets an account that signs in live in the home of another, as an admin of
// it if homeAdmin is set. AddAccount adds managed ones.
func (c *Control) AddToHome(owner, username string, homeAdmin bool) {
	c.t.Helper()
	c.call("POST", path("homes", owner, "users"), map[string]any{"username": username, "homeAdmin": homeAdmin}, nil)
}

// RemoveFromHome takes an account out of a home. A managed account is removed.
func (c *Control) RemoveFromHome(owner, username string) {
	c.t.Helper()
	c.call("DELETE", path("homes", owner, "users", username), none{}, nil)
}

// Servers returns the media servers that there are now, with usher itself.
func (c *Control) Servers() (list []MediaServer) {
	c.t.Helper()
	c.call("GET", "/servers", none{}, &list)
	return list
}

// AddServer adds a media server.
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

// Shares returns what is shared now, by server.
func (c *Control) Shares() (list []Share) {
	c.t.Helper()
	c.call("GET", "/shares", none{}, &list)
	return list
}

// Share shares a media server as its owner, who is a friend of the account then.
// Without names of sections, all are shared.
func (c *Control) Share(server, username string, sections ...string) {
	c.t.Helper()
	c.call("POST", "/shares", Share{server, username, sections}, nil)
}

// Unshare ends a share, and the tokens for it.
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

// Invitations returns the invitations that wait for an answer, also those that the
// program has sent.
func (c *Control) Invitations() (list []Invitation) {
	c.t.Helper()
	c.call("GET", "/invitations", none{}, &list)
	return list
}

// Invite invites a username or an e-mail address, which nobody needs to have, to a
// media server or, without one, to a friendship. Without names of sections, all are
// meant.
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

// AcceptInvitation accepts an invitation as who was invited.
func (c *Control) AcceptInvitation(i Invitation) {
	c.t.Helper()
	c.call("POST", path("invitations", strconv.FormatInt(i.ID, 10), "accept"), none{}, nil)
}

// EndInvitation withdraws or declines an invitation.
func (c *Control) EndInvitation(i Invitation) {
	c.t.Helper()
	c.call("DELETE", path("invitations", strconv.FormatInt(i.ID, 10)), none{}, nil)
}
