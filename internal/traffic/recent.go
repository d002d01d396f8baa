package traffic

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Request is a recorded request, for a test. Secrets are not redacted.
type Request struct {
	// Start is when it arrived, by the machine's clock.
	Start time.Time
	// Method, Host, URL and Header are those of the request.
	Method, Host string
	URL          *url.URL
	Header       http.Header
	// Body is the beginning of the body.
	Body string
	// Status is the status of the response, or 0 if the connection ended without one.
	Status int
}

// Limits of the recording: the last requests, and the beginnings of their bodies.
const (
	maxRecent     = 10_000
	maxRecentBody = 64 << 10
	maxRecentSize = 32 << 20 // of all bodies
)

// recent holds the last requests.
type recent struct {
	list []Request
	size int
}

// seenRequest is a request that is being answered.
type seenRequest struct {
	Request
	sent beginning
}

// beginning stores the beginning of what is written to it.
type beginning struct{ bytes.Buffer }

// Write implements io.Writer. It never fails.
func (b *beginning) Write(p []byte) (int, error) {
	if room := maxRecentBody - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func newRequest(r *http.Request) *seenRequest {
	u := *r.URL
	return &seenRequest{Request: Request{
		Start: time.Now(), Method: r.Method, Host: r.Host, URL: &u, Header: r.Header.Clone(),
	}}
}

// remember adds an answered request.
func (r *Recorder) remember(s *seenRequest, status int) {
	s.Body, s.Status = s.sent.String(), status
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent.list = append(r.recent.list, s.Request)
	r.recent.size += len(s.Body)
	for len(r.recent.list) > maxRecent || r.recent.size > maxRecentSize {
		oldest := len(r.recent.list)/10 + 1 // many together, so that most requests do not move the list
		for _, old := range r.recent.list[:oldest] {
			r.recent.size -= len(old.Body)
		}
		r.recent.list = slices.Delete(r.recent.list, 0, oldest)
	}
}

// Requests returns the last requests, in the order of their responses.
func (r *Recorder) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.recent.list)
}

// Forget deletes the requests that Requests returns. The counts and the archive still
// cover the whole run.
func (r *Recorder) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent = recent{}
}
