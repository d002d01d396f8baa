//go:build clients

package clients_test

import (
	"cmp"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-auth/usher/test/install"
)

// A language installs a client next to its script and starts the script.
type language struct {
	// install installs the client's packages and returns the folder of its script.
	install func(t *testing.T, c client) string
	// command is the command line that runs the script, without the scene.
	command func(c client, dir string) []string
}

// node installs the packages of a client in node_modules next to its script.
var node = language{
	install: func(t *testing.T, c client) string {
		t.Helper()
		dir := absolute(t, filepath.Join("node", c.slug))
		install.NPM(t, dir)
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

// python installs the packages of a client in a virtual environment next to its script.
var python = language{
	install: func(t *testing.T, c client) string {
		t.Helper()
		dir := absolute(t, filepath.Join("python", c.slug))
		python := install.Need(t, "python3", "install Python 3.10 or newer")
		if err := exec.Command(python, "-c", "import ensurepip, venv").Run(); err != nil {
			t.Fatal("python3 cannot make virtual environments: apt-get install python3-venv")
		}
		venv := filepath.Join(dir, ".venv")
		requirements := filepath.Join(dir, "requirements.txt")
		install.Once(t, venv, requirements, func() {
			run(t, dir, python, "-m", "venv", "--clear", venv)
			pip := filepath.Join(venv, "bin", "pip")
			run(t, dir, pip, "install", "--quiet", "--disable-pip-version-check", "-r", requirements)
		})
		return dir
	},
	command: func(c client, dir string) []string {
		return []string{filepath.Join(dir, ".venv", "bin", "python"), cmp.Or(c.script, "run.py")}
	},
}

// rust builds the script of a client. The manifest with the exact versions is next to the
// script. All scripts share a folder of compiled crates.
var rust = language{
	install: func(t *testing.T, c client) string {
		t.Helper()
		dir := absolute(t, filepath.Join("rust", c.slug))
		cargo := install.Need(t, "cargo", "install Rust 1.88 or newer from https://rustup.rs")
		run(t, dir, cargo, "build", "--quiet", "--locked", "--target-dir", rustTarget(dir))
		return dir
	},
	command: func(c client, dir string) []string {
		// Names of crates cannot contain dots.
		return []string{filepath.Join(rustTarget(dir), "debug", strings.ReplaceAll(c.slug, ".", "-"))}
	},
}

// rustTarget is the folder with the compiled files of the script in dir.
func rustTarget(dir string) string { return filepath.Join(filepath.Dir(dir), "target") }

// run runs a command that must succeed, and returns its standard output.
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
