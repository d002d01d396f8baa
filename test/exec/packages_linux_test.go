//go:build clients

package exec_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// finishIn runs a command in usher exec in a folder, which must succeed.
func finishIn(t *testing.T, mode, dir string, env []string, argv ...string) {
	t.Helper()
	s := newCommand(t, append([]string{"--mode", mode, "--"}, argv...)...)
	s.Dir, s.Env = dir, append(s.Env, env...)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	r := finish(t, s)
	r.check(t, 0, nil, nil)
}

// The package for Python is installed as pip does it, and its tests run in usher
// exec: pytest finds its plugin.
func TestPythonPackage(t *testing.T) {
	python := venv(t)
	source, target := t.TempDir(), t.TempDir() // pip leaves files beside what it builds
	if err := os.CopyFS(source, os.DirFS("../../clients/python")); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", target, source).CombinedOutput()
	if err != nil {
		t.Fatalf("installing clients/python: %v\n%s", err, out)
	}
	modes(t, func(t *testing.T, mode string) {
		finishIn(t, mode, filepath.Join(source, "tests"), []string{"PYTHONPATH=" + target}, python, "-m", "pytest", "-q", "-p", "no:cacheprovider", ".")
	})
}

// The package for Node is tested by Node's own test runner.
func TestNodePackage(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		finishIn(t, mode, "../../clients/node", nil, "node", "--test", "test/")
	})
}
