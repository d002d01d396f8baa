package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/mail"
)

// serviceMetrics returns the metrics about the services. docs/reference.md
// lists all metrics.
func serviceMetrics(c *core.Core) []prometheus.Collector {
	return []prometheus.Collector{
		gauge("usher_token_cache_entries", "Tokens kept in memory.",
			func() float64 { return float64(c.Tokens.Stats().Cached) }),
		counter("usher_token_cache_hits_total", "Token look-ups answered from memory.",
			func() float64 { return float64(c.Tokens.Stats().Hits) }),
		counter("usher_token_cache_misses_total", "Token look-ups that asked the store.",
			func() float64 { return float64(c.Tokens.Stats().Misses) }),
		counter("usher_commits_total", "Durable commits; writes that wait together share one.",
			func() float64 { return float64(c.DB.Commits()) }),
		gauge("usher_database_feed_age_seconds",
			"Time since the last look at what other nodes changed; above 1, nothing cached is used. 0 without --database.",
			func() float64 { return c.DB.FeedAge().Seconds() }),
		counter("usher_database_losses_total", "Connections to the database that were lost.",
			func() float64 { return float64(c.DB.Losses()) }),
		counter("usher_webhooks_sent_total", "Webhooks that were accepted.",
			func() float64 { return float64(c.Webhooks.Stats().Sent) }),
		counter("usher_webhooks_failed_total", "Webhooks that were not accepted; most are sent again.",
			func() float64 { return float64(c.Webhooks.Stats().Failed) }),
		counter("usher_webhooks_dropped_total", "Webhooks that were given up, or not sent because too many waited.",
			func() float64 { return float64(c.Webhooks.Stats().Dropped) }),
		gauge("usher_hashing_running", "Passwords being hashed.",
			func() float64 { n, _ := c.Hashing.Load(); return float64(n) }),
		gauge("usher_hashing_waiting", "Passwords waiting to be hashed.",
			func() float64 { _, n := c.Hashing.Load(); return float64(n) }),
	}
}

// mailMetrics returns the metrics about e-mails.
func mailMetrics(m *mail.Sender) []prometheus.Collector {
	return []prometheus.Collector{
		counter("usher_emails_sent_total", "E-mails that the mail server has taken.", func() float64 { return float64(m.Counts().Sent) }),
		counter("usher_emails_failed_total", "E-mails that could not be sent.", func() float64 { return float64(m.Counts().Failed) }),
		counter("usher_emails_dropped_total", "E-mails that were not accepted, because too many waited.", func() float64 { return float64(m.Counts().Dropped) }),
	}
}

func gauge(name, help string, f func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
}

func counter(name, help string, f func() float64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f)
}
