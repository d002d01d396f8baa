package http_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// An invalid request gets a clear error in the requested format, and changes nothing. These
// requests are written as bytes, because HTTP libraries would not send most of them.

// marker is in the values of invalid requests. No response and no log may contain
// it: a value in the wrong place may be a secret.
const marker = "marker-of-a-secret"

// badRequests are invalid requests in valid HTTP, which usher answers in XML and in
// JSON. Each begins with the request line. The test adds Host, Accept and, if the
// row has none, a client identifier.
var badRequests = []struct {
	name   string
	head   []string
	body   string
	status int
	says   string // part of the message
}{
	// Invalid text.
	{"a form with bytes that are not UTF-8", post(form), "login=" + marker + "\xff\xfe&password=x", 400, "UTF-8"},
	{"a form with escaped bytes that are not UTF-8", post(form), "login=" + marker + "%ff%fe&password=x", 400, "login is not valid UTF-8"},
	{"JSON with bytes that are not UTF-8", post(asJSON), `{"login":"` + marker + "\xff" + `","password":"x"}`, 400, "UTF-8"},
	{"a query with escaped bytes that are not UTF-8", []string{"POST /api/v2/users/signin?login=%c3%28&password=" + marker}, "", 400, "login is not valid UTF-8"},
	{"a client identifier with bytes that are not UTF-8", []string{"GET /identity", "X-Plex-Client-Identifier: " + marker + "\xff"}, "", 400, "X-Plex-Client-Identifier is not valid UTF-8"},
	{"a token with bytes that are not UTF-8", []string{"GET /api/v2/user", "X-Plex-Token: " + marker + "\xff"}, "", 400, "X-Plex-Token is not valid UTF-8"},
	{"a login with an escaped NUL", post(form), "login=" + marker + "%00&password=x", 400, "login has a control character"},
	{"a password with an escaped line break", post(form), "login=olga&password=" + marker + "%0a", 400, "password has a control character"},
	{"a code with an escape character", post(form), "login=olga&password=x&verificationCode=%1b" + marker, 400, "verificationCode has a control character"},
	{"JSON with an escaped NUL", post(asJSON), `{"login":"` + marker + `\u0000","password":"x"}`, 400, "login has a control character"},
	{"JSON with half a surrogate pair", post(asJSON), `{"login":"` + marker + `\ud800","password":"` + marker + `"}`, 401, "authenticated"},
	{"a client identifier with an escaped line break", []string{"GET /identity?X-Plex-Client-Identifier=" + marker + "%0d%0aX-Plex-Token:%20a"}, "", 400, "X-Plex-Client-Identifier has a control character"},

	// Two values instead of one: two programs could read different ones.
	{"two logins in a form", post(form), "login=olga&login=" + marker + "&password=x", 400, "login is given twice"},
	{"two passwords in a form", post(form), "login=olga&password=x&password=" + marker, 400, "password is given twice"},
	{"two codes in a form", post(form), "login=olga&password=x&verificationCode=1&verificationCode=2", 400, "verificationCode is given twice"},
	{"two passwords in a query", []string{"POST /api/v2/users/signin?password=" + marker + "&password=b&login=olga"}, "", 400, "password is given twice"},
	{"two equal keys in JSON", post(asJSON), `{"login":"olga","password":"x","login":"` + marker + `"}`, 400, "login is given twice"},
	{"two tokens in headers", []string{"GET /api/v2/user", "X-Plex-Token: " + marker, "X-Plex-Token: b"}, "", 400, "X-Plex-Token is given twice"},
	{"two tokens in a query", []string{"GET /api/v2/user?X-Plex-Token=" + marker + "&X-Plex-Token=b"}, "", 400, "X-Plex-Token is given twice"},
	{"two client identifiers", []string{"POST /api/v2/users/signin", "X-Plex-Client-Identifier: a", "x-plex-client-identifier: " + marker}, "", 400, "X-Plex-Client-Identifier is given twice"},
	{"two types of a transient token", []string{"GET /security/token?type=delegation&scope=all&type=" + marker, "X-Plex-Token: $token"}, "", 400, "type is given twice"},
	{"two sources", []string{"GET /security/resources?source=server://a&source=server://" + marker, "X-Plex-Token: $token"}, "", 400, "source is given twice"},
	{"two Authorization headers", []string{"POST /users/sign_in.$suffix", "Authorization: Basic b2xnYTp4", "Authorization: Basic bWlhOng="}, "", 400, "twice"},
	{"two Content-Type headers", post(form, "Content-Type: application/json"), "login=" + marker + "&password=x", 400, "twice"},
	{"a token twice, once empty", []string{"GET /api/v2/user?X-Plex-Token=" + marker + "&X-Plex-Token="}, "", 400, "X-Plex-Token is given twice"},

	// Bodies that do not match their Content-Type.
	{"plain text", post("Content-Type: text/plain"), "login=" + marker, 415, "Content-Type"},
	{"XML", post("Content-Type: application/xml"), "<user>" + marker + "</user>", 415, "Content-Type"},
	{"a file upload", post("Content-Type: multipart/form-data; boundary=b"), "--b\r\n\r\n" + marker + "\r\n--b--\r\n", 415, "Content-Type"},
	{"an invalid type", post("Content-Type: " + marker + ";;;="), "login=olga", 415, "Content-Type"},
	{"a form that says it is JSON", post(asJSON), "login=" + marker + "&password=x", 400, "JSON"},
	{"JSON that says it is a form", post(form), `{"login":"` + marker + `","password":"x"}`, 400, "login is missing"},
	{"compressed JSON", post(asJSON, "Content-Encoding: gzip"), "\x1f\x8b\x08\x00\x00\x00\x00\x00", 415, "Content-Encoding"},
	{"a form with a bad escape", post(form), "login=" + marker + "%zz&password=x", 400, "escape"},
	{"a form with a semicolon", post(form), "login=olga;password=" + marker, 400, "semicolon"},
	{"a query with a bad escape", []string{"GET /api/v2/user?X-Plex-Token=" + marker + "%zz"}, "", 400, "escape"},
	{"a query with a semicolon", []string{"GET /api/v2/user?a=b;X-Plex-Token=" + marker}, "", 400, "semicolon"},
	{"a query with a bad escape where no token is needed", []string{"GET /identity?%"}, "", 400, "escape"},

	// JSON that is not an object of plain values.
	{"a JSON list", post(asJSON), `[{"login":"` + marker + `","password":"x"}]`, 400, "object"},
	{"a JSON text", post(asJSON), `"` + marker + `"`, 400, "object"},
	{"a JSON null", post(asJSON), `null`, 400, "login is missing"},
	{"a list for a login", post(asJSON), `{"login":["` + marker + `"],"password":"x"}`, 400, "login is missing"},
	{"an object for a login", post(asJSON), `{"login":{"a":"` + marker + `"},"password":"x"}`, 400, "login is missing"},
	{"objects 4,000 deep", post(asJSON), strings.Repeat(`{"a":`, 3000), 400, "plain values"},
	{"lists 10,000 deep", post(asJSON), `{"login":` + strings.Repeat("[", 10000), 400, "plain values"},
	{"half of a list", post(asJSON), `{"login":"olga","password":"x","a":["` + marker, 400, "JSON"},
	{"a list that ends as an object", post(asJSON), `{"login":"olga","password":"x","a":["` + marker + `"}}`, 400, "JSON"},
	{"half of an object", post(asJSON), `{"login":"` + marker + `","pass`, 400, "JSON"},
	{"an object and more", post(asJSON), `{"login":"a","password":"x"} {"login":"` + marker + `"}`, 400, "one JSON object"},
	{"a number of a thousand digits", post(asJSON), `{"login":` + strings.Repeat("9", 1000) + `,"password":"x"}`, 401, "authenticated"},
	{"an empty object", post(asJSON), `{}`, 400, "login is missing"},

	// Too much, too little.
	{"a body one byte over the limit", post(form), "login=" + marker + "&password=" + strings.Repeat("x", 16<<10+1), 413, "larger than"},
	{"a login of 5,000 letters", post(form), "login=" + strings.Repeat("x", 5000) + "&password=" + marker, 400, "login is too long"},
	{"a client identifier of 300 letters", []string{"GET /identity", "X-Plex-Client-Identifier: " + strings.Repeat("x", 300)}, "", 400, "X-Plex-Client-Identifier is too long"},
	{"a token of 5,000 letters", []string{"GET /api/v2/user", "X-Plex-Token: " + strings.Repeat("x", 5000)}, "", 400, "X-Plex-Token is too long"},
	{"a token in a form, with a line break", []string{"GET /api/v2/user", form}, "X-Plex-Token=" + marker + "%0a", 400, "X-Plex-Token has a control character"},
	{"two tokens in a form", []string{"GET /api/v2/user", form}, "X-Plex-Token=" + marker + "&X-Plex-Token=b", 400, "X-Plex-Token is given twice"},
	{"a token in an invalid form", []string{"GET /api/v2/resources", form}, "X-Plex-Token=" + marker + "%zz", 400, "escape"},
	{"no body", post(form), "", 400, "password is missing"},
	{"a body that ends before its length", post(form, "Content-Length: 1000"), "login=" + marker, 400, "before it is whole"},
	{"a chunk that ends before its length", post(form, "Transfer-Encoding: chunked"), "40\r\nlogin=" + marker, 400, "before it is whole"},
	{"a chunk without a length", post(form, "Transfer-Encoding: chunked"), marker + "\r\nlogin=" + marker + "\r\n0\r\n\r\n", 400, "body"},

	// Unknown methods, paths and values.
	{"a verb that nobody knows", []string{"BREW /api/v2/user?X-Plex-Token=" + marker}, "", 405, "method"},
	{"a verb in small letters", []string{"get /api/v2/user?X-Plex-Token=" + marker}, "", 405, "method"},
	{"a verb that is a secret", []string{strings.ToUpper(marker) + " /api/v2/user"}, "", 405, "method"},
	{"a path with a secret", []string{"GET /" + marker + "/" + marker}, "", 404, "nothing"},
	{"a path with an escaped NUL", []string{"GET /identity%00" + marker}, "", 404, "nothing"},
	{"a path that climbs", []string{"GET /../../etc/passwd?" + marker}, "", 404, "nothing"},
	{"a path that climbs, escaped", []string{"GET /%2e%2e/%2e%2e/etc/passwd"}, "", 404, "nothing"},
	{"a path with two slashes", []string{"GET //identity?" + marker}, "", 404, "nothing"},
	{"somebody else's address", []string{"GET http://example.org//identity?" + marker}, "", 404, "nothing"},
}

// The beginning of an invalid sign-in.
const (
	form   = "Content-Type: application/x-www-form-urlencoded"
	asJSON = "Content-Type: application/json"
)

func post(headers ...string) []string {
	return append([]string{"POST /api/v2/users/signin"}, headers...)
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start()
	s.signIn("token olga good")
	s.secrets.add(marker)
	before := s.everything()
	for _, format := range []struct{ suffix, accept string }{{"json", "application/json"}, {"xml", "application/xml"}} {
		for i, bad := range badRequests {
			t.Run(format.suffix+"/"+bad.name, func(t *testing.T) {
				lines := []string{bad.head[0] + " HTTP/1.1", "Host: usher", "Accept: " + format.accept}
				lines = append(lines, bad.head[1:]...)
				all := strings.ToLower(strings.Join(bad.head, "\n"))
				if !strings.Contains(all, "x-plex-client-identifier") {
					lines = append(lines, fmt.Sprintf("X-Plex-Client-Identifier: bad-%s-%d", format.suffix, i))
				}
				truncated := strings.Contains(all, "content-length") || strings.Contains(all, "transfer-encoding")
				if bad.body != "" && !truncated {
					lines = append(lines, fmt.Sprintf("Content-Length: %d", len(bad.body)))
				}
				text := strings.NewReplacer("$token", s.vars["token"], "$suffix", format.suffix).Replace(strings.Join(lines, "\r\n"))
				got := s.raw(t, strings.NewReader(text+"\r\n\r\n"+bad.body), truncated)
				got.expectError(t, format.suffix, bad.status, bad.says)
			})
		}
	}
	if after := s.everything(); after != before {
		t.Errorf("a bad request changed something\nbefore %s\nafter %s", before, after)
	}
}

// notHTTP are not HTTP requests: net/http rejects them before usher sees them.
var notHTTP = []struct {
	name    string
	request string
	status  int // 0 if the connection may also be closed without a response
}{
	{"a negative length", "POST /api/v2/users/signin HTTP/1.1\r\nHost: usher\r\nContent-Length: -1\r\n\r\n" + marker, 400},
	{"a length that is not a number", "POST /api/v2/users/signin HTTP/1.1\r\nHost: usher\r\nContent-Length: many\r\n\r\n" + marker, 400},
	{"a length with a sign", "POST /api/v2/users/signin HTTP/1.1\r\nHost: usher\r\nContent-Length: +5\r\n\r\n" + marker, 400},
	{"a length beyond all numbers", "POST /api/v2/users/signin HTTP/1.1\r\nHost: usher\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
	{"two lengths", "POST /api/v2/users/signin HTTP/1.1\r\nHost: usher\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
	{"a coding that nobody knows", "POST /api/v2/users/signin HTTP/1.1\r\nHost: usher\r\nTransfer-Encoding: zip\r\n\r\n", 501},
	{"a NUL in a header", "GET /identity HTTP/1.1\r\nHost: usher\r\nX-Plex-Product: a\x00b\r\n\r\n", 400},
	{"an escape character in a header", "GET /identity HTTP/1.1\r\nHost: usher\r\nX-Plex-Token: " + marker + "\x1b[2J\r\n\r\n", 400},
	{"a bare carriage return in a header", "GET /identity HTTP/1.1\r\nHost: usher\r\nX-Plex-Product: a\rb\r\n\r\n", 400},
	{"a header without a colon", "GET /identity HTTP/1.1\r\nHost: usher\r\n" + marker + "\r\n\r\n", 400},
	{"a header with a space in its name", "GET /identity HTTP/1.1\r\nHost: usher\r\nX-Plex-Token : " + marker + "\r\n\r\n", 400},
	{"a path with a bad escape", "GET /identity%zz?" + marker + " HTTP/1.1\r\nHost: usher\r\n\r\n", 400},
	{"a path with a control character", "GET /identity\x01 HTTP/1.1\r\nHost: usher\r\n\r\n", 400},
	{"a path with a space", "GET /identity " + marker + " HTTP/1.1\r\nHost: usher\r\n\r\n", 400},
	{"a verb with a bracket", "GE(T /identity HTTP/1.1\r\nHost: usher\r\n\r\n", 400},
	{"no host", "GET /identity HTTP/1.1\r\n\r\n", 400},
	{"two hosts", "GET /identity HTTP/1.1\r\nHost: usher\r\nHost: other\r\n\r\n", 400},
	{"a version that is not there yet", "GET /identity HTTP/9.9\r\nHost: usher\r\n\r\n", 505},
	{"an expectation that nobody knows", "GET /identity HTTP/1.1\r\nHost: usher\r\nExpect: " + marker + "\r\n\r\n", 417},
	{"a header of a megabyte", "GET /identity HTTP/1.1\r\nHost: usher\r\nX-Plex-Product: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 431},
	{"twenty thousand headers", "GET /identity HTTP/1.1\r\nHost: usher\r\n" + strings.Repeat("A: b\r\n", 20000) + "\r\n", 431},
	{"a path of a megabyte", "GET /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: usher\r\n\r\n", 431},
	{"the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
	{"the beginning of TLS", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", 400},
	{"no HTTP at all", marker + "\r\n\r\n", 400},
	{"half a request line", "GET /ident", 0},
}

func TestNotHTTP(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start()
	s.signIn("token olga good")
	s.secrets.add(marker)
	before := s.everything()
	for _, bad := range notHTTP {
		t.Run(bad.name, func(t *testing.T) {
			got := s.raw(t, strings.NewReader(bad.request), true)
			if got.err != nil && bad.status == 0 {
				return
			}
			if got.err != nil || got.status != bad.status && bad.status != 0 || got.status < 400 {
				t.Errorf("got status %d (%v), want %d", got.status, got.err, bad.status)
			}
			if strings.Contains(got.body, marker) {
				t.Errorf("the answer repeats what was sent: %s", got.body)
			}
		})
	}
	if after := s.everything(); after != before {
		t.Errorf("invalid requests changed something\nbefore %s\nafter %s", before, after)
	}
}

// tenMegabytes is a very long form.
var tenMegabytes = []byte("login=" + marker + "&password=" + strings.Repeat("x", 10<<20))

// hugeBody is a request that carries tenMegabytes.
type hugeBody struct {
	name   string
	head   []string
	status int
	suffix string // the format of the error; empty if the request is valid
}

var hugeBodies = []hugeBody{
	{"a form", []string{"POST /api/v2/users/signin.json", form, length}, 413, "json"},
	{"a form, in XML", []string{"POST /api/v2/users/signin.xml", form, length}, 413, "xml"},
	{"JSON", []string{"POST /api/v2/users/signin.json", asJSON, length}, 413, "json"},
	{"of a type that is not read", []string{"POST /api/v2/users/signin.xml", "Content-Type: text/plain", length}, 413, "xml"},
	{"in chunks", []string{"POST /api/v2/users/signin.json", form, chunked}, 413, "json"},
	{"in chunks, in XML", []string{"POST /api/v2/users/signin", form, chunked}, 413, "xml"},
	{"to the old sign-in", []string{"POST /users/sign_in", form, length}, 413, "xml"},
	{"to a path that needs no body", []string{"POST /security/token.json?type=delegation&scope=all", "X-Plex-Token: $token", length}, 200, ""},
	{"to a path that needs no body, as a form", []string{"GET /api/v2/user.json", form, "X-Plex-Token: $token", length}, 413, "json"},
	{"to a path that needs no body, in chunks of JSON", []string{"DELETE /api/v2/users/signout.xml", asJSON, "X-Plex-Token: $token", chunked}, 413, "xml"},
	{"to a path that takes another verb", []string{"PUT /api/v2/user.json", length}, 405, "json"},
	{"to a path with nothing behind it", []string{"POST /nowhere.json", chunked}, 404, "json"},
}

const chunked = "Transfer-Encoding: chunked"

var length = fmt.Sprintf("Content-Length: %d", len(tenMegabytes))

func TestHugeBodies(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start()
	s.signIn("token olga good")
	s.secrets.add(marker)
	before := s.everything()
	t.Run("sent", func(t *testing.T) { // it returns after all subtests have returned
		for _, huge := range hugeBodies {
			// Most clients read while they write. One that writes the whole
			// body first must still be able to read the error.
			for _, readsLate := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/late=%v", huge.name, readsLate), func(t *testing.T) {
					t.Parallel()
					s.sendHuge(t, huge, readsLate)
				})
			}
		}
	})
	if after := s.everything(); after != before {
		t.Errorf("a huge body changed something\nbefore %s\nafter %s", before, after)
	}
}

// sendHuge sends one huge body and checks the response.
func (s *script) sendHuge(t *testing.T, huge hugeBody, readsLate bool) {
	lines := append([]string{huge.head[0] + " HTTP/1.1", "Host: usher", "X-Plex-Client-Identifier: huge"}, huge.head[1:]...)
	text := strings.ReplaceAll(strings.Join(lines, "\r\n"), "$token", s.vars["token"]) + "\r\n\r\n"
	body := io.Reader(bytes.NewReader(tenMegabytes))
	if strings.Contains(text, chunked) {
		body = io.MultiReader(strings.NewReader(fmt.Sprintf("%x\r\n", len(tenMegabytes))), body, strings.NewReader("\r\n0\r\n\r\n"))
	}
	got := s.exchangeRaw(t, io.MultiReader(strings.NewReader(text), body), rawOptions{readsLate: readsLate})
	if huge.suffix != "" {
		got.expectError(t, huge.suffix, huge.status, "")
	} else if got.err != nil || got.status != huge.status {
		t.Errorf("got status %d (%v), want %d", got.status, got.err, huge.status)
	}
}

// A connection with an incomplete request is closed, so that many such connections do not
// block others.
func TestIncompleteRequestTimesOut(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start()
	s.signIn("token olga good")
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	send(t, conn, "GET /identity HTTP/1.1\r\nHost: usher\r\n")
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open after 20 s")
	}
}

// rawAnswer is the response on a bare connection.
type rawAnswer struct {
	answer
	err error // no response, or an incomplete one
}

type rawOptions struct {
	// halfClose closes the sending half after the request.
	halfClose bool
	// readsLate reads only after the whole request is written.
	readsLate bool
}

func (s *script) raw(t *testing.T, request io.Reader, halfClose bool) rawAnswer {
	t.Helper()
	return s.exchangeRaw(t, request, rawOptions{halfClose: halfClose})
}

// exchangeRaw sends bytes to the server, and reads one response. Then it checks that the
// connection either serves another request or is closed properly, and that the server still
// answers others.
func (s *script) exchangeRaw(t *testing.T, request io.Reader, o rawOptions) (got rawAnswer) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	written := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, request)
		if o.halfClose && err == nil {
			err = conn.(*net.TCPConn).CloseWrite()
		}
		written <- err
	}()
	if o.readsLate {
		<-written
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return rawAnswer{err: err}
	}
	body, err := io.ReadAll(resp.Body)
	got = rawAnswer{answer{status: resp.StatusCode, header: resp.Header, body: string(body), isHTTP: true}, err}
	s.secrets.addText(got.body)
	if !o.readsLate && !o.halfClose && !resp.Close {
		if err := <-written; err != nil {
			t.Errorf("the request could not be sent: %v", err)
		}
		if err := another(conn, in); err != nil {
			t.Errorf("the connection stays open and serves no other request: %v", err)
		}
	}
	if resp.Close && !o.readsLate {
		if _, err := io.Copy(io.Discard, in); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Logf("after the answer: %v", err)
		}
	}
	fresh, err := net.Dial("tcp", strings.TrimPrefix(s.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	_ = fresh.SetDeadline(time.Now().Add(20 * time.Second))
	if err := another(fresh, bufio.NewReader(fresh)); err != nil {
		t.Errorf("the server does not answer others any more: %v", err)
	}
	return got
}

// another sends a request that must be answered.
func another(conn net.Conn, in *bufio.Reader) error {
	if _, err := io.WriteString(conn, "GET /identity.json HTTP/1.1\r\nHost: usher\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || !json.Valid(body) {
		return fmt.Errorf("got status %d and %s", resp.StatusCode, body)
	}
	return err
}

// expectError checks that a response is an error with a format, a status and a
// message, and does not repeat the input.
func (got rawAnswer) expectError(t *testing.T, suffix string, status int, says string) {
	t.Helper()
	if got.err != nil {
		t.Fatalf("there is no answer: %v", got.err)
	}
	if got.status != status {
		t.Errorf("got status %d and %s, want %d", got.status, got.body, status)
	}
	var message string
	var err error
	if suffix == "json" {
		message, err = jsonError(got, status)
	} else {
		message, err = xmlError(got, status)
	}
	if err != nil {
		t.Errorf("%v, in %s", err, got.body)
	}
	if message == "" || !strings.Contains(message, says) {
		t.Errorf("got the message %q, want one that says %q", message, says)
	}
	if strings.Contains(strings.ToLower(got.body), marker) {
		t.Errorf("the answer repeats what was sent: %s", got.body)
	}
}

func jsonError(got rawAnswer, status int) (message string, err error) {
	if kind := got.header.Get("Content-Type"); kind != "application/json" {
		return "", fmt.Errorf("got Content-Type %q", kind)
	}
	if err := expectJSON(got.body, fmt.Sprintf("errors.0.status %d", status)); err != nil {
		return "", err
	}
	v, err := lookupJSON(got.body, "errors.0.message")
	return fmt.Sprint(v), err
}

func xmlError(got rawAnswer, status int) (message string, err error) {
	if kind := got.header.Get("Content-Type"); kind != "application/xml; charset=utf-8" {
		return "", fmt.Errorf("got Content-Type %q", kind)
	}
	if err := expectXML(got.body, fmt.Sprintf("/errors/error@status %d", status)); err != nil {
		return "", err
	}
	return lookupXML(got.body, "/errors/error@message")
}

// everything returns all state that a request could change, except when tokens were last
// used.
func (s *script) everything() string {
	s.t.Helper()
	var all strings.Builder
	for _, list := range []string{"token list", "account list", "server list", "provider list", "share list"} {
		s.command(list + " --json")
		if s.answer.exit != 0 {
			s.t.Fatalf("usher %s: %s", list, s.answer.body)
		}
		var rows []map[string]any
		if err := json.Unmarshal([]byte(s.answer.body), &rows); err != nil {
			s.t.Fatal(err)
		}
		for _, row := range rows {
			delete(row, "lastUsedAt")
			fmt.Fprintln(&all, list, row) // maps are printed in order of their keys
		}
	}
	return all.String()
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}
