package server_test

import (
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/server"
)

// The dashboard and the alerts use only metrics that /metrics has, and together they use
// all of them.
func TestDeployedMetrics(t *testing.T) {
	c := coretest.New(t, core.Config{})
	s := server.New(c.Core, server.Config{})
	for _, ask := range []struct{ method, path string }{
		{http.MethodGet, "/identity"}, {http.MethodGet, "/nothing"}, {http.MethodPost, "/api/v2/users/signin?login=a&password=b&X-Plex-Client-Identifier=x"},
	} {
		answer(t, s.Handler(), ask.method, "http://localhost"+ask.path, "")
	}
	_, metrics := answer(t, s.MetricsHandler(), http.MethodGet, "http://localhost/metrics", "")
	name := regexp.MustCompile(`\busher_\w+`)
	served, used := make(map[string]bool), make(map[string]bool)
	for _, found := range name.FindAllString(metrics, -1) {
		served[found] = true
	}
	for _, file := range []string{"grafana/usher.json", "prometheus/usher.rules.yaml"} {
		text, err := os.ReadFile("../../deploy/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range name.FindAllString(string(text), -1) {
			used[found] = true
			if !served[found] {
				t.Errorf("%s names %s, which /metrics does not have", file, found)
			}
		}
	}
	for found := range served {
		base := regexp.MustCompile(`_(sum|count|bucket)$`).ReplaceAllString(found, "")
		if !used[base] && !used[base+"_bucket"] {
			t.Errorf("neither the dashboard nor an alert has %s", found)
		}
	}
}
