// Package friend is who knows whom: friendships, and the invitations that lead to
// them and to shares.
//
// It owns the path of an invitation from who invites to who is invited: sent, then
// accepted, declined or cancelled. It does not own servers, their sections and their
// shares (package source), nor homes, whose users know each other without it.
//
// # Who invites whom
//
// An account invites by a name or an e-mail address that it gives, or by the number
// of somebody it knows already. What it sees of the invitation until it is accepted is
// what it gave: neither the answer nor any list tells whether somebody has the name.
// An invitation to a name that nobody has waits like any other, and nobody can accept
// it, not even who takes the name later.
//
// Nobody gets a share without their consent, but for the managed users of a home:
// their owner consents for them. What an invitation promises is checked again when it
// is accepted: that who invited still owns the server.
package friend
