package conformance_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/conformance"
	"github.com/usher-auth/usher/plexauthtest"
)

// usher starts the real server, and returns what checks need to know of it.
func usher(t *testing.T) (*plexauthtest.Server, conformance.Config) {
	t.Helper()
	srv := plexauthtest.New(t, plexauthtest.Config{MaxFailedSignIns: 10, Resettable: true})
	at, err := url.Parse(srv.AccountURL)
	if err != nil {
		t.Fatal(err)
	}
	return srv, conformance.Config{URL: at, AllowWrites: true, Login: srv.Admin.Username, Password: srv.Admin.Password}
}

// missing are the checks that usher skips, and why.
var missing = map[string]string{
	"security/cve-2025-69417": "the server has no shared_servers",
}

// usher keeps every rule of the table.
func TestUsherConforms(t *testing.T) {
	srv, cfg := usher(t)
	cfg.OtherToken = srv.Token(srv.Member)
	results, err := conformance.Run(t.Context(), cfg, conformance.Table())
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(conformance.Table()) {
		t.Errorf("there are %d results of %d checks", len(results), len(conformance.Table()))
	}
	for _, r := range results {
		if r.Outcome != conformance.Passed && (r.Reason != missing[r.ID] || r.Outcome != conformance.Skipped) {
			t.Errorf("%s %s: %s", r.ID, r.Outcome, r.Reason)
		}
	}
}

// Every planted fault is found by its check, which says so without a secret.
func TestPlantedFaultsAreFound(t *testing.T) {
	srv, cfg := usher(t)
	for _, f := range faults {
		t.Run(f.check+"/"+f.name, func(t *testing.T) {
			srv.Reset()
			cfg.OtherToken = srv.Token(srv.Member)
			faulty := &planted{plants: f.plants, next: http.DefaultTransport, seen: make(map[string]int)}
			cfg.Client = &http.Client{Transport: faulty}
			results, err := conformance.Run(t.Context(), cfg, only(f.check))
			if err != nil || len(results) != 1 {
				t.Fatalf("got %d results and %v", len(results), err)
			}
			r := results[0]
			if r.Outcome != conformance.Failed || r.Reason == "" {
				t.Errorf("the check %s: %q", r.Outcome, r.Reason)
			}
			if !faulty.broke {
				t.Error("the fault changed no answer")
			}
			for _, s := range append(faulty.secrets, string(cfg.Password)) {
				if strings.Contains(r.Reason, s) {
					t.Errorf("the reason has the secret %s: %s", s, r.Reason)
				}
			}
		})
	}
}

func only(id string) []conformance.Check {
	return slices.DeleteFunc(conformance.Table(), func(c conformance.Check) bool { return c.ID != id })
}

// No check is without a planted fault that it finds, and none has a name twice.
func TestEveryCheckFindsAFault(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range conformance.Table() {
		if seen[c.ID] {
			t.Errorf("two checks are called %s", c.ID)
		}
		seen[c.ID] = true
		found := false
		for _, f := range faults {
			found = found || f.check == c.ID
		}
		if !found {
			t.Errorf("no fault is planted for %s", c.ID)
		}
		if !strings.Contains(c.ID, "/") || !strings.HasSuffix(c.Says, ".") || c.Source == "" || c.Sure == "" {
			t.Errorf("the row of %s is incomplete", c.ID)
		}
	}
}
