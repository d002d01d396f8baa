// Package friend manages friendships, and the invitations to friendships and shares.
//
// It owns the life of an invitation: it is sent, and then accepted, declined or
// cancelled. It does not own servers, their sections and their shares (package source),
// or homes, whose users know each other without being friends.
//
// # Who invites whom
//
// An account invites another one by a name or an e-mail address, or by the number of an
// account that it already knows. Until the invitation is accepted, the sender sees only
// the name that it entered: neither the response nor any list shows whether an account
// has that name. An invitation to a name that no account has stays pending like any
// other. Nobody can accept it, not even an account that takes the name later.
//
// Nobody gets a share without consent, except for the managed users of a home, for whom
// the owner of the home consents. When an invitation is accepted, it is checked again
// that the sender still owns the server.
package friend
