// Package plexauthtest runs usher inside a Go test: the real server, in the
// test's process, on a loopback port, with a database in memory and people,
// servers and shares ready to use. It starts in milliseconds and stops with the
// test.
//
//	func TestWhoAmI(t *testing.T) {
//		srv := plexauthtest.New(t, plexauthtest.Config{})
//		account, err := srv.Client(srv.Member).TokenDetails(t.Context())
//		…
//	}
//
// A program that is given srv.AccountURL and srv.MediaURL in place of
// https://plex.tv and its media server signs in for real, gets real tokens and
// real errors. What a mock would have to be taught, the server does by itself.
//
// A program that signs people in by PIN gets its token as soon as one of them
// has entered the code: srv.Member.LinkPIN(code).
//
// # Time
//
// The server's clock runs with the real one, from wherever the test moves it:
// srv.Advance(48 * time.Hour) ends every transient token in no time.
//
// # Trouble
//
// Fail makes answers late, wrong, malformed or absent; Restart does what a
// restart of the server does, and so ends every transient token.
//
// # What was asked
//
// Requests has every request as it came in, so that a test can say what its
// program must and must not send.
package plexauthtest
