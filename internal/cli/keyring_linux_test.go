//go:build keyring

package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// These tests need a message bus and a secret service, so they are behind a build tag: go
// test -tags keyring -run Keyring ./internal/cli ("make keyring").

// busConfig is a session bus that does not start services.
const busConfig = `<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>`

// start runs a program until the test ends.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// startKeyring starts GNOME's keyring on a separate bus, which this process and its
// children use from then on. stop stops the keyring but not the bus.
func startKeyring(t *testing.T) (stop func()) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, []byte(busConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	bus := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--print-address")
	out, err := bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, bus)
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the bus does not print its address: %v", err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", strings.TrimSpace(address))

	daemon := exec.Command("gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets")
	daemon.Env = append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "XDG_DATA_HOME="+dir)
	daemon.Stdin = strings.NewReader("the password of the keyring")
	start(t, daemon)
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		reply, err := exec.Command("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/",
			"org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets").CombinedOutput()
		if strings.Contains(string(reply), "boolean true") {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the keyring has not started after ten seconds: %v: %s", err, reply)
		}
	}
	return func() {
		if err := daemon.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = daemon.Wait()
	}
}

// If there is a keyring, the token is stored there from sign-in to sign-out, and nowhere
// else.
func TestKeyring(t *testing.T) {
	stop := startKeyring(t)
	srv, other := plexauthtest.New(t, plexauthtest.Config{}), plexauthtest.New(t, plexauthtest.Config{})
	data := t.TempDir()
	usher := func(stdin string, args ...string) (string, error) {
		cmd := usherCommand(t, data, args...)
		cmd.Stdin, cmd.Env = strings.NewReader(stdin), append(cmd.Env, "USHER_NO_KEYRING=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(stdin string, args ...string) string {
		t.Helper()
		out, err := usher(stdin, args...)
		if err != nil {
			t.Fatalf("usher %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return out
	}
	entry := "default at " + srv.AccountURL

	must("member's password\n", "signin", "member", "--password-stdin", "--account-url", srv.AccountURL)
	kept, err := keyring.Get(keyringService, entry)
	if err != nil {
		t.Fatal(err)
	}
	c := srv.AnonymousClient()
	c.Token = plexauth.StaticToken(kept)
	if account, err := c.TokenDetails(t.Context()); err != nil || account.Username != "member" {
		t.Errorf("the token in the keyring belongs to %+v: %v", account, err)
	}
	if files := filesWith(t, data, kept); len(files) > 0 {
		t.Errorf("the token is also in %v", files)
	}
	text, err := os.ReadFile(filepath.Join(data, "config", "usher", "profiles", "default", "profile.json"))
	var p profile
	if err := errors.Join(err, json.Unmarshal(text, &p)); err != nil || !p.InKeyring {
		t.Errorf("the profile is %s: %v", text, err)
	}
	if out := must("", "whoami"); !strings.Contains(out, "member") || strings.Contains(out, kept) {
		t.Errorf("whoami prints %s", out)
	}

	// Attack: the token is sent to another address.
	other.ResetRequests()
	if out, err := usher("", "whoami", "--account-url", other.AccountURL); err == nil || len(other.Requests()) != 0 {
		t.Errorf("the other server received %v; the output is %s", other.Requests(), out)
	}

	// A second profile has its own entry. A new sign-in replaces it.
	must("admin's password\n", "signin", "admin", "--password-stdin", "--account-url", srv.AccountURL, "--profile", "office")
	must("member's password\n", "signin", "member", "--password-stdin")
	again, err := keyring.Get(keyringService, entry)
	if err != nil || again == kept {
		t.Errorf("after signing in again, the token is the same: %v", err)
	}
	must("", "signout")
	if _, err := keyring.Get(keyringService, entry); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("after signing out, the keyring returns %v", err)
	}
	if out := must("", "whoami", "--profile", "office"); !strings.Contains(out, "admin") {
		t.Errorf("the other profile is %s", out)
	}

	// Without the keyring, reading its tokens is an error, and new ones are stored in the
	// file.
	stop()
	if out, err := usher("", "whoami", "--profile", "office"); err == nil || !strings.Contains(out, "error: getting the token: reading the keyring: ") {
		t.Errorf("without the keyring, whoami prints %s", out)
	}
	out, err := usher("admin's password\n", "signin", "admin", "--password-stdin", "--profile", "office")
	if err == nil || !strings.Contains(out, "\nhint: start the keyring") {
		t.Errorf("replacing a token that cannot be deleted prints %s", out)
	}
	must("member's password\n", "signin", "member", "--password-stdin", "--account-url", srv.AccountURL)
	if _, err := os.Stat(filepath.Join(data, "config", "usher", "profiles", "default", "token")); err != nil {
		t.Error(err)
	}
	must("", "whoami")
}

// filesWith lists the files below a folder that contain a text.
func filesWith(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), text) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
