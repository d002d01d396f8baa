//go:build recipes && linux

package recipes

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/usher-auth/usher/test/http/binary"
)

// Every YAML and JSON file in deploy/ can be parsed, and has no duplicate keys.
func TestFilesCanBeRead(t *testing.T) {
	count := 0
	err := filepath.WalkDir("../../deploy", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".json":
			count++
			if !json.Valid(text) {
				t.Errorf("%s is not JSON", path)
			}
		case ".yaml", ".yml":
			count++
			dec := yaml.NewDecoder(strings.NewReader(string(text)))
			for {
				var document map[string]any
				if err := dec.Decode(&document); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Errorf("%s: %v", path, err)
					break
				}
			}
		}
		return nil
	})
	if err != nil || count < 9 {
		t.Errorf("%d files, %v", count, err)
	}
}

// The variables that recipes set are settings of usher, and their values are valid.
func TestVariables(t *testing.T) {
	compose := regexp.MustCompile(`(?m)^ +(USHER_\w+): (.+)$`).FindAllStringSubmatch(recipe(t, "compose/compose.yaml"), -1)
	kubernetes := regexp.MustCompile(`name: (USHER_\w+), value: "?([^"}]+)"?\}`).FindAllStringSubmatch(recipe(t, "kubernetes/usher.yaml"), -1)
	environment := regexp.MustCompile(`(?m)^#?(USHER_\w+)=(.+)$`).FindAllStringSubmatch(recipe(t, "systemd/usher.env"), -1)
	for name, found := range map[string][][]string{"compose": compose, "kubernetes": kubernetes, "systemd": environment} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "secret"), []byte("postgres://usher@db/usher\n"))
		var vars []string
		for _, v := range found {
			value := v[2]
			switch {
			case strings.HasPrefix(v[1], "USHER_TLS_"):
				continue // there is no certificate in this test
			case strings.HasSuffix(v[1], "_FILE"):
				value = filepath.Join(dir, "secret")
			}
			vars = append(vars, v[1]+"="+value)
		}
		if len(vars) < 3 {
			t.Errorf("%s has only %q", name, vars)
		}
		cmd := exec.CommandContext(t.Context(), usher, "config", "check")
		cmd.Env = binary.Env(vars...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		for _, v := range found {
			if !strings.Contains(string(out), v[1]) && !strings.HasPrefix(v[1], "USHER_TLS_") {
				t.Errorf("%s sets %s, which is not a setting", name, v[1])
			}
		}
	}
}

// CrowdSec counts the same requests as fail2ban.
func TestCrowdSecPaths(t *testing.T) {
	var parser struct{ Filter string }
	if err := yaml.Unmarshal([]byte(recipe(t, "crowdsec/parser.yaml")), &parser); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`in \[(.*?)\]`).FindStringSubmatch(parser.Filter)
	theirs := regexp.MustCompile(`"path":"\(\?:(.*?)\)"`).FindStringSubmatch(recipe(t, "fail2ban/filter.conf"))
	if found == nil || theirs == nil {
		t.Fatal("no paths")
	}
	paths := strings.Split(strings.ReplaceAll(found[1], "'", ""), ", ")
	if !slices.Equal(paths, strings.Split(theirs[1], "|")) {
		t.Errorf("CrowdSec has %q, fail2ban %q", paths, theirs[1])
	}
}
