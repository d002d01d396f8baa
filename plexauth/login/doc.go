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
// that started the sign-in and, with usher, only in the browser of the user who
// allowed access: they are the same. This prevents the following attacks:
//
//   - Login CSRF: a link from an attacker cannot sign a user in to the account of
//     the attacker.
//   - Sign-in with another user's consent: an attacker starts a sign-in, and sends
//     the link to the account plane to a victim, who allows access to the genuine program.
//     The browser of the attacker cannot complete the sign-in, because usher
//     sends a one-time proof with the browser of the victim. usher returns the
//     token only in exchange for this proof.
//   - Replay: a callback URL from a log or a browser history has no effect.
//   - Open redirect and host header injection: the browser is only redirected to
//     AccountURL (app.plex.tv for plex.tv) and to CallbackURL, whatever the request
//     says.
//
// If the browser of the victim reaches the callback, the sign-in ends, and its
// token is revoked.
//
// The callback URL is a secret until the sign-in is complete, and worthless
// afterwards. Keep the logs of proxies in front of the program private.
//
// # Account planes without proofs
//
// An account plane that adds no proof, such as plex.tv, does not let the program know
// in which browser the user allowed access. Then:
//
//   - A callback with the state of a pending sign-in, but without its cookie, ends
//     the sign-in. The token is revoked, because an attacker may be waiting for it.
//     Anyone who knows the state can end the sign-in in this way.
//   - It is not possible to prevent an attack in which the browser of the victim
//     never reaches the callback. The attacker can remove the callback URL from
//     the link, or open the callback before the browser of the victim does. The
//     attacker then gets a session of the victim at the program, but no token.
//   - The page of the account plane is the only protection: it must show which
//     program requests access, and the user must deny what they did not start.
//
// The account plane decides this, not a setting of the program: usher always adds
// the proof.
//
// # More than one process
//
// Pending sign-ins are stored in memory. The browser must return to the process
// that started the sign-in. After a restart, the user has to start again.
package login
