// Pin-terminal signs a user in by PIN. It shows a code on the terminal, and
// waits until the user has entered the code in a browser, on any device. It
// then prints the account and the servers that the account can reach.
//
// Run it against usher. Start the server, and add a user:
//
//	usher serve
//	usher account add mia --email mia@example.org
//
// Then, in another terminal:
//
//	go run ./examples/pin-terminal
//
// With -account-url https://plex.tv it signs in to the real service.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

func main() {
	log.SetFlags(0)
	accountURL := flag.String("account-url", "http://127.0.0.1:32400", "base `URL` of the account plane")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *accountURL); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, accountURL string) error {
	// The same identifier in every run: the account lists this program once.
	id, err := plexauth.LoadClientIdentifier("usher-pin-terminal")
	if err != nil {
		return err
	}
	client := &plexauth.Client{
		ClientIdentifier: id, Product: "PIN example", AccountURL: accountURL,
	}
	token, err := signIn(ctx, client)
	if err != nil {
		return err
	}
	// A real program stores the token, for example with plexauth.FileToken.
	client.Token = plexauth.StaticToken(token)
	account, err := client.TokenDetails(ctx)
	if err != nil {
		return err
	}
	servers, err := client.Resources(ctx)
	if err != nil {
		return err
	}
	fmt.Println("Signed in as", account.Username)
	for _, server := range servers {
		fmt.Printf("Server %q\n", server.Name)
	}
	// This program is done with the token, so it revokes it.
	return client.SignOut(ctx)
}

// signIn shows a code and waits until the user has entered it.
func signIn(ctx context.Context, client *plexauth.Client) (plexauth.Secret, error) {
	pin, err := client.StartPIN(ctx, plexauth.PINRequest{})
	if err != nil {
		return "", err
	}
	fmt.Printf("Open %s and check that the code is %s.\n", client.LinkURL(pin), pin.Code)
	fmt.Printf("The code expires at %s.\n", pin.ExpiresAt.Format(time.TimeOnly))
	token, err := client.WaitPIN(ctx, pin)
	if errors.Is(err, plexauth.ErrPINExpired) {
		return "", errors.New("the code has expired, or access was denied")
	}
	return token, err
}
