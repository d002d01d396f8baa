// Package plexauth is the Go SDK for Plex-compatible authentication: it signs
// people in, says whose a token is, and finds out how servers are reached. It
// talks to the real services and to usher alike, and imports the standard
// library only.
//
// # A client
//
// A [Client] is a struct; only its ClientIdentifier is required, and it must
// stay the same from run to run:
//
//	id, err := plexauth.LoadClientIdentifier("my-program")
//	client := &plexauth.Client{ClientIdentifier: id, Product: "My program"}
//
// It talks to https://plex.tv and to the media server on this machine, unless
// AccountURL and MediaURL say otherwise.
//
// # Signing in
//
// SignIn returns the account with a fresh token. A second factor is asked for
// by an error:
//
//	account, err := client.SignIn(ctx, in)
//	if errors.Is(err, plexauth.ErrVerificationRequired) {
//		in.VerificationCode = ask("Code: ")
//		account, err = client.SignIn(ctx, in)
//	}
//	client.Token = plexauth.StaticToken(account.AuthToken)
//
// A program that should not see a password starts a PIN. A person enters its
// code at LinkURL, or follows AuthURL, on whatever device they like:
//
//	pin, err := client.StartPIN(ctx, plexauth.PINRequest{})
//	fmt.Println("Open", client.LinkURL(pin), "and check that the code is", pin.Code)
//	token, err := client.WaitPIN(ctx, pin)
//	client.Token = plexauth.StaticToken(token)
//
// Package login puts that behind a "Sign in" button of a web program.
//
// The token is a [Secret]: it prints as "…". Where it comes from later is a
// [TokenSource]: [StaticToken], [MemoryToken], [FileToken], a [TransientSource],
// or one of the program's own.
//
// # Calls
//
// TokenDetails says whose the token is, Resources which servers the account
// reaches, and Connect how to reach one best. At a media server, TransientToken
// gives a token that ends by itself, and SourceConnection tells an admin how
// other sources are reached.
//
// One call differs from the others by a copy of the client, which has no state:
//
//	quick := *client
//	quick.Timeout = 2 * time.Second
//	err := quick.Ping(ctx)
//
// # Errors
//
// An error of a call is an [*Error] with the status, the server's own errors,
// and the beginning of the body. Use errors.Is with ErrUnauthorized and the
// others for what to do next. A server that refuses is never taken for one that
// cannot be reached, nor the other way round; a page of HTML is an error
// whatever its status.
//
// # Retries
//
// None, unless Client.Retry is set; then as the generated SDKs do, with
// Retry-After obeyed. A sign-in is not repeated once a connection was made,
// since its code may be used up. A call whose token of a [TransientSource] turns
// out to have ended is sent once more, with another.
//
// What net/http does by itself stays: when a connection that it kept alive
// turns out to be closed, it sends a GET again that got no byte of an answer,
// and SignIn, StartPIN and SignOut, which are none, only if nothing of them was
// sent (or Header has an Idempotency-Key). With an HTTPClient whose Transport
// has DisableKeepAlives, it does neither.
//
// # Odd answers
//
// Answers are read tolerantly: numbers and booleans as strings, null and "",
// an object for a list of one, enum values of tomorrow, XML where JSON was
// asked for. What matters is checked: an account without an id, a sign-in or a
// transient token without a token, a PIN without a code, and a server that is
// not the one asked for are errors.
package plexauth
