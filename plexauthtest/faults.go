package plexauthtest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Fault describes a fault in responses. The zero value has no effect. The
// fields can be combined.
type Fault struct {
	// Path is the URL path of the affected requests, such as "/api/v2/user". If
	// empty, all requests are affected.
	Path string
	// Times is the number of affected requests, after which the fault is
	// removed. If zero, it stays until it is removed.
	Times int

	// Delay is added to the response time.
	Delay time.Duration
	// Drop closes the connection in the middle of the response header. The
	// client always gets an error: after a connection that was closed without a
	// response byte, net/http would resend a GET. The request does not reach
	// the server.
	Drop bool
	// Status, if not zero, is sent with Body and Header. The request does not
	// reach the server, as if a proxy in front of it had failed.
	Status int
	// Body replaces the response body. It is empty with a Status and no Body.
	Body string
	// Header sets headers of the response, for example Retry-After.
	Header map[string]string
	// Truncate, if not zero, closes the connection after that many bytes of the
	// body.
	Truncate int
}

// fault is an injected Fault.
type fault struct {
	Fault
	left int // number of requests still to affect, if Times is not zero
}

// InjectFault adds a fault, until it has affected Times requests or remove is
// called. If several faults match a request, the one that was added first
// applies.
func (s *Server) InjectFault(f Fault) (remove func()) {
	injected := &fault{f, f.Times}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, injected)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(f *fault) bool { return f == injected })
	}
}

// faultFor returns the fault for a request, or the zero value, and counts it.
func (s *Server) faultFor(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Path != "" && f.Path != r.URL.Path {
			continue
		}
		if f.left > 0 {
			if f.left--; f.left == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return f.Fault
	}
	return Fault{}
}

// Request is a recorded request.
type Request struct {
	// Method is the HTTP method.
	Method string
	// Path is the decoded URL path.
	Path string
	// Query holds the query parameters.
	Query url.Values
	// Header is the request header.
	Header http.Header
	// Body is the request body, at most 1 MiB.
	Body []byte
	// Status is the status of the response, or 0 if a fault dropped it.
	Status int
}

// Requests returns the requests since the start or the last ResetRequests, in
// the order of their responses.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ResetRequests deletes the recorded requests.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// serve applies a fault, calls the server, and records the request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the client has disconnected
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f := s.faultFor(r)
	select {
	case <-time.After(f.Delay):
	case <-r.Context().Done():
	case <-s.stopping:
		f.Drop = true
	}
	status := 0
	var ends bool
	if !f.Drop {
		res := &recorder{header: make(http.Header), status: http.StatusOK}
		res.header.Set("Date", s.Now().UTC().Format(http.TimeFormat)) // of its own clock
		if f.Status == 0 {
			ends = s.answer(res, r)
		}
		f.apply(res)
		status = res.status
		f.Drop = ends && res.body.Len() == 0
		if !f.Drop {
			defer res.copyTo(w, f.Truncate, ends)
		}
	}
	if f.Drop {
		status = 0
		defer hangUp(w)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.URL.Query(), r.Header.Clone(), body, status})
}

// apply changes a recorded response.
func (f *Fault) apply(r *recorder) {
	if f.Status != 0 {
		r.status = f.Status
	}
	if f.Body != "" {
		r.body.Reset()
		r.body.WriteString(f.Body)
	}
	r.header.Del("Content-Length")
	for name, value := range f.Header {
		r.header.Set(name, value)
	}
}

// cutOff is an incomplete response. It is not empty, because a client may
// resend a request that got no response bytes, and it is not a success.
const cutOff = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000000\r\nCut-"

// hangUp closes the connection in the middle of the response header.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_, _ = io.WriteString(conn, cutOff)
		conn.Close()
	}
}

// recorder is an http.ResponseWriter that stores the response.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// copyTo writes the response to w. If truncate is not 0, it closes the connection after
// that many bytes of the body. If ends is true, it closes it after the whole body.
func (r *recorder) copyTo(w http.ResponseWriter, truncate int, ends bool) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	body := r.body.Bytes()
	if ends || truncate > 0 && truncate < len(body) {
		if truncate > 0 && truncate < len(body) {
			body = body[:truncate]
		}
		w.Header().Set("Content-Length", "1000000")
		w.WriteHeader(r.status)
		_, _ = w.Write(body)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(body)
}
