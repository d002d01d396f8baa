// Package install makes ready what tests in other languages need: programs that
// must be there, and packages of npm in the exact versions of a lock file.
//
// It does not skip: what is missing fails the test. It owns no test.
package install

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// NPM fills node_modules of a folder that has a package-lock.json.
func NPM(t *testing.T, dir string) {
	t.Helper()
	Need(t, "node", "install Node.js 20 or newer")
	npm := Need(t, "npm", "install npm 10 or newer")
	Once(t, filepath.Join(dir, "node_modules"), filepath.Join(dir, "package-lock.json"), func() {
		cmd := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm ci in %s: %v\n%s", dir, err, out)
		}
	})
}

// Once calls install unless the folder was filled from the same list of
// packages before. The list's digest is left in the folder when install has
// succeeded, so that one which broke off half-way is done again.
func Once(t *testing.T, folder, list string, install func()) {
	t.Helper()
	wanted, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(wanted)
	digest := hex.EncodeToString(sum[:])
	stamp := filepath.Join(folder, ".usher-installed")
	if done, err := os.ReadFile(stamp); err == nil && string(done) == digest {
		return
	}
	install()
	if err := os.WriteFile(stamp, []byte(digest), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Need returns the path of a program that must be there.
func Need(t *testing.T, program, hint string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing: %s", program, hint)
	}
	return path
}
