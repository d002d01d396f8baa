package trouble

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/wire"
)

// call is a request that a fault affects.
type call struct {
	in     *Injector
	fault  Fault
	w      http.ResponseWriter
	header http.Header // of the response
	r      *http.Request
}

// pass sends the usual response.
func (c *call) pass() { c.in.serve(c.in.Next, c.w, c.r) }

// text sends a text.
func (c *call) text(status int, kind, text string) {
	// A client could take the rest of the request body for the next request.
	_, _ = io.Copy(io.Discard, io.LimitReader(c.r.Body, maxDiscard))
	c.header.Set("Content-Type", kind)
	c.header.Set("Content-Length", strconv.Itoa(len(text)))
	c.header.Set("Date", c.in.now().UTC().Format(http.TimeFormat))
	c.w.WriteHeader(status)
	_, _ = io.WriteString(c.w, text)
}

// maxDiscard is the number of bytes of an unused request body that are read.
const maxDiscard = 1 << 20

// page sends an HTML page, like a proxy in front of the service.
func (c *call) page(status int, title string) {
	c.text(status, "text/html; charset=utf-8", fmt.Sprintf("<html>\r\n<head><title>%s</title></head>\r\n"+
		"<body>\r\n<center><h1>%[1]s</h1></center>\r\n</body>\r\n</html>\r\n", title))
}

// fail sends an error in the format that the request asks for.
func (c *call) fail(status, code int, message string) {
	f := c.format()
	body, err := wire.Error{Code: code, Message: message, Status: status}.Append(nil, f, 0)
	if err != nil {
		body = nil // it has nothing that can fail
	}
	c.text(status, f.ContentType(), string(body))
}

// format returns the format that the request asks for.
func (c *call) format() wire.Format {
	switch {
	case strings.HasSuffix(c.r.URL.Path, ".json"), strings.HasPrefix(c.r.URL.Path, "/api/v2/auth/"):
		return wire.JSON
	case strings.HasSuffix(c.r.URL.Path, ".xml"):
		return wire.XML
	}
	return wire.Negotiate(strings.Join(c.r.Header.Values("Accept"), ","), wire.VariantOf(c.r.UserAgent()))
}

// wait waits for the duration of the fault. It returns false if the client disconnected
// first.
func (c *call) wait() bool {
	t := time.NewTimer(c.fault.duration())
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.r.Context().Done():
		return false
	}
}

// answered is a recorded response.
type answered struct {
	header http.Header
	status int
	body   []byte
}

// record returns the usual response.
func (c *call) record() *answered {
	rec := &recorder{header: make(http.Header), status: http.StatusOK}
	c.in.serve(c.in.Next, rec, c.r)
	return rec.answered()
}

// write sends a recorded response.
func (c *call) write(a *answered) {
	for name, values := range a.header {
		c.header[name] = values
	}
	c.w.WriteHeader(a.status)
	_, _ = c.w.Write(a.body)
}

// cut sends half of a response, and closes the connection.
func (c *call) cut(a *answered) {
	a.header.Set("Content-Length", strconv.Itoa(len(a.body)+1))
	a.body = a.body[:len(a.body)/2]
	c.write(a)
	_ = http.NewResponseController(c.w).Flush()
	panic(http.ErrAbortHandler)
}

// cutOff is an incomplete HTTP/1.1 response. It is not empty, because clients may
// resend a request that got no response bytes, and it is not a success.
const cutOff = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000000\r\nCut-"

// hangUp closes the connection, or the HTTP/2 stream, without a response.
func (c *call) hangUp() {
	conn, _, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(conn, cutOff)
	_ = conn.Close()
}

// skew responds with a skewed clock. Other requests, which have the usual clock, wait until
// then.
func (c *call) skew() {
	d := c.fault.duration()
	if c.in.Skew == nil {
		a := c.record()
		a.header.Set("Date", c.in.now().Add(d).UTC().Format(http.TimeFormat))
		c.write(a)
		return
	}
	rec := &recorder{header: make(http.Header), status: http.StatusOK}
	c.in.turn.Lock()
	defer func() { c.write(rec.answered()) }() // once the lock is released
	defer c.in.turn.Unlock()
	c.in.Skew(d, func() {
		c.in.Next.ServeHTTP(rec, c.r)
		rec.header.Set("Date", c.in.now().UTC().Format(http.TimeFormat))
	})
}

// asXML changes the request so that it asks for XML.
func (c *call) asXML() {
	c.r = c.r.Clone(c.r.Context())
	c.r.Header.Set("Accept", "application/xml")
	if path, ok := strings.CutSuffix(c.r.URL.Path, ".json"); ok {
		c.r.URL.Path, c.r.URL.RawPath = path+".xml", ""
	}
}

// acceptJWT responds like a media server that accepts JWTs.
func (c *call) acceptJWT() {
	if c.in.AcceptsJWT == nil {
		c.pass()
		return
	}
	c.in.serve(c.in.AcceptsJWT, c.w, c.r)
}

// recorder is an http.ResponseWriter that stores the response.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

// answered returns the recorded response.
func (r *recorder) answered() *answered {
	r.header.Del("Content-Length")
	return &answered{r.header, r.status, r.body.Bytes()}
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	return r.body.Write(p)
}
