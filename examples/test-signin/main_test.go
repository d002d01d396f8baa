package main

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// newProgram returns a server and a function that runs the program against it,
// with the given lines as its standard input.
func newProgram(t *testing.T) (*plexauthtest.Server, func(login string, lines ...plexauth.Secret) (string, error)) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	return srv, func(login string, lines ...plexauth.Secret) (string, error) {
		var in, out strings.Builder
		for _, line := range lines {
			in.WriteString(string(line) + "\n")
		}
		client := plexauth.Client{ClientIdentifier: "test", AccountURL: srv.AccountURL}
		err := run(t.Context(), client, login, strings.NewReader(in.String()), &out)
		return out.String(), err
	}
}

func TestListsServers(t *testing.T) {
	srv, program := newProgram(t)
	got, err := program("member", srv.Member.Password)
	if err != nil {
		t.Fatal(err)
	}
	if want := "Password: \nHello member, you can reach:\n\"usher\"\n\"Den\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// The program must not leave a token behind.
	requests := srv.Requests()
	if last := requests[len(requests)-1]; last.Path != "/api/v2/users/signout" || last.Status != 204 {
		t.Errorf("the last request is %s with status %d", last.Path, last.Status)
	}
}

func TestSecondFactor(t *testing.T) {
	srv, program := newProgram(t)
	user := srv.TwoFactor
	code := user.VerificationCode()
	got, err := program(user.Username, user.Password, code)
	if err != nil || !strings.Contains(got, "Hello twofactor") {
		t.Errorf("got %q, %v", got, err)
	}
	// Attack: an observed code is used a second time.
	if got, err := program(user.Username, user.Password, code); err == nil {
		t.Errorf("the code works twice: %q", got)
	}
}

func TestErrors(t *testing.T) {
	srv, program := newProgram(t)
	_, err := program("member", "a wrong password")
	if err == nil || err.Error() != "the login, the password or the code is wrong" {
		t.Errorf("wrong password: got error %v", err)
	}
	for name, fault := range map[string]plexauthtest.Fault{
		"no response":   {Drop: true, Times: 1},
		"a proxy fails": {Status: 502, Body: "<html>Bad gateway</html>", Times: 1},
	} {
		srv.InjectFault(fault)
		_, err := program("member", srv.Member.Password)
		if err == nil || !strings.HasPrefix(err.Error(), "the service is not available") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}
