// Package login adds "Sign in" to a Go web program, by two handlers. The first
// sends the browser to the account plane's page, where the person signs in and
// lets the program have a token; the second takes the browser back and gives
// the program the account, with its token. No password, no pop-up and no
// script come into it, and no token is ever in a URL.
//
//	start, callback, err := login.Handlers(login.Config{
//		Client:      &plexauth.Client{ClientIdentifier: id, Product: "My program"},
//		CallbackURL: "https://my.example.org/signed-in",
//		Done: func(w http.ResponseWriter, r *http.Request, account *plexauth.Account, err error) {
//			// set a cookie of one's own, and redirect
//		},
//	})
//	mux.Handle("/sign-in", start)
//	mux.Handle("/signed-in", callback)
//
// It owns the way from the button to the account: the PIN, the state that
// binds it to the browser, and the cookie that proves it. It does not own what
// follows: who may use the program, its sessions, and where to go next.
//
// # What it holds against
//
// A callback counts once, in time, and only in the browser that was sent away
// for it. So a link from somebody else signs nobody in to an account that is
// not theirs, a URL from a log or a history is worth nothing, and what the
// request says of hosts and addresses leads nowhere: browsers are sent to
// AccountURL and come back to CallbackURL.
//
// What no program can know is whether the person at the account plane's page
// is the one at its own: somebody may start a sign-in and talk another into
// finishing it. That page names the program and asks, and is the place where
// it is refused.
//
// # More than one process
//
// A sign-in under way is held in memory: a browser must come back to the
// process that sent it away, and a restart in between means to press the
// button again.
package login
