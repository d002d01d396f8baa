package control_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/usher-auth/usher/internal/control"
)

// The packages that control usher have its version, everywhere they state one.
func TestClientVersions(t *testing.T) {
	for file, pattern := range map[string]string{
		"python/pyproject.toml":             `(?m)^version = "(.*)"$`,
		"python/src/usher_exec/__init__.py": `(?m)^__version__ = "(.*)"$`,
		"node/package.json":                 `(?m)^  "version": "(.*)",$`,
		"node/index.js":                     `(?m)^const version = '(.*)'$`,
	} {
		text, err := os.ReadFile("../../clients/" + file)
		if err != nil {
			t.Error(err)
			continue
		}
		m := regexp.MustCompile(pattern).FindSubmatch(text)
		if m == nil || string(m[1]) != control.ClientVersion {
			t.Errorf("clients/%s has the version %q, want %s", file, m, control.ClientVersion)
		}
	}
	w := newFixture(t)
	var about struct{ Version, Clients string }
	w.must("GET", "/", "", &about)
	if about.Version != "1.2.3" || about.Clients != control.ClientVersion {
		t.Errorf("the answer is %+v", about)
	}
}
