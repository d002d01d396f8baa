// Package traffic records the requests that programs send to a handler: counts for a
// summary, and whole exchanges for a file that browsers' tools open.
//
// It owns the recording, the redaction of secrets, the file's format, and the rules
// that the requests of a run must follow. It does not own the responses.
package traffic

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Recorder records the requests to a handler. Its zero value counts them. It is
// safe for concurrent use.
type Recorder struct {
	// Keep records whole exchanges, for WriteHAR. It must be set before the first
	// request.
	Keep bool

	mu      sync.Mutex
	hosts   map[string]map[int]int // by status
	unknown map[string]int
	kept    []exchange
	recent  recent
}

// Limits of the recording: the first exchanges, and the beginnings of bodies.
const (
	maxExchanges = 10_000
	maxBody      = 1 << 20
)

// exchange is a request and its response.
type exchange struct {
	start, end time.Time
	request    *http.Request // its body has been read
	sent       limited
	status     int
	header     http.Header
	answered   limited
}

// limited stores the beginning of what is written to it, and counts all bytes.
type limited struct {
	bytes.Buffer
	size int
}

// Write implements io.Writer. It never fails.
func (l *limited) Write(p []byte) (int, error) {
	l.size += len(p)
	if room := maxBody - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// Host is a host that requests were sent to.
type Host struct {
	// Name is the host as it is in the requests.
	Name string
	// Statuses are the numbers of responses by status, in ascending order of status.
	Statuses []Status
}

// Status is a status and the number of responses with it. Code is 0 if the connection
// ended without a response.
type Status struct{ Code, Count int }

// Around returns a handler that records the requests and passes them to h.
func (r *Recorder) Around(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		rec := &response{ResponseWriter: w, status: http.StatusOK}
		seen := newRequest(req)
		to := io.Writer(&seen.sent)
		if r.Keep {
			rec.keep = &exchange{start: time.Now(), request: req.Clone(req.Context())}
			to = io.MultiWriter(to, &rec.keep.sent)
		}
		req.Body = &readBody{req.Body, to}
		defer func() {
			ended := recover()
			if ended != nil && !rec.wrote {
				rec.status = 0
			}
			r.add(req.Host, rec)
			r.remember(seen, rec.status)
			if ended != nil {
				panic(ended) // http.ErrAbortHandler
			}
		}()
		h.ServeHTTP(rec, req)
	})
}

// add records a response.
func (r *Recorder) add(host string, rec *response) {
	r.count(host, rec.status)
	if rec.keep == nil {
		return
	}
	rec.keep.end, rec.keep.status, rec.keep.header = time.Now(), rec.status, rec.Header().Clone()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) < maxExchanges {
		r.kept = append(r.kept, *rec.keep)
	}
}

// readBody is a body that is recorded as it is read.
type readBody struct {
	io.ReadCloser
	to io.Writer
}

// Read implements io.Reader.
func (b *readBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	_, _ = b.to.Write(p[:n])
	return n, err
}

// count counts a response.
func (r *Recorder) count(host string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hosts == nil {
		r.hosts = make(map[string]map[int]int)
	}
	if r.hosts[host] == nil {
		r.hosts[host] = make(map[int]int)
	}
	r.hosts[host][status]++
}

// Unknown records a request for an unknown path.
func (r *Recorder) Unknown(req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unknown == nil {
		r.unknown = make(map[string]int)
	}
	r.unknown[req.Method+" "+req.Host+req.URL.EscapedPath()]++
}

// Hosts returns the hosts that requests were sent to, sorted by name.
func (r *Recorder) Hosts() []Host {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Host
	for _, name := range slices.Sorted(maps.Keys(r.hosts)) {
		h := Host{Name: name}
		for _, code := range slices.Sorted(maps.Keys(r.hosts[name])) {
			h.Statuses = append(h.Statuses, Status{code, r.hosts[name][code]})
		}
		list = append(list, h)
	}
	return list
}

// UnknownPaths returns the requests for unknown paths: method, host and path, without
// the query, which may be secret.
func (r *Recorder) UnknownPaths() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.unknown))
}

// response records a response.
type response struct {
	http.ResponseWriter
	status int
	wrote  bool
	keep   *exchange // nil: only counted
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	w.status, w.wrote = status, true
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	w.wrote = true
	if w.keep != nil {
		_, _ = w.keep.answered.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// Hijack implements http.Hijacker. The connection ends without a response.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status, w.wrote = 0, true
	}
	return conn, rw, err
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
