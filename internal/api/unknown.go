package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/usher-auth/usher/internal/missed"
)

// unknownPaths counts requests for unknown paths, by path: it shows what clients
// expect.
type unknownPaths struct {
	counter *prometheus.CounterVec
	paths   *missed.Paths
}

func newUnknownPaths(paths *missed.Paths) *unknownPaths {
	if paths == nil {
		paths = missed.New(nil)
	}
	return &unknownPaths{
		counter: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_unknown_paths_total", Help: "Requests for paths that do not exist, by path; numbers and identifiers are left out.",
		}, []string{"path"}),
		paths: paths,
	}
}

// count counts a request for a path.
func (u *unknownPaths) count(path string) { u.counter.WithLabelValues(u.paths.Count(path)).Inc() }
