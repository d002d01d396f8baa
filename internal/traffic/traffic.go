// Package traffic records what programs ask of a handler: counts for a summary, and
// whole exchanges for a file that browsers' tools open.
//
// It owns the recording, the blanking of secrets in it, and the file's format. It
// does not own what is answered.
package traffic

import (
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Recorder records the requests to a handler. Its zero value counts them. It is
// safe for concurrent use.
type Recorder struct {
	mu      sync.Mutex
	hosts   map[string]map[int]int // by status
	unknown map[string]int
}

// Host is a host that requests were sent to.
type Host struct {
	// Name is the host as the requests have it.
	Name string
	// Statuses are the numbers of answers by status, in the order of the
	// statuses.
	Statuses []Status
}

// Status is a status and how often it was answered.
type Status struct{ Code, Count int }

// Around returns h with its requests recorded.
func (r *Recorder) Around(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		rec := &response{ResponseWriter: w, status: http.StatusOK}
		defer func() { r.count(req.Host, rec.status) }()
		h.ServeHTTP(rec, req)
	})
}

// count counts an answer.
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

// Unknown records that nothing answers a request.
func (r *Recorder) Unknown(req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unknown == nil {
		r.unknown = make(map[string]int)
	}
	r.unknown[req.Method+" "+req.Host+req.URL.EscapedPath()]++
}

// Hosts returns what was answered, by host.
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

// UnknownPaths returns the requests that nothing answers: method, host and path,
// without the query, which may be secret.
func (r *Recorder) UnknownPaths() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.unknown))
}

// response records the status of an answer.
type response struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
