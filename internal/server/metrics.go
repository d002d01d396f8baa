package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/httpd"
)

// newObserver returns the observer of all requests, with metrics about the
// services. docs/operations.md lists them all.
func (s *Server) newObserver() *httpd.Observer {
	o := httpd.NewObserver(s.Logger, s.Now)
	o.Register(
		gauge("usher_token_cache_entries", "Tokens kept in memory.", func() float64 { return float64(s.Tokens.Stats().Cached) }),
		counter("usher_token_cache_hits_total", "Token look-ups answered from memory.", func() float64 { return float64(s.Tokens.Stats().Hits) }),
		counter("usher_token_cache_misses_total", "Token look-ups that asked the store.", func() float64 { return float64(s.Tokens.Stats().Misses) }),
		counter("usher_commits_total", "Durable commits; writes that wait together share one.", func() float64 { return float64(s.Store.Commits()) }),
		gauge("usher_hashing_running", "Passwords being hashed.", func() float64 { n, _ := s.Hashing.Load(); return float64(n) }),
		gauge("usher_hashing_waiting", "Passwords waiting to be hashed.", func() float64 { _, n := s.Hashing.Load(); return float64(n) }),
	)
	return o
}

func gauge(name, help string, f func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
}

func counter(name, help string, f func() float64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f)
}

// newSignInCounter returns the metric of sign-ins.
func newSignInCounter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "usher_sign_ins_total", Help: "Sign-ins, by result.",
	}, []string{"result"})
}

// signIn counts one sign-in by how it ended.
func (s *Server) countSignIn(err error) {
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
	s.signIns.WithLabelValues(result).Inc()
}

// MetricsHandler answers /metrics, /healthz and /readyz, for a listener of its
// own.
func (s *Server) MetricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.observer.Metrics())
	s.health().Mount(mux)
	return mux
}

func (s *Server) health() httpd.Health { return httpd.Health{Ping: s.Store.Ping, Logger: s.Logger} }
