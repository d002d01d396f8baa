package db

import (
	"strings"
	"testing"
)

// Only PostgreSQL in a recent version is accepted: a similar database would start, and let
// the audit log fork.
func TestCheckServer(t *testing.T) {
	for _, test := range []struct{ version, encoding, cockroach, want string }{
		{"15.18 (Debian 15.18-0+deb12u1)", "UTF8", "", ""},
		{"18beta1", "UTF8", "", ""},
		{"17.5", "UTF8", "", ""},
		{"14.12", "UTF8", "", "needs 15 or newer"},
		{"9.6.24", "UTF8", "", "needs 15 or newer"},
		{"13.0.0", "UTF8", "v23.1.11", "is CockroachDB"},
		{"15.2-YB-2.25.0.0-b0", "UTF8", "", "is YugabyteDB"},
		{"15.2", "LATIN1", "", "UTF8"},
	} {
		err := checkServer(func(name string) string {
			return map[string]string{"server_version": test.version, "server_encoding": test.encoding, "crdb_version": test.cockroach}[name]
		})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %s: %v, want %q", test.version, test.encoding, err, test.want)
		}
	}
}
