//go:build clients

package clients_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A language knows how to install a client beside its script and how to start the script.
type language struct {
	// install makes the client's packages ready and returns the folder of its script.
	install func(t *testing.T, c client) string
	// command is the command line that runs the script, without the scene.
	command func(c client, dir string) []string
}

// node keeps the packages of a client in node_modules beside its script.
var node = language{
	install: func(t *testing.T, c client) string {
		t.Helper()
		dir := absolute(t, filepath.Join("node", c.slug))
		need(t, "node", "install Node.js 20 or newer")
		npm := need(t, "npm", "install npm 10 or newer")
		modules, lock := filepath.Join(dir, "node_modules"), filepath.Join(dir, "package-lock.json")
		installOnce(t, modules, lock, func() {
			run(t, dir, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
		})
		return dir
	},
	command: func(c client, dir string) []string {
		argv := []string{"node"}
		if c.hardCoded {
			argv = append(argv, "--require", filepath.Join(filepath.Dir(dir), "redirect.cjs"))
		}
		return append(argv, "run.mjs")
	},
}

// python keeps the packages of a client in a virtual environment beside its script.
var python = language{
	install: func(t *testing.T, c client) string {
		t.Helper()
		dir := absolute(t, filepath.Join("python", c.slug))
		python := need(t, "python3", "install Python 3.10 or newer")
		if err := exec.Command(python, "-c", "import ensurepip, venv").Run(); err != nil {
			t.Fatal("python3 cannot make virtual environments: apt-get install python3-venv")
		}
		venv := filepath.Join(dir, ".venv")
		requirements := filepath.Join(dir, "requirements.txt")
		installOnce(t, venv, requirements, func() {
			run(t, dir, python, "-m", "venv", "--clear", venv)
			pip := filepath.Join(venv, "bin", "pip")
			run(t, dir, pip, "install", "--quiet", "--disable-pip-version-check", "-r", requirements)
		})
		return dir
	},
	command: func(_ client, dir string) []string {
		return []string{filepath.Join(dir, ".venv", "bin", "python"), "run.py"}
	},
}

// installOnce calls install unless the folder was filled from the same list of
// packages before. The list's digest is left in the folder when install has
// succeeded, so that one which broke off half-way is done again.
func installOnce(t *testing.T, folder, list string, install func()) {
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

// need returns the path of a program that must be there.
func need(t *testing.T, program, hint string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing: %s", program, hint)
	}
	return path
}

// run runs a command that must succeed and returns what it printed to standard output.
func run(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	return runWith(t, dir, "", argv...)
}

// runWith is run with something on standard input.
func runWith(t *testing.T, dir, stdin string, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, stdout, stderr.String())
	}
	return string(stdout)
}

// absolute returns the absolute form of a path below this folder.
func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
