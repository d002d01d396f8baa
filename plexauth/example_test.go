package plexauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// startServer starts usher in this process for the examples. Your program
// leaves AccountURL and MediaURL empty, or sets them to the address of usher.
func startServer() (srv *plexauthtest.Server, stop func()) {
	t := &exampleTB{}
	return plexauthtest.New(t, plexauthtest.Config{}), t.stop
}

var ctx = context.Background()

func ExampleClient_SignIn() {
	srv, stop := startServer()
	defer stop()

	client := &plexauth.Client{ClientIdentifier: "my-program-on-this-machine", AccountURL: srv.AccountURL}
	account, err := client.SignIn(ctx, plexauth.SignInRequest{Login: "member", Password: "member's password"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client.Token = plexauth.StaticToken(account.AuthToken)
	fmt.Println(account.Username, account.Email, account.AuthToken)
	// Output: member member@example.org …
}

// If the account has a second factor, the first call fails. Ask for a code and
// sign in again with it.
func ExampleClient_SignIn_secondFactor() {
	srv, stop := startServer()
	defer stop()
	client := srv.AnonymousClient()

	in := plexauth.SignInRequest{Login: "twofactor", Password: "twofactor's password"}
	account, err := client.SignIn(ctx, in)
	if errors.Is(err, plexauth.ErrVerificationRequired) {
		fmt.Println("a code is required")
		in.VerificationCode = srv.TwoFactor.VerificationCode() // what the user types
		account, err = client.SignIn(ctx, in)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(account.Username, account.TwoFactorEnabled)
	// Output:
	// a code is required
	// twofactor true
}

// The user signs in on a page of the account plane, on any device. The program
// sees no password.
func ExampleClient_WaitPIN() {
	srv, stop := startServer()
	defer stop()
	client := srv.AnonymousClient()

	pin, err := client.StartPIN(ctx, plexauth.PINRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Open the page, sign in, and enter the code of", len(pin.Code), "characters.")
	go srv.Member.LinkPIN(pin.Code) // what the user does there

	token, err := client.WaitPIN(ctx, pin)
	if errors.Is(err, plexauth.ErrPINExpired) {
		fmt.Println("The code has expired.")
		return
	}
	client.Token = plexauth.StaticToken(token)
	account, err := client.TokenDetails(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Signed in as", account.Username)
	// Output:
	// Open the page, sign in, and enter the code of 4 characters.
	// Signed in as member
}

// A strong code is part of the link, so the user types nothing. The link
// contains no token.
func ExampleClient_AuthURL() {
	client := &plexauth.Client{ClientIdentifier: "my-program-on-this-machine", Product: "My program"}

	pin := &plexauth.PIN{Code: "8lzjqnq8lye02n52jq3fqxf8e"} // from StartPIN
	fmt.Println(client.AuthURL(pin, "https://my.example.org/signed-in"))
	// Output:
	// https://app.plex.tv/auth#?clientID=my-program-on-this-machine&code=8lzjqnq8lye02n52jq3fqxf8e&context%5Bdevice%5D%5Bproduct%5D=My%20program&forwardUrl=https%3A%2F%2Fmy.example.org%2Fsigned-in
}

func ExampleClient_TokenDetails() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	account, err := client.TokenDetails(ctx)
	switch {
	case errors.Is(err, plexauth.ErrUnauthorized):
		fmt.Println("the token is invalid: sign in again")
	case errors.Is(err, plexauth.ErrUnreachable):
		fmt.Println("no response: try again later")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("the token belongs to", account.Username)
	}
	// Output: the token belongs to member
}

// A server that receives the tokens of its users finds out whose they are.
func ExampleClient_AccountOf() {
	srv, stop := startServer()
	defer stop()
	client := srv.AnonymousClient()

	account, err := client.AccountOf(ctx, srv.Token(srv.Member)) // what a user sent
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the token belongs to", account.Username)
	// Output: the token belongs to member
}

// A program with its own polling loop checks the PIN instead of waiting for it.
func ExampleClient_CheckPIN() {
	srv, stop := startServer()
	defer stop()
	client := srv.AnonymousClient()

	pin, err := client.StartPIN(ctx, plexauth.PINRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	before, err := client.CheckPIN(ctx, pin)
	if err != nil {
		fmt.Println(err)
		return
	}
	srv.Member.LinkPIN(pin.Code) // what the user does in a browser
	after, err := client.CheckPIN(ctx, pin)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(before.AuthToken == "", after.AuthToken, after.NewRegistration)
	// Output: true … false
}

// A web program that does not use package login. The sign-in is bound to the
// browser in which the user allows access: ForwardURL gets a proof.
func ExamplePIN_WithProof() {
	srv, stop := startServer()
	defer stop()
	client := srv.AnonymousClient()

	const forward = "https://my.example.org/signed-in?state=random" // the state is also in a cookie
	pin, err := client.StartPIN(ctx, plexauth.PINRequest{Strong: true, ForwardURL: forward})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Redirect the browser to client.AuthURL(pin, forward). It returns:
	returned, err := url.Parse(srv.Member.LinkPIN(pin.Code))
	if err != nil {
		fmt.Println(err)
		return
	}
	// In the handler, returned is r.URL. Compare the state with the cookie first.
	token, err := client.WaitPIN(ctx, pin.WithProof(returned))
	fmt.Println(token, err)
	// Output: … <nil>
}

// A phone that is signed in completes the sign-in of a television, whose code
// the user enters.
func ExampleClient_LinkPIN() {
	srv, stop := startServer()
	defer stop()
	television, phone := srv.AnonymousClient(), srv.Client(srv.Member)

	pin, err := television.StartPIN(ctx, plexauth.PINRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := phone.LinkPIN(ctx, pin.Code); err != nil {
		fmt.Println(err)
		return
	}
	token, err := television.WaitPIN(ctx, pin)
	fmt.Println(token, err)
	// Output: … <nil>
}

// A program with its own screen draws the image. A web page uses the URL in
// PIN.QR instead.
func ExampleClient_QRCode() {
	srv, stop := startServer()
	defer stop()
	client := srv.AnonymousClient()

	pin, err := client.StartPIN(ctx, plexauth.PINRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	image, err := client.QRCode(ctx, pin)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(http.DetectContentType(image))
	// Output: image/png
}

func ExampleClient_Devices() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	devices, err := client.Devices(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range devices {
		fmt.Println(d.Product, d.ClientIdentifier == client.ClientIdentifier)
	}
	// Output: plexauthtest true
}

// Removing a device revokes its tokens.
func ExampleClient_RemoveDevice() {
	srv, stop := startServer()
	defer stop()
	client, lost := srv.Client(srv.Member), srv.Client(srv.Member)

	devices, err := client.Devices(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range devices {
		if d.ClientIdentifier == lost.ClientIdentifier {
			fmt.Println(client.RemoveDevice(ctx, d.ID))
		}
	}
	_, err = lost.TokenDetails(ctx)
	fmt.Println(errors.Is(err, plexauth.ErrUnauthorized))
	// Output:
	// <nil>
	// true
}

// A program for a shared screen asks who is watching, and for the PIN of a user who has one.
func ExampleClient_SwitchHomeUser() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	users, err := client.HomeUsers(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	account, err := client.SwitchHomeUser(ctx, users[0].UUID, "")
	if errors.Is(err, plexauth.ErrHomePIN) {
		account, err = client.SwitchHomeUser(ctx, users[0].UUID, "1234") // what the user types
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	watching := *client
	watching.Token = plexauth.StaticToken(account.AuthToken)
	fmt.Println(account.Title, "is watching")
	// Output: member is watching
}

// The page of the real service is https://plex.tv/link/, at every address of its
// account plane. usher has its own page.
func ExampleClient_LinkURL() {
	pin := &plexauth.PIN{Code: "ABCD"} // from StartPIN
	for _, account := range []string{"https://clients.plex.tv", "https://host.example/usher"} {
		client := &plexauth.Client{ClientIdentifier: "my-program-on-this-machine", AccountURL: account}
		fmt.Println(client.LinkURL(pin))
	}
	// Output:
	// https://plex.tv/link/?pin=ABCD
	// https://host.example/usher/link?pin=ABCD
}

func ExampleClient_TransientToken() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	transient, err := client.TransientToken(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(transient.Token, "for", time.Until(transient.ExpiresAt).Round(time.Hour))
	// Output: … for 48h0m0s
}

func ExampleClient_SourceConnection() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Admin)

	source, err := client.SourceConnection(ctx, plexauth.ServerSource("den"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(source.Name, source.AccessToken)
	for _, c := range source.Connections {
		fmt.Println(c.URI, c.Local, c.Relay)
	}
	// Output:
	// Den …
	// http://192.0.2.5:32400 true false
	// https://[2001:db8::5]:32400 false false
	// https://relay.example.org:443 false true
}

func ExampleClient_Resources() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	resources, err := client.Resources(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range resources {
		fmt.Println(r.Name, r.Owned, len(r.Connections))
	}
	// Output:
	// usher false 1
	// Den false 3
}

// Connect finds the best connection of a server. A copy of the client then
// calls the server, with the token that only this server accepts.
func ExampleClient_Connect() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Admin)

	resources, err := client.Resources(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	connection, err := client.Connect(ctx, &resources[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	media := *client
	media.MediaURL = connection.URI
	media.Token = plexauth.StaticToken(resources[0].AccessToken)
	media.Header = nil // it may have credentials for the account plane
	_, err = media.TransientToken(ctx)
	fmt.Println(connection.Local, err)
	// Output: true <nil>
}

func ExampleClient_SignOut() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	fmt.Println(client.SignOut(ctx))
	_, err := client.TokenDetails(ctx)
	fmt.Println(errors.Is(err, plexauth.ErrUnauthorized))
	// Output:
	// <nil>
	// true
}

func ExampleClient_Ping() {
	srv, stop := startServer()
	defer stop()
	client := srv.AnonymousClient()

	fmt.Println(client.Ping(ctx))
	// Output: <nil>
}

func ExampleClient_Identity() {
	srv, stop := startServer()
	defer stop()
	client := srv.AnonymousClient()

	identity, err := client.Identity(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(identity.MachineIdentifier == srv.Self.Identifier, identity.Claimed)
	// Output: true true
}

// A copy of the client changes the settings of one call.
func ExampleClient_perCall() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	patient := *client
	patient.Timeout = 5 * time.Minute
	patient.Retry = &plexauth.Retry{ConnectionErrors: true}
	patient.Header = http.Header{"X-Plex-Language": {"de"}}
	account, err := patient.TokenDetails(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(account.Username)
	// Output: member
}

// An error contains the response of the server. It contains no secrets of the
// program.
func ExampleError() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	_, err := client.SourceConnection(ctx, plexauth.ServerSource("den"))
	var e *plexauth.Error
	if errors.As(err, &e) {
		fmt.Println(e.Operation, e.StatusCode, e.Details[0].Code, errors.Is(err, plexauth.ErrForbidden))
	}
	// Output: SourceConnection 403 403 true
}

// A long-running program sends short-lived tokens, so that its long-lived token
// is sent to one server only.
func ExampleTransientSource() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	careful := *client
	careful.Token = &plexauth.TransientSource{Client: client}
	before, err := careful.TokenDetails(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	srv.Restart() // invalidates every transient token
	after, err := careful.TokenDetails(ctx)
	fmt.Println(err, before.AuthToken.Equal(after.AuthToken), strings.HasPrefix(string(after.AuthToken), "transient-"))
	// Output: <nil> false true
}

// A device with a key uses JWTs for its account, and an opaque token for media
// servers, which do not accept JWTs.
func ExampleJWTSource() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	key, err := plexauth.LoadDeviceKey("") // a path, in a real program
	if err == nil {
		err = client.RegisterKey(ctx, key)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	client.Token = &plexauth.JWTSource{Client: client, Key: key, MediaToken: true}
	account, err := client.TokenDetails(ctx) // with a JWT
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.TransientToken(ctx) // with an opaque token of the account
	fmt.Println(account.Username, strings.Count(string(account.AuthToken), "."), err)
	// Output: member 2 <nil>
}

// Rotate replaces the key of a device, for example after a backup with the old one was
// lost. The program stores the new key before the old one is revoked.
func ExampleJWTSource_Rotate() {
	srv, stop := startServer()
	defer stop()
	client := srv.Client(srv.Member)

	key, err := plexauth.LoadDeviceKey("") // a path, in a real program
	if err == nil {
		err = client.RegisterKey(ctx, key)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	source := &plexauth.JWTSource{Client: client, Key: key}
	client.Token = source
	next, err := plexauth.LoadDeviceKey("")
	if err != nil {
		fmt.Println(err)
		return
	}
	save := func(k *plexauth.DeviceKey) error { return nil } // k.Save(path), in a real program
	fmt.Println(source.Rotate(ctx, next, save))
	_, err = client.ExchangeJWT(ctx, key)
	fmt.Println("the old key is rejected:", errors.Is(err, plexauth.ErrBadRequest))
	// Output:
	// <nil>
	// the old key is rejected: true
}

// A server that receives JWTs verifies them itself. All requests share one JWKS, which
// caches the keys.
func ExampleVerifyJWT() {
	srv, stop := startServer()
	defer stop()
	device, keys := srv.Client(srv.Member), &plexauth.JWKS{Client: srv.AnonymousClient()}

	key, err := plexauth.LoadDeviceKey("")
	if err == nil {
		err = device.RegisterKey(ctx, key)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := device.ExchangeJWT(ctx, key, "username") // what the device sends
	if err != nil {
		fmt.Println(err)
		return
	}
	jwt, err := plexauth.VerifyJWT(ctx, token, keys, device.ClientIdentifier)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(jwt.Username, jwt.Thumbprint == key.ID())
	// Output: member true
}

// The token of a MemoryToken can change while the client is in use.
func ExampleMemoryToken() {
	srv, stop := startServer()
	defer stop()
	var token plexauth.MemoryToken
	client := srv.AnonymousClient()
	client.Token = &token

	_, err := client.TokenDetails(ctx)
	fmt.Println("before the sign-in:", errors.Is(err, plexauth.ErrUnauthorized))
	account, err := client.SignIn(ctx, srv.Member.Credentials())
	if err != nil {
		fmt.Println(err)
		return
	}
	token.Set(account.AuthToken)
	account, err = client.TokenDetails(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("after it:", account.Username)
	// Output:
	// before the sign-in: true
	// after it: member
}

func ExampleFileToken() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	file := plexauth.FileToken{Path: filepath.Join(dir, "token")}
	if err := file.Set("the token of a sign-in"); err != nil {
		fmt.Println(err)
		return
	}
	token, err := file.Token(ctx)
	fmt.Println(token, err)
	// Output: … <nil>
}

func ExampleParseSource() {
	source, err := plexauth.ParseSource("provider://guide")
	fmt.Println(source, err)
	_, err = plexauth.ParseSource("guide")
	fmt.Println(err)
	// Output:
	// provider://guide <nil>
	// plexauth: invalid source: it must begin with server:// or provider://
}
