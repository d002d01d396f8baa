//go:build clients

package exec_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/usher-auth/usher/test/install"
)

// finishIn runs a command in usher exec in a folder. It must succeed.
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

// The Python package is installed by pip, and its tests run in usher exec: pytest finds its
// plugin.
func TestPythonPackage(t *testing.T) {
	python := venv(t)
	target := installPython(t, python)
	tests, err := filepath.Abs("../../clients/python/tests")
	if err != nil {
		t.Fatal(err)
	}
	modes(t, func(t *testing.T, mode string) {
		finishIn(t, mode, t.TempDir(), []string{"PYTHONPATH=" + target, "PYTHONDONTWRITEBYTECODE=1"}, python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests)
	})
}

// The Node package is tested by Node's own test runner.
func TestNodePackage(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		finishIn(t, mode, "../../clients/node", nil, "node", "--test", "test/")
	})
}

// The Node package works in Jest and in Vitest after npm has installed it.
func TestNodeRunners(t *testing.T) {
	install.NPM(t, "runners")
	installed := filepath.Join("runners", "node_modules", "usher-exec")
	if err := os.RemoveAll(installed); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(installed, os.DirFS("../../clients/node")); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{
		{"node", "node_modules/jest/bin/jest.js", "--ci", "--runInBand", "signin.jest"},
		{"node", "node_modules/vitest/vitest.mjs", "run", "signin.vitest"},
	} {
		t.Run(filepath.Base(argv[1]), func(t *testing.T) {
			modes(t, func(t *testing.T, mode string) { finishIn(t, mode, "runners", nil, argv...) })
		})
	}
}

// installPython installs the Python package with pip, and returns its folder.
func installPython(t *testing.T, python string) string {
	t.Helper()
	source, target := t.TempDir(), t.TempDir() // pip leaves files next to the package
	if err := os.CopyFS(source, os.DirFS("../../clients/python")); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", target, source).CombinedOutput()
	if err != nil {
		t.Fatalf("installing clients/python: %v\n%s", err, out)
	}
	return target
}
