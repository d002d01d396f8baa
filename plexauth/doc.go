// Package plexauth is a Go client for Plex-compatible authentication. It signs
// users in, identifies the user of a token, and finds the servers that a user can
// reach. It works with plex.tv and real media servers, and with usher, which
// implements both. It imports only the standard library.
//
// # Creating a client
//
// A [Client] is a struct. Only its ClientIdentifier is required. Use the same
// identifier in every run:
//
//	id, err := plexauth.LoadClientIdentifier("my-program")
//	client := &plexauth.Client{ClientIdentifier: id, Product: "My program"}
//
// Requests go to one of two planes. The account plane has the users and their
// tokens. The media plane is one media server. The defaults are https://plex.tv and
// http://localhost:32400. AccountURL and MediaURL set other addresses; for usher,
// set both to its address.
//
// # Signing in
//
// [Client.SignIn] takes a password and returns the account with a new token. If
// the account has a second factor, the first call fails with
// [ErrVerificationRequired]:
//
//	in := plexauth.SignInRequest{Login: login, Password: password}
//	account, err := client.SignIn(ctx, in)
//	if errors.Is(err, plexauth.ErrVerificationRequired) {
//		in.VerificationCode = ask("Code: ")
//		account, err = client.SignIn(ctx, in)
//	}
//	client.Token = plexauth.StaticToken(account.AuthToken)
//
// A program that should not handle passwords uses a PIN. The user types its code
// at LinkURL, or opens AuthURL, in a browser on any device. A strong PIN is for
// AuthURL: the real service has no page to type its code.
//
//	pin, err := client.StartPIN(ctx, plexauth.PINRequest{})
//	fmt.Println("Open", client.LinkURL(pin), "and check that the code is", pin.Code)
//	token, err := client.WaitPIN(ctx, pin)
//	client.Token = plexauth.StaticToken(token)
//
// PIN.QR is the URL of a QR code for a web page, and QRCode returns its image.
//
// Package login adds this sign-in to a web program, where an attacker may send the
// link to another user: PINRequest.ForwardURL binds it to the browser of the user
// who allows access.
//
// # Tokens
//
// A token is a [Secret], which prints as "…". A [TokenSource] supplies the token
// of each call: [StaticToken], [MemoryToken], [FileToken], [TransientSource],
// [JWTSource], or an implementation of your own.
//
// # Device keys and JWTs
//
// A device with a [DeviceKey] gets JWTs, which are valid for a week, in place of a
// token. LoadDeviceKey generates the key and stores it in a file. A program that
// has a token registers the key with RegisterKey, and the first JWT revokes that
// token. A program that signs in by PIN sets PINRequest.Key. [JWTSource] renews the
// JWT, and JWTSource.Rotate replaces the key. Media servers do not accept JWTs: with
// JWTSource.MediaToken, calls to the media plane use an opaque token of the account.
//
// A server that receives a JWT checks it with [VerifyJWT] and a [JWKS], which
// requests and caches the keys. It cannot detect that the device was removed since.
//
// # Homes
//
// A home is a group of accounts that share a screen. HomeUsers lists them, and
// SwitchHomeUser returns a token of one of them, which may require a PIN:
//
//	account, err := client.SwitchHomeUser(ctx, user.UUID, "")
//	if errors.Is(err, plexauth.ErrHomePIN) {
//		account, err = client.SwitchHomeUser(ctx, user.UUID, ask("PIN: "))
//	}
//
// # Calls
//
// On the account plane, TokenDetails returns the account of the client's own token.
// AccountOf returns the account of a token that the program received from a user.
// Resources lists the servers that the token can reach, and Devices lists the
// programs that hold a token of the account. RemoveDevice signs one of them out, and
// SignOut signs out this program. LinkPIN completes the sign-in of another program.
// Connect finds the best working connection to a server. On the media plane,
// TransientToken requests a short-lived token, and SourceConnection returns how to
// reach another source, for admins.
//
// A Client holds no state, so a copy of it changes the settings of one call:
//
//	quick := *client
//	quick.Timeout = 2 * time.Second
//	err := quick.Ping(ctx)
//
// # Errors
//
// A failed call returns an [*Error] with the status, the errors of the server, and
// the start of the body. Use errors.Is with [ErrUnauthorized] and the other
// variables to decide what to do next. A rejected call never matches
// [ErrUnreachable], and an outage never matches ErrUnauthorized. A 2xx response
// with an HTML page is an error: captive portals send such pages.
//
// # Retries
//
// By default, calls are not retried. If Client.Retry is set, they are retried with
// exponential backoff, and Retry-After is respected. SignIn, LinkPIN, ExchangeJWT,
// and CheckPIN with a proof are retried only if no connection was established,
// because the request may have used up the code, the nonce or the proof. If a token
// of a [TransientSource] or a [JWTSource] is rejected with ErrUnauthorized or
// ErrTokenExpired, the call is sent once more with a new token, even if Client.Retry
// is nil.
//
// net/http still resends some requests on its own. If a kept-alive connection turns
// out to be closed, it resends a GET that received no response bytes. It resends a
// POST, PUT or DELETE (such as SignIn, LinkPIN and SignOut) only if none of it had
// been written, or if Client.Header has an Idempotency-Key. To disable both, set an
// HTTPClient whose Transport has DisableKeepAlives.
//
// # Decoding
//
// Responses are decoded tolerantly, because servers and their releases differ:
// numbers and booleans may be strings, a list of one element may be that element,
// missing values may be null or "", enums may have unknown values, and the document
// may be XML. An invalid list element is omitted, and an invalid part of an object,
// such as a profile, has its zero value.
//
// Essential values are required. A 2xx response without them, such as
// {"error":"…"}, is an *Error with the status: an account without an id, a sign-in
// or a transient token without a token, a PIN without an id or a code, a server
// without an identifier, a ping without a pong, and a list that is not a list or
// that has only invalid elements.
//
// # Compatibility
//
// Within major version 1, a program that compiles with one release and uses only
// documented behaviour compiles and works with every later one. The promise covers
// packages plexauth, login and plexauthtest. The following may change in any
// release:
//
//   - New functions, methods, types, error variables and struct fields may be
//     added. A new field of Client, Retry or a request type keeps the old behaviour
//     at its zero value. Write struct literals with field names, and do not convert
//     structs to other types or, except for Source, compare them with ==.
//   - Methods are added to structs only. TokenSource keeps its one method.
//   - An error may match further error variables, and a failure that matched none
//     may match one. An error that matches a variable continues to match it.
//   - Error texts, log records and the default User-Agent may change.
//   - More documents may be accepted, and fields may be set that used to be zero.
//   - Bugs and security problems are fixed, even if a program depends on them.
//   - plexauthtest may add users and sources, and its server changes with usher.
//
// A release supports the two most recent major releases of Go. Raising the minimum
// version of Go in go.mod is not a breaking change.
package plexauth
