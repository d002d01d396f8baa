package plexauthtest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Fault is trouble with some requests. Its zero value does nothing.
type Fault struct {
	// Path is which requests it hits, "/api/v2/user". Empty: all.
	Path string
	// Times is how many requests it hits before it is over. Zero: every one,
	// until it is taken away.
	Times int

	// Delay is how long the answer takes longer.
	Delay time.Duration
	// Drop breaks the connection off within the answer's headers, which is an
	// error to the caller each time: where one closes without a byte, a client
	// may send the request again by itself, as net/http does with a GET on a
	// connection that it kept alive. The server does not get the request.
	Drop bool
	// Status, if not 0, is answered with Body and Header, and the server does
	// not get the request, as when a proxy before it fails.
	Status int
	// Body is answered with Status or, without one, in place of the server's
	// body.
	Body string
	// Header is added to the answer: Retry-After, Content-Type.
	Header map[string]string
	// Truncate, if not 0, cuts the answer off after so many bytes of its body.
	Truncate int
}

type fault struct {
	Fault
	left int
}

// Fail lets a fault happen until it is over or remove is called. Of several
// that hit a request, the first one happens.
func (s *Server) InjectFault(f Fault) (remove func()) {
	happening := &fault{f, f.Times}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, happening)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(f *fault) bool { return f == happening })
	}
}

// faultFor takes the fault that hits a request, if there is one.
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

// Request is a request as it came in, and what it was answered.
type Request struct {
	Method string
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
	// Status is 0 when the connection was dropped.
	Status int
}

// Requests returns every request since the start or the last ResetRequests, in the
// order in which they were answered.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ResetRequests empties the record of requests.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// serve answers a request by way of the faults and the record.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the caller has gone
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
	if !f.Drop {
		answer := &recorder{header: make(http.Header), status: http.StatusOK}
		if f.Status == 0 {
			s.current.Load().handler.ServeHTTP(answer, r)
		}
		f.change(answer)
		status = answer.status
		defer answer.copyTo(w, f.Truncate)
	} else {
		defer hangUp(w)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.URL.Query(), r.Header.Clone(), body, status})
}

// change puts the fault's answer in place of the server's.
func (f *Fault) change(a *recorder) {
	if f.Status != 0 {
		a.status = f.Status
	}
	if f.Body != "" {
		a.body.Reset()
		a.body.WriteString(f.Body)
	}
	a.header.Del("Content-Length")
	for name, value := range f.Header {
		a.header.Set(name, value)
	}
}

// cutOff is where an answer breaks off. There is enough of it that no client
// asks again because it got nothing, and too little for a success.
const cutOff = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000000\r\nCut-"

// hangUp closes a connection in the middle of a header.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_, _ = io.WriteString(conn, cutOff)
		conn.Close()
	}
}

// recorder keeps an answer, so that a fault can change it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *recorder) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *recorder) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *recorder) Write(p []byte) (int, error) { return a.body.Write(p) }

// copyTo sends the answer, cut off after truncate bytes unless that is 0.
func (a *recorder) copyTo(w http.ResponseWriter, truncate int) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	body := a.body.Bytes()
	if truncate > 0 && truncate < len(body) {
		w.Header().Set("Content-Length", "1000000")
		w.WriteHeader(a.status)
		_, _ = w.Write(body[:truncate])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}
