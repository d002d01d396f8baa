package httpd

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Observer logs and counts requests. All faces of a server share one. It is safe
// for concurrent use.
type Observer struct {
	log      *slog.Logger
	now      func() time.Time
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewObserver returns an Observer that logs to log and has metrics about
// requests, the Go runtime and the process.
func NewObserver(log *slog.Logger, now func() time.Time) *Observer {
	o := &Observer{
		log: log, now: now, registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_http_requests_total", Help: "Requests answered, by path and status.",
		}, []string{"path", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "usher_http_request_duration_seconds", Help: "How long answers took, by path.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5},
		}, []string{"path"}),
	}
	o.Register(o.requests, o.duration,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return o
}

// Register adds metrics of others. It panics if a name is taken.
func (o *Observer) Register(metrics ...prometheus.Collector) { o.registry.MustRegister(metrics...) }

// Metrics returns a handler that serves all metrics in the text format of Prometheus.
func (o *Observer) Metrics() http.Handler {
	return promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{})
}

// At returns the observer of a path. The log and the metrics show the path as it is
// given here. It must not come from a request, where it may be any text.
func (o *Observer) At(path string) *PathObserver {
	return &PathObserver{Observer: o, path: path, took: o.duration.WithLabelValues(path)}
}

// Around returns a handler that logs and counts the requests to h under path, a pattern
// of http.ServeMux without a method.
func (o *Observer) Around(path string, h http.Handler) http.Handler {
	at := o.At(strings.TrimSuffix(path, "{$}"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var x Exchange
		at.Begin(&x, r)
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(rec, r)
		x.Status, x.Size = rec.status, rec.size
		at.End(&x)
	})
}

// recorder records the status and the size of a response.
type recorder struct {
	http.ResponseWriter
	status, size int
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.size += n
	return n, err
}

// Exchange is a request and its response.
type Exchange struct {
	Request *http.Request
	// Address is the client's address, without the port.
	Address string
	// Status is the status of the response, and Size the size of its body in bytes.
	Status, Size int

	start time.Time
	attrs [maxAttrs]slog.Attr // room for the log line, so that it needs no allocation
	extra int                 // number of attrs that Add has set, from ownAttrs on
}

// An Exchange has room for the attributes of every line, and for those that a face
// adds.
const (
	ownAttrs = 6
	maxAttrs = ownAttrs + 4
)

// Add adds an attribute to the log line. Its value must not be a text of the client,
// which could contain a secret. An Exchange has room for four.
func (x *Exchange) Add(a slog.Attr) {
	if ownAttrs+x.extra < maxAttrs {
		x.attrs[ownAttrs+x.extra] = a
		x.extra++
	}
}

// PathObserver is an Observer for one path. Looking up a counter by its labels costs
// more than counting, so each counter is looked up once.
type PathObserver struct {
	*Observer
	path     string
	took     prometheus.Observer
	byStatus [maxStatus]atomic.Pointer[prometheus.Counter]
}

// maxStatus is greater than every status.
const maxStatus = 600

// Begin starts the clock of an exchange.
func (p *PathObserver) Begin(x *Exchange, r *http.Request) {
	x.Request, x.Address, x.start = r, Address(r), p.now()
}

// End counts an exchange and writes its log line.
func (p *PathObserver) End(x *Exchange) {
	end := p.now()
	took := end.Sub(x.start)
	p.count(x.Status, took)
	p.logLine(x, end, took)
}

func (p *PathObserver) count(status int, took time.Duration) {
	p.took.Observe(took.Seconds())
	counter := p.byStatus[status].Load()
	if counter == nil {
		found := p.requests.WithLabelValues(p.path, strconv.Itoa(status))
		counter = &found
		p.byStatus[status].Store(counter)
	}
	(*counter).Inc()
}

// logLine writes the log line of a request. It contains no text of the client, which
// could contain a secret: no query, no header, and no path as it was sent.
func (p *PathObserver) logLine(x *Exchange, at time.Time, took time.Duration) {
	ctx := x.Request.Context()
	level := levelOf(ctx, x.Status)
	if !p.log.Enabled(ctx, level) {
		return
	}
	attrs := x.attrs[:ownAttrs+x.extra]
	attrs[0] = slog.String("method", knownMethod(x.Request.Method))
	attrs[1] = slog.String("path", p.path)
	attrs[2] = slog.Int("status", x.Status)
	attrs[3] = slog.Int("bytes", x.Size)
	attrs[4] = slog.Float64("ms", float64(took.Microseconds())/1000)
	attrs[5] = slog.String("address", x.Address)
	// The record goes directly to the handler, because a Logger would look up its
	// caller and read the clock again.
	r := slog.NewRecord(at, level, "request", 0)
	r.AddAttrs(attrs...)
	_ = p.log.Handler().Handle(ctx, r)
}

// levelOf returns the log level for a status.
func levelOf(ctx context.Context, status int) slog.Level {
	switch {
	case status < 500 || ctx.Err() != nil: // the client has disconnected
		return slog.LevelInfo
	case status == http.StatusServiceUnavailable: // overload
		return slog.LevelWarn
	}
	return slog.LevelError
}

// knownMethod keeps an invented method, which may be any text, out of the log.
func knownMethod(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}
