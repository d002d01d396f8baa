// Package plexauthtest runs usher inside a Go test: the real server, in the
// process of the test, on a loopback port, with a database in memory. It has
// users, servers and shares to test with. It starts in milliseconds and stops
// with the test.
//
//	func TestWhoAmI(t *testing.T) {
//		srv := plexauthtest.New(t, plexauthtest.Config{})
//		account, err := srv.Client(srv.Member).TokenDetails(t.Context())
//		…
//	}
//
// Give the program under test srv.AccountURL in place of https://plex.tv, and
// srv.MediaURL in place of its media server. It then signs in for real, and
// gets real tokens and real errors. There are no expectations to set up as with
// a mock.
//
// If the program has a hard-coded https://plex.tv, give its http.Client the
// transport of the server: &http.Client{Transport: srv.Transport()}.
//
// If the program signs in by PIN, complete the sign-in with User.LinkPIN:
// srv.Member.LinkPIN(code). If it is a web program, open the URL that LinkPIN
// returns in the browser that started the sign-in.
//
// # Homes, friends and shares
//
// AddHomeUser, AddToHome and SetPIN create homes. AddServer and AddSection add servers,
// and Share and ShareSections share them. Befriend creates friendships. Invite sends
// invitations, which stay pending until AcceptInvitation or EndInvitation. RemoveUser,
// RemoveFromHome, RemoveServer, Unshare and Unfriend undo the rest. Config.Scene reads
// all of this from a file.
//
// # Time
//
// The server has its own clock, which Advance moves. For example,
// srv.Advance(48 * time.Hour) makes every transient token expire.
//
// # Faults
//
// InjectFault delays, replaces, truncates or drops responses. InjectNamedFault injects
// the faults of "usher exec --fault". Restart has the effect of a server restart, which
// invalidates every transient token.
//
// # Cases that share a server
//
// With Config.Resettable, Reset restores the initial state in less than five milliseconds.
//
// # Inside usher exec
//
// A test that runs in "usher exec -- go test" controls the usher of that command: see
// Join.
//
// # Recorded requests
//
// Requests returns every request that the server received, so that a test can
// check what the program sends and what it does not send.
//
// The package owns the start, the state and the clock of a test server. It does not own
// the rules of authentication: they are those of usher itself.
package plexauthtest
