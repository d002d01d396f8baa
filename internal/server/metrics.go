package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/guard"
)

// metrics are what an operator may want to see. docs/operations.md lists them.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	signIns  *prometheus.CounterVec
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_http_requests_total", Help: "Requests answered, by path and status.",
		}, []string{"path", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "usher_http_request_duration_seconds", Help: "How long answers took, by path.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5},
		}, []string{"path"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_sign_ins_total", Help: "Sign-ins, by result.",
		}, []string{"result"}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.signIns,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("usher_token_cache_entries", "Tokens kept in memory.", func() float64 { return float64(s.Tokens.Stats().Cached) }),
		counter("usher_token_cache_hits_total", "Token look-ups answered from memory.", func() float64 { return float64(s.Tokens.Stats().Hits) }),
		counter("usher_token_cache_misses_total", "Token look-ups that asked the store.", func() float64 { return float64(s.Tokens.Stats().Misses) }),
		counter("usher_commits_total", "Durable commits; writes that wait together share one.", func() float64 { return float64(s.Store.Commits()) }),
		gauge("usher_hashing_running", "Passwords being hashed.", func() float64 { n, _ := s.Hashing.Load(); return float64(n) }),
		gauge("usher_hashing_waiting", "Passwords waiting to be hashed.", func() float64 { _, n := s.Hashing.Load(); return float64(n) }),
	)
	return m
}

func gauge(name, help string, f func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
}

func counter(name, help string, f func() float64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f)
}

// pathMetrics counts the answers of one path. Finding a counter by its labels
// costs more than counting, so each is found once.
type pathMetrics struct {
	*metrics
	path     string
	took     prometheus.Observer
	byStatus [maxStatus]atomic.Pointer[prometheus.Counter]
}

// maxStatus is beyond every status that is answered.
const maxStatus = 600

func (m *metrics) of(path string) *pathMetrics {
	return &pathMetrics{metrics: m, path: path, took: m.duration.WithLabelValues(path)}
}

// observe counts one answer.
func (m *pathMetrics) observe(status int, took time.Duration) {
	m.took.Observe(took.Seconds())
	counter := m.byStatus[status].Load()
	if counter == nil {
		found := m.requests.WithLabelValues(m.path, strconv.Itoa(status))
		counter = &found
		m.byStatus[status].Store(counter)
	}
	(*counter).Inc()
}

// signIn counts one sign-in by how it ended.
func (m *metrics) signIn(err error) {
	result := "failed"
	switch {
	case err == nil:
		result = "good"
	case errors.Is(err, account.ErrCredentials):
		result = "wrong"
	case errors.Is(err, account.ErrCode):
		result = "code"
	case errors.Is(err, guard.ErrBusy):
		result = "busy"
	case errors.Is(err, account.ErrRateLimited):
		result = "limited"
	case errors.Is(err, context.Canceled): // whoever asked has hung up
		result = "ended"
	}
	m.signIns.WithLabelValues(result).Inc()
}

// MetricsHandler answers /metrics, /healthz and /readyz, for a listener of its
// own.
func (s *Server) MetricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.ready)
	return mux
}
