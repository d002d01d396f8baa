//go:build unix

package docs_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	usher "github.com/usher-auth/usher/test/http/binary"
)

// commandsAfter returns the first commands after a heading of docs/running.md.
func commandsAfter(t *testing.T, heading string) string {
	t.Helper()
	commands := regexp.MustCompile(`(?ms)^### ` + heading + `$.*?` + "^```sh\n(.*?)^```$")
	found := commands.FindStringSubmatch(read(t, "docs/running.md"))
	if found == nil {
		t.Fatalf("docs/running.md has no commands below the heading %s", heading)
	}
	return found[1]
}

// The backup and restore commands in docs/running.md work as written. This includes a
// restore after a crash, whose write-ahead log must not be applied to the restored
// database, and one with a missing key file.
func TestRestoreAfterACrash(t *testing.T) {
	dir := t.TempDir()
	if _, err := usher.Build(dir); err != nil {
		t.Fatal(err)
	}
	data, backup := filepath.Join(dir, "data"), filepath.Join(dir, "backup")
	if err := os.Mkdir(backup, 0o755); err != nil {
		t.Fatal(err)
	}
	env := usher.Env("USHER_DATA="+data, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	shell := func(commands string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", "umask 022\n"+commands)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s\n%v: %s", commands, err, out)
		}
		return string(out)
	}
	documented := func(heading string) {
		t.Helper()
		commands := commandsAfter(t, heading)
		for before, after := range map[string]string{"~/.local/share/usher": data, "/backup": backup} {
			if !strings.Contains(commands, before) {
				t.Fatalf("the commands below %s do not name %s", heading, before)
			}
			commands = strings.ReplaceAll(commands, before, after)
		}
		shell(commands)
	}
	serve := func() *usher.Server {
		t.Helper()
		cmd := exec.Command(filepath.Join(dir, "usher"), "serve", "--listen", "127.0.0.1:0")
		cmd.Env = env
		server, err := usher.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		return server
	}

	server := serve()
	shell("echo mia has a password | usher account add mia --password-stdin; usher account totp mia --yes")
	documented("Back up")
	shell("echo noa has a password | usher account add noa --password-stdin")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(data, "usher.db-wal")); err != nil || info.Size() == 0 {
		t.Fatalf("the crash left no write-ahead log: %v", err)
	}
	if err := os.Remove(filepath.Join(data, "usher.key")); err != nil {
		t.Fatal(err)
	}
	documented("Restore")

	for _, name := range []string{"usher.db", "usher.key"} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (error %v), want 0600", name, info.Mode(), err)
		}
	}
	if err := serve().Stop(); err != nil {
		t.Error(err)
	}
	var accounts []struct{ Username string }
	if err := json.Unmarshal([]byte(shell("usher account list --json")), &accounts); err != nil {
		t.Fatal(err)
	}
	if len(accounts) != 1 || accounts[0].Username != "mia" {
		t.Errorf("the accounts are %v, want those of the backup", accounts)
	}
	shell("usher audit verify")
	if left := shell("usher new-key"); strings.Contains(left, "second factor") {
		t.Errorf("mia's second factor did not survive: %s", left)
	}
}
