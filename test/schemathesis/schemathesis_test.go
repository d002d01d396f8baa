//go:build schemathesis

package schemathesis_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/plexauth"
	usher "github.com/usher-auth/usher/test/http/binary"
	"github.com/usher-auth/usher/test/install"
)

var soak = flag.Duration("soak", 0, "go on with new requests for so long, for all tokens together")

const (
	username = "olga"
	password = "correct horse battery"
)

// checks are the checks that compare answers with the document. They do not judge requests:
// clients also send fields that are not in the document.
const checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"

// ending are the operations that revoke the token. They run last.
var ending = []string{"signOut", "removeDevice"}

// run is a run of Schemathesis with one kind of token.
type run struct {
	name   string
	token  plexauth.Secret
	accept string
	// adminKey is a key for the admin API, instead of a token.
	adminKey plexauth.Secret
	// only lists the operations to run. If nil, all run, except those that revoke the
	// token.
	only []string
	// covering tries each kind of value of each parameter, which takes half a minute. The
	// kind of token makes no difference to that.
	covering bool
}

// No request makes usher fail, or return an answer that is not in the document.
func TestSchemathesis(t *testing.T) {
	st := installed(t)
	binary, err := usher.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	cmd := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data", data, "--pms-accepts-jwt", "--log-level", "warn")
	cmd.Env = usher.Env("USHER_ADMIN_USERNAME="+username, "USHER_ADMIN_EMAIL=olga@example.com", "USHER_ADMIN_PASSWORD="+password)
	server, err := usher.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if log := server.Log(); strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("the log has errors:\n%s", log)
		}
	}()
	runs := append(tokens(t, server.URL), run{name: "admin key", adminKey: newAdminKey(t, binary, data), accept: "application/json"})
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) { r.start(t, st, server.URL, *soak/time.Duration(len(runs))) })
	}
}

// newAdminKey creates a key for the admin API with every scope. Its run is the last one: it
// revokes what the others use.
func newAdminKey(t *testing.T, binary, data string) plexauth.Secret {
	t.Helper()
	args := []string{"admin-key", "create", "schemathesis", "--data", data}
	for _, noun := range []string{"accounts", "admins", "tokens", "servers", "providers", "homes", "settings"} {
		args = append(args, "--scope", noun+":write")
	}
	cmd := exec.CommandContext(t.Context(), binary, append(args, "--scope", "audit:read", "--scope", "status:read")...)
	cmd.Env = usher.Env()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("making a key of the admin API: %v", err)
	}
	return plexauth.Secret(strings.TrimSpace(string(out)))
}

// tokens returns a run for each kind of token.
func tokens(t *testing.T, url string) []run {
	t.Helper()
	ctx := t.Context()
	client := func(name string) *plexauth.Client {
		c := &plexauth.Client{ClientIdentifier: name, AccountURL: url, MediaURL: url}
		account, err := c.SignIn(ctx, plexauth.SignInRequest{Login: username, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		c.Token = plexauth.StaticToken(account.AuthToken)
		return c
	}
	tokenOf := func(c *plexauth.Client) plexauth.Secret {
		token, err := c.Token.Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	main := client("main")
	resources, err := main.Resources(ctx)
	if err != nil || len(resources) == 0 {
		t.Fatalf("%d servers, %v", len(resources), err)
	}
	transient, err := main.TransientToken(ctx)
	if err != nil {
		t.Fatal(err)
	}
	revoked := client("revoked")
	gone := tokenOf(revoked)
	if err := revoked.SignOut(ctx); err != nil {
		t.Fatal(err)
	}
	const inJSON, inXML = "application/json", "application/xml"
	return []run{
		{name: "no token", accept: inXML},
		{name: "account", token: tokenOf(main), accept: inJSON, covering: true},
		{name: "server", token: resources[0].AccessToken, accept: inXML},
		{name: "transient", token: transient.Token, accept: inJSON},
		{name: "JWT", token: jwt(t, client("keyed")), accept: inXML},
		{name: "revoked", token: gone, accept: inJSON},
		{name: "account, at its end", token: tokenOf(client("ending")), accept: inJSON, only: ending},
	}
}

// jwt registers a device's key, and returns a JWT.
func jwt(t *testing.T, c *plexauth.Client) plexauth.Secret {
	t.Helper()
	key, err := plexauth.LoadDeviceKey(filepath.Join(t.TempDir(), "device.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.RegisterKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	token, err := c.ExchangeJWT(t.Context(), key, "username", "email")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

var tested = regexp.MustCompile(`(?m)^  Tested: (\d+)$`)

// start runs Schemathesis.
func (r run) start(t *testing.T, st, url string, budget time.Duration) {
	t.Helper()
	args := []string{
		"run", url + "/api/openapi.yaml", "--checks", checks, "-H", "Accept: " + r.accept, "--continue-on-failure",
		"--suppress-health-check", "all", "--generation-database", "none", "--request-timeout", "60", "--no-color", "--warnings", "off",
	}
	timeout := 10 * time.Minute
	if budget > 0 {
		args = append(args, "--max-time", strconv.Itoa(max(1, int(budget.Seconds()))))
		timeout += budget
	} else {
		phases := "examples,fuzzing"
		if r.covering {
			phases = "examples,coverage,fuzzing"
		}
		args = append(args, "--seed", "1", "--max-examples", "8", "--phases", phases)
	}
	if r.adminKey != "" {
		args = append(args, "-H", "Authorization: Bearer "+string(r.adminKey), "--include-path-regex", "^/admin/api/")
	}
	if r.token != "" {
		args = append(args, "-H", "X-Plex-Token: "+string(r.token))
	}
	for _, id := range r.only {
		args = append(args, "--include-operation-id", id)
	}
	if r.only == nil && r.token != "" {
		for _, id := range ending {
			args = append(args, "--exclude-operation-id", id)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, st, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "NO_PROXY=*", "no_proxy=*", "SCHEMATHESIS_HOOKS="+absolute(t, "hooks.py"), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	most := 50
	if r.only != nil {
		most = len(r.only)
	}
	n := 0
	if m := tested.FindSubmatch(out); m != nil {
		n, _ = strconv.Atoi(string(m[1]))
	}
	if n < most {
		t.Errorf("only %d operations were tested:\n%s", n, out)
	}
	t.Log(summary(string(out)))
}

// summary returns the line with the number of requests.
func summary(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, " generated, ") {
			return strings.TrimSpace(line)
		}
	}
	return fmt.Sprintf("%d bytes of output", len(out))
}

// installed installs Schemathesis in a virtual environment next to the test, and
// returns its program.
func installed(t *testing.T) string {
	t.Helper()
	python := install.Need(t, "python3", "install Python 3.10 or newer")
	venv, requirements := absolute(t, ".venv"), absolute(t, "requirements.txt")
	install.Once(t, venv, requirements, func() {
		for _, argv := range [][]string{
			{python, "-m", "venv", "--clear", venv},
			{filepath.Join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", requirements},
		} {
			if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
			}
		}
	})
	return filepath.Join(venv, "bin", "st")
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
