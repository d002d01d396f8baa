// Package login adds "Sign in" to a Go web program, with two HTTP handlers. The
// start handler redirects the browser to the page of the account plane, where
// the user signs in and allows the program to get a token. The callback handler
// receives the browser when it returns, and passes the account and its token to
// the program. The program sees no password, and no URL contains a token.
// Neither a pop-up window nor JavaScript is needed.
//
//	start, callback, err := login.Handlers(login.Config{
//		Client:      &plexauth.Client{ClientIdentifier: id, Product: "My program"},
//		CallbackURL: "https://my.example.org/signed-in",
//		Done: func(w http.ResponseWriter, r *http.Request, account *plexauth.Account, err error) {
//			// create a session, set its cookie, and redirect
//		},
//	})
//	mux.Handle("/sign-in", start)
//	mux.Handle("/signed-in", callback)
//
// The package owns the flow between the button and the account: the PIN, the
// state that binds it to the browser, and the cookie that identifies the
// browser. It does not own what follows: authorization, sessions, and where to
// redirect.
//
// # Security
//
// A callback succeeds once, before the PIN expires, and only in the browser
// that started the sign-in. This prevents the following attacks:
//
//   - Login CSRF: a link from an attacker cannot sign a user in to the account of
//     the attacker.
//   - Replay: a callback URL from a log or a browser history has no effect.
//   - Open redirect and host header injection: the browser is only redirected to
//     AccountURL (app.plex.tv for plex.tv) and to CallbackURL, whatever the request
//     says.
//
// The program cannot know whether the user at the page of the account plane is
// the user at its own page: an attacker may start a sign-in and persuade a
// victim to complete it. The account plane must show which program requests
// access, and let the user deny it.
//
// # More than one process
//
// Pending sign-ins are stored in memory. The browser must return to the process
// that started the sign-in. After a restart, the user has to start again.
package login
