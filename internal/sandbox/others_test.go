package sandbox

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Settings that lead to another run are left out, and all others stay.
func TestWithoutOthers(t *testing.T) {
	list := string(os.PathListSeparator)
	mine := environ{
		"HOME=/home/mia", "PYTHONPATH=mine" + list + "mine too", "NODE_OPTIONS=--max-old-space-size=512", "RUBYLIB=mine", "RUBYOPT=-W0",
		"JAVA_TOOL_OPTIONS=-Dmine=1", "PHP_INI_SCAN_DIR=" + list + "mine", "NOTE=" + folderPrefix + "1/x", "SSL_CERT_FILE=/mine.pem",
	}
	for _, base := range []environ{mine, {"HOME=/home/mia"}} {
		for _, name := range []string{"a folder", "folder"} {
			env := slices.Clone(base)
			for _, number := range []string{"17", "18"} {
				folder := filepath.Join(t.TempDir(), name, folderPrefix+number)
				if err := os.MkdirAll(folder, 0o700); err != nil {
					t.Fatal(err)
				}
				a, err := newAuthority(testDomains, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				r := &run{cfg: &Config{Domains: testDomains, Ports: []int{443, 32400}, Env: append(env, "JAVA_HOME=x")}, authority: a}
				if env, err = r.variables(folder, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}); err != nil {
					t.Fatal(err)
				}
			}
			got := env.without(isProxy).withoutOthers().without(func(n string) bool { return n == "JAVA_HOME" })
			want := slices.Clone(base)
			if len(base) > 1 { // it was replaced
				want = want.without(func(n string) bool { return n == "SSL_CERT_FILE" })
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff([]string(want), []string(got)); diff != "" {
				t.Errorf("in %q (-want +got):\n%s", name, diff)
			}
			if strings.Contains(strings.Join(env, "\n"), "mine") != (len(base) > 1) {
				t.Error("nothing was there before")
			}
		}
	}
}
