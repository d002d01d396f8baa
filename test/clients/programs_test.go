//go:build clients

package clients_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/test/install"
)

// A program makes the calls of a program that is not a package in any registry.
type program struct {
	name    string
	command []string
}

// plexauth is the package that Home Assistant signs in with. Its folder also has PlexAPI,
// which Home Assistant and Wizarr use.
var plexauth = client{name: "plexauth", version: "0.0.6", slug: "plexauth-0.0.6", language: python}

// TestPrograms runs small programs that make the calls of Seerr, Tautulli, Home Assistant,
// authentik, Wizarr and Organizr, and read the same fields. They contain the address
// https://plex.tv, so they run in usher exec. docs/clients.md lists their calls.
func TestPrograms(t *testing.T) {
	binary := buildUsher(t)
	client := func(slug string) client {
		return published[slices.IndexFunc(published, func(c client) bool { return c.slug == slug })]
	}
	withXML := client("ctrl-plex-3.12.1")
	modules, venv := withXML.language.install(t, withXML), python.install(t, plexauth)
	py := filepath.Join(venv, ".venv", "bin", "python")
	install.Need(t, "php", "apt-get install php-cli php-curl")
	var rows []string
	for _, p := range []program{
		{"Seerr", []string{"node", "seerr.mjs", modules}},
		{"Tautulli", []string{py, "tautulli.py"}},
		{"Home Assistant", []string{py, "homeassistant.py"}},
		{"authentik", []string{py, "authentik.py"}},
		{"Wizarr", []string{py, "wizarr.py"}},
		{"Organizr", []string{"php", "organizr.php"}},
	} {
		t.Run(p.name, func(t *testing.T) {
			for line := range strings.Lines(p.run(t, binary)) {
				call, read, ok := strings.Cut(strings.TrimSpace(line), "\t")
				if !ok {
					t.Fatalf("it prints %q", line)
				}
				rows = append(rows, fmt.Sprintf("| %s | `%s` | %s |", p.name, strings.ReplaceAll(call, ", ", "`, `"), read))
			}
		})
	}
	if t.Failed() || len(rows) == 0 {
		return
	}
	text, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if table := strings.Join(rows, "\n"); !strings.Contains(string(text), "| program | calls | reads |\n|---|---|---|\n"+table+"\n\n") {
		t.Errorf("the table of programs in %s (written from document.md) is not\n%s", documentPath, table)
	}
}

// run runs the program, and returns its output.
func (p program) run(t *testing.T, binary string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scriptTimeout)
	defer cancel()
	argv := append([]string{"exec", "--scene", "scene.yaml", "--assert", "no-unknown-path", "--quiet", "--"}, p.command...)
	cmd := exec.CommandContext(ctx, binary, argv...)
	cmd.Dir = "programs"
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PLEXAPI_CONFIG_PATH="+filepath.Join(t.TempDir(), "none.ini"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}
