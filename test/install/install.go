// Package install prepares what tests in other languages need: it checks for
// programs, and installs packages of npm in the exact versions of a lock file.
//
// It does not skip: a missing program fails the test. It has no tests itself.
package install

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// NPM installs node_modules in a folder with a package-lock.json.
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

// Once calls install, unless it has installed the same list of packages in the
// folder before. It writes the digest of the list to the folder after install has
// succeeded, so that an interrupted installation is repeated.
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

// Need returns the path of a program, and fails if it is not installed.
func Need(t *testing.T, program, hint string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing: %s", program, hint)
	}
	return path
}
