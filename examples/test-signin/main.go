// Test-signin is a small program with a test that signs in for real. The
// program signs in with a password and lists the servers that the user can
// reach. The test runs it against package plexauthtest, which is usher in the
// process of the test:
//
//	go test ./examples/test-signin
//
// To run the program itself against usher, start the server and add a user:
//
//	usher serve
//	usher account add mia --email mia@example.org
//
// Then, in another terminal (the password is read from standard input, and the
// terminal shows it):
//
//	go run ./examples/test-signin mia
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/usher-auth/usher/plexauth"
)

func main() {
	log.SetFlags(0)
	accountURL := flag.String("account-url", "http://127.0.0.1:32400", "base `URL` of the account plane")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: test-signin [-account-url URL] LOGIN")
	}
	id, err := plexauth.LoadClientIdentifier("usher-test-signin")
	if err != nil {
		log.Fatal(err)
	}
	client := plexauth.Client{
		ClientIdentifier: id, Product: "Test example", AccountURL: *accountURL,
	}
	if err := run(context.Background(), client, flag.Arg(0), os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run signs in and lists the servers of the user. It reads the password and, if
// the account has a second factor, a verification code from in, one a line.
func run(
	ctx context.Context, client plexauth.Client, login string, in io.Reader, out io.Writer,
) error {
	lines := bufio.NewScanner(in)
	ask := func(prompt string) plexauth.Secret {
		fmt.Fprint(out, prompt)
		lines.Scan()
		return plexauth.Secret(strings.TrimSpace(lines.Text()))
	}
	req := plexauth.SignInRequest{Login: login, Password: ask("Password: ")}
	account, err := client.SignIn(ctx, req)
	if errors.Is(err, plexauth.ErrVerificationRequired) {
		req.VerificationCode = ask("Code: ")
		account, err = client.SignIn(ctx, req)
	}
	switch {
	case errors.Is(err, plexauth.ErrUnauthorized):
		return errors.New("the login, the password or the code is wrong")
	case errors.Is(err, plexauth.ErrUnreachable), errors.Is(err, plexauth.ErrServer):
		return fmt.Errorf("the service is not available: %w", err)
	case err != nil:
		return err
	}
	client.Token = plexauth.StaticToken(account.AuthToken)
	servers, err := client.Resources(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nHello %s, you can reach:\n", account.Username)
	for _, server := range servers {
		fmt.Fprintf(out, "%q\n", server.Name)
	}
	return client.SignOut(ctx)
}
