package traffic_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/traffic"
)

func TestCounts(t *testing.T) {
	var r traffic.Recorder
	h := r.Around(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/none" {
			r.Unknown(req)
			http.NotFound(w, req)
		}
	}))
	for _, u := range []string{"https://plex.tv/a?token=secret", "https://plex.tv/none?token=secret", "http://localhost:32400/", "https://plex.tv/none"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, u, nil))
	}
	want := []traffic.Host{
		{Name: "localhost:32400", Statuses: []traffic.Status{{Code: 200, Count: 1}}},
		{Name: "plex.tv", Statuses: []traffic.Status{{Code: 200, Count: 1}, {Code: 404, Count: 2}}},
	}
	if diff := cmp.Diff(want, r.Hosts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"GET plex.tv/none"}, r.UnknownPaths()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
