package plexauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
)

// sentinels are the error variables of the package, by name.
var sentinels = map[string]error{
	"ErrBadRequest": plexauth.ErrBadRequest, "ErrUnauthorized": plexauth.ErrUnauthorized,
	"ErrForbidden": plexauth.ErrForbidden, "ErrNotFound": plexauth.ErrNotFound,
	"ErrVerificationRequired": plexauth.ErrVerificationRequired, "ErrPINExpired": plexauth.ErrPINExpired, "ErrTokenExpired": plexauth.ErrTokenExpired,
	"ErrHomePIN":     plexauth.ErrHomePIN,
	"ErrRateLimited": plexauth.ErrRateLimited, "ErrServer": plexauth.ErrServer, "ErrUnreachable": plexauth.ErrUnreachable,
}

const htmlPage = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"

// Each failure matches exactly the expected variables. A rejected call is never
// reported as unreachable, nor an unreachable server as a rejection.
func TestErrorKinds(t *testing.T) {
	for name, test := range map[string]struct {
		fault plexauthtest.Fault
		want  []string
		says  string
	}{
		"400":                 {plexauthtest.Fault{Status: 400}, []string{"ErrBadRequest"}, "400 Bad Request"},
		"422":                 {plexauthtest.Fault{Status: 422, Body: `{"errors":[{"code":1000,"message":"login is missing"}]}`}, []string{"ErrBadRequest"}, "login is missing"},
		"422, legacy XML":     {plexauthtest.Fault{Status: 422, Body: "<errors><error>Invalid token</error></errors>"}, []string{"ErrBadRequest", "ErrUnauthorized"}, "Invalid token"},
		"422, a text in JSON": {plexauthtest.Fault{Status: 422, Body: `{"errors":["Invalid token"]}`}, []string{"ErrBadRequest", "ErrUnauthorized"}, "Invalid token"},
		"422, version 1":      {plexauthtest.Fault{Status: 422, Body: `{"error":"invalid token."}`}, []string{"ErrBadRequest", "ErrUnauthorized"}, "invalid token."},
		"422, an object":      {plexauthtest.Fault{Status: 422, Body: `{"error":{"code":1001,"message":"no"}}`}, []string{"ErrBadRequest", "ErrUnauthorized"}, "no (code 1001)"},
		"422, a response":     {plexauthtest.Fault{Status: 422, Body: `<Response code="422" status="Invalid token"/>`}, []string{"ErrBadRequest", "ErrUnauthorized"}, "Invalid token (code 422)"},
		"400, a response":     {plexauthtest.Fault{Status: 400, Body: "<?xml version=\"1.0\"?>\n<Response code=\"400\" status=\"You share this already\"/>"}, []string{"ErrBadRequest"}, "You share this already (code 400)"},
		"400, an odd one":     {plexauthtest.Fault{Status: 400, Body: `{"Response":["x"],"error":"no"}`}, []string{"ErrBadRequest"}, "no (code 0)"},
		"422, plain text":     {plexauthtest.Fault{Status: 422, Body: "Invalid token\n"}, []string{"ErrBadRequest", "ErrUnauthorized"}, ""},
		"422, a page":         {plexauthtest.Fault{Status: 422, Body: "<html>Invalid token</html>"}, []string{"ErrBadRequest"}, ""},
		"400, the same words": {plexauthtest.Fault{Status: 400, Body: `{"error":"Invalid token"}`}, []string{"ErrBadRequest"}, ""},
		"401":                 {plexauthtest.Fault{Status: 401, Body: `{"errors":[{"code":1001,"message":"no","status":401}]}`}, []string{"ErrUnauthorized"}, "no (code 1001)"},
		"401, a page":         {plexauthtest.Fault{Status: 401, Body: htmlPage}, []string{"ErrUnauthorized"}, "401 Unauthorized"},
		"401, second factor":  {plexauthtest.Fault{Status: 401, Body: `<errors><error code="1029" message="x" status="401"/></errors>`}, []string{"ErrUnauthorized", "ErrVerificationRequired"}, "1029"},
		"401, only the words": {plexauthtest.Fault{Status: 401, Body: `{"error":"Please enter the Verification Code"}`}, []string{"ErrUnauthorized", "ErrVerificationRequired"}, ""},
		"401, too many":       {plexauthtest.Fault{Status: 401, Body: `{"errors":[{"code":"1031"}]}`}, []string{"ErrRateLimited"}, ""},
		"403":                 {plexauthtest.Fault{Status: 403}, []string{"ErrForbidden"}, ""},
		"403, a home's PIN":   {plexauthtest.Fault{Status: 403, Body: `{"errors":[{"code":1041,"message":"A valid PIN is required","status":403}]}`}, []string{"ErrForbidden", "ErrHomePIN"}, "1041"},
		"401, the same code":  {plexauthtest.Fault{Status: 401, Body: `{"errors":[{"code":1041}]}`}, []string{"ErrUnauthorized"}, ""},
		"404":                 {plexauthtest.Fault{Status: 404}, []string{"ErrNotFound"}, ""},
		"404, an old PIN":     {plexauthtest.Fault{Status: 404, Body: pinGone}, []string{"ErrNotFound", "ErrPINExpired"}, "1020"},
		"429":                 {plexauthtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "7"}}, []string{"ErrRateLimited"}, ""},
		"498":                 {plexauthtest.Fault{Status: 498}, []string{"ErrTokenExpired"}, "498"},
		"500":                 {plexauthtest.Fault{Status: 500}, []string{"ErrServer"}, ""},
		"502 from a proxy":    {plexauthtest.Fault{Status: 502, Body: htmlPage, Header: map[string]string{"Content-Type": "text/html"}}, []string{"ErrServer"}, "502 Bad Gateway"},
		"a redirect":          {plexauthtest.Fault{Status: 302, Header: map[string]string{"Location": "https://evil.example/?X-Plex-Token=secret"}}, nil, "redirected"},
		"200 but a page":      {plexauthtest.Fault{Body: htmlPage}, nil, "HTML page"},
		"200 but empty":       {plexauthtest.Fault{Status: 200}, nil, "empty"},
		"200 but nonsense":    {plexauthtest.Fault{Body: "nonsense"}, nil, "neither JSON nor XML"},
		"200 but half XML":    {plexauthtest.Fault{Body: `<user id="1"><profile>`}, nil, "neither JSON nor XML"},
		"200 but no account":  {plexauthtest.Fault{Body: `{"username":"mia"}`}, nil, "not an account"},
		"no answer":           {plexauthtest.Fault{Drop: true}, []string{"ErrUnreachable"}, ""},
		"half an answer":      {plexauthtest.Fault{Truncate: 20}, []string{"ErrUnreachable"}, "incomplete"},
		"a late answer":       {plexauthtest.Fault{Delay: time.Minute}, []string{"ErrUnreachable"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := plexauthtest.New(t, plexauthtest.Config{})
			c := srv.Client(srv.Member)
			c.Timeout = 500 * time.Millisecond
			srv.InjectFault(test.fault)
			_, err := c.TokenDetails(t.Context())
			var e *plexauth.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %T %v", err, err)
			}
			for sentinel, target := range sentinels {
				if got, want := errors.Is(err, target), strings.Contains(" "+strings.Join(test.want, " ")+" ", " "+sentinel+" "); got != want {
					t.Errorf("errors.Is(err, %s) = %v, want %v: %v", sentinel, got, want, err)
				}
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error is %q, want it to say %q", err, test.says)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "<html") {
				t.Errorf("the error reveals too much: %v", err)
			}
			if test.fault.Status > 0 && e.StatusCode != test.fault.Status {
				t.Errorf("status %d, want %d", e.StatusCode, test.fault.Status)
			}
			if e.Operation != "TokenDetails" || e.Method != "GET" || e.URL != srv.AccountURL+"/api/v2/user" {
				t.Errorf("error %+v", e)
			}
			if name == "429" && e.RetryAfter != 7*time.Second {
				t.Errorf("RetryAfter %v", e.RetryAfter)
			}
			if name == "502 from a proxy" && (string(e.Body) != htmlPage || e.Header.Get("Content-Type") != "text/html") {
				t.Errorf("body %q, header %v", e.Body, e.Header)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	c := &plexauth.Client{ClientIdentifier: "test", AccountURL: "http://" + ln.Addr().String()}
	err = c.Ping(t.Context())
	if !errors.Is(err, plexauth.ErrUnreachable) || !errors.As(err, new(*net.OpError)) {
		t.Errorf("error %v", err)
	}
}

// A call that the program cancels is not an outage. A call whose deadline
// passes is one.
func TestCancelledIsNotUnreachable(t *testing.T) {
	errShutdown := errors.New("shutting down")
	cancelled := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(2500*time.Millisecond, cancel)
		return ctx, cancel
	}
	withCause := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(2500*time.Millisecond, func() { cancel(errShutdown) })
		return ctx, func() { cancel(nil) }
	}
	deadline := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, 2500*time.Millisecond)
	}
	// The behaviour of a server that keeps a call waiting.
	hangs := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context()) // as net/http does
	}
	stops := func(r *http.Request) (*http.Response, error) {
		res := answer(200, "")
		res.ContentLength, res.Body = -1, io.NopCloser(readerFunc(func([]byte) (int, error) { _, err := hangs(r); return 0, err }))
		return res, nil
	}
	refuses := func(*http.Request) (*http.Response, error) { return nil, dialError }
	for name, test := range map[string]struct {
		until  func(context.Context) (context.Context, context.CancelFunc)
		server transport
		is     error
		not    error
	}{
		"cancelled":                         {cancelled, hangs, context.Canceled, plexauth.ErrUnreachable},
		"cancelled, with a cause":           {withCause, hangs, errShutdown, plexauth.ErrUnreachable},
		"cancelled, with a cause, as usual": {withCause, hangs, context.Canceled, plexauth.ErrUnreachable},
		"cancelled in the body":             {withCause, stops, context.Canceled, plexauth.ErrUnreachable},
		"cancelled between tries":           {cancelled, refuses, context.Canceled, plexauth.ErrUnreachable},
		"a deadline":                        {deadline, hangs, plexauth.ErrUnreachable, context.Canceled},
		"a deadline, in words":              {deadline, hangs, context.DeadlineExceeded, context.Canceled},
		"a deadline in the body":            {deadline, stops, plexauth.ErrUnreachable, context.Canceled},
		"a deadline between tries":          {deadline, refuses, plexauth.ErrUnreachable, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &plexauth.Client{ClientIdentifier: "test", HTTPClient: &http.Client{Transport: test.server}}
				c.Retry = &plexauth.Retry{ConnectionErrors: true, InitialInterval: time.Second}
				for call, do := range map[string]func(context.Context) error{
					"Ping":    c.Ping,
					"WaitPIN": func(ctx context.Context) error { _, err := c.WaitPIN(ctx, &plexauth.PIN{ID: 7}); return err },
				} {
					ctx, cancel := test.until(t.Context())
					err := do(ctx)
					cancel()
					if !errors.As(err, new(*plexauth.Error)) || !errors.Is(err, test.is) || errors.Is(err, test.not) {
						t.Errorf("%s returned %v", call, err)
					}
				}
			})
		})
	}
}

// readerFunc is a response body.
type readerFunc func([]byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// A huge body does not exhaust the memory, and Error.Body is limited.
func TestBodiesAreBounded(t *testing.T) {
	big := strings.Repeat("x", 5<<20)
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Member)
	remove := srv.InjectFault(plexauthtest.Fault{Body: big})
	if _, err := c.TokenDetails(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error %.200v", err)
	}
	remove()
	srv.InjectFault(plexauthtest.Fault{Status: 500, Body: big[:1<<20]})
	_, err := c.TokenDetails(t.Context())
	var e *plexauth.Error
	if !errors.As(err, &e) || len(e.Body) != 4<<10 {
		t.Errorf("the body has %d bytes", len(e.Body))
	}
	for padding, want := range map[int]int{60 << 10: 1, 70 << 10: 0} {
		err := scripted(new([]*http.Request), answer(400, `{"errors":[{"code":7}],"x":"`+big[:padding]+`"}`)).Ping(t.Context())
		if !errors.As(err, &e) || len(e.Details) != want {
			t.Errorf("with %d bytes more, %d details are read, want %d", padding, len(e.Details), want)
		}
	}
}

// Attack: a server redirects to another host to have the token sent there.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var stolen string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen = r.Header.Get("X-Plex-Token") }))
	defer thief.Close()
	srv := plexauthtest.New(t, plexauthtest.Config{})
	srv.InjectFault(plexauthtest.Fault{Status: 307, Header: map[string]string{"Location": thief.URL + "/api/v2/user"}})
	c := srv.Client(srv.Member)
	c.HTTPClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	if _, err := c.TokenDetails(t.Context()); err == nil || !strings.Contains(err.Error(), "redirected") {
		t.Errorf("error %v", err)
	}
	if stolen != "" {
		t.Error("the token was sent to where the server redirected to")
	}
}

// transport responds without a network, so that a synthetic clock can be used.
type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string, headers ...string) *http.Response {
	res := &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: make(http.Header), ContentLength: int64(len(body))}
	for i := 0; i+1 < len(headers); i += 2 {
		res.Header.Set(headers[i], headers[i+1])
	}
	return res
}

var dialError = &net.OpError{Op: "dial", Err: errors.New("refused")}

func TestRetry(t *testing.T) {
	const good = `{"id":1,"uuid":"u","authToken":"t"}`
	for name, test := range map[string]struct {
		retry    *plexauth.Retry
		signIn   bool
		answers  []any // an error or a response each; the last one repeats
		tries    int
		min, max time.Duration // total time
		fails    error
	}{
		"off by default":            {nil, false, []any{answer(503, "")}, 1, 0, 0, plexauth.ErrServer},
		"the default waits":         {&plexauth.Retry{}, false, []any{answer(503, ""), answer(502, ""), answer(200, good)}, 3, 937 * time.Millisecond, 1563 * time.Millisecond, nil},
		"until time is up":          {&plexauth.Retry{}, false, []any{answer(500, "")}, 0, 58 * time.Minute, time.Hour, plexauth.ErrServer},
		"no longer than MaxElapsed": {&plexauth.Retry{MaxElapsed: 10 * time.Second}, false, []any{answer(429, "")}, 0, time.Second, 10 * time.Second, plexauth.ErrRateLimited},
		"other statuses":            {&plexauth.Retry{Statuses: []int{404}}, false, []any{answer(404, ""), answer(503, "")}, 2, 375 * time.Millisecond, 625 * time.Millisecond, plexauth.ErrServer},
		"refusals are final":        {&plexauth.Retry{}, false, []any{answer(401, "")}, 1, 0, 0, plexauth.ErrUnauthorized},
		"Retry-After in seconds":    {&plexauth.Retry{}, false, []any{answer(429, "", "Retry-After", "90"), answer(200, good)}, 2, 90 * time.Second, 90 * time.Second, nil},
		"Retry-After as a date":     {&plexauth.Retry{}, false, []any{answer(503, "", "Retry-After", "Sat, 01 Jan 2000 00:01:00 GMT"), answer(200, good)}, 2, time.Minute, time.Minute, nil},
		"Retry-After too long":      {&plexauth.Retry{}, false, []any{answer(429, "", "Retry-After", "7200")}, 1, 0, 0, plexauth.ErrRateLimited},
		"Retry-After of centuries":  {&plexauth.Retry{}, false, []any{answer(429, "", "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")}, 1, 0, 0, plexauth.ErrRateLimited},
		"Retry-After of 20 digits":  {&plexauth.Retry{}, false, []any{answer(429, "", "Retry-After", "99999999999999999999")}, 1, 0, 0, plexauth.ErrRateLimited},
		"Retry-After is negative":   {&plexauth.Retry{}, false, []any{answer(429, "", "Retry-After", "-99999999999999999999"), answer(200, good)}, 2, 375 * time.Millisecond, 625 * time.Millisecond, nil},
		"Retry-After is no number":  {&plexauth.Retry{}, false, []any{answer(429, "", "Retry-After", "1.5"), answer(200, good)}, 2, 375 * time.Millisecond, 625 * time.Millisecond, nil},
		"Retry-After is over":       {&plexauth.Retry{}, false, []any{answer(429, "", "Retry-After", "Fri, 31 Dec 1999 00:00:00 GMT"), answer(200, good)}, 2, 375 * time.Millisecond, 625 * time.Millisecond, nil},
		"the server's clock":        {&plexauth.Retry{}, false, []any{answer(429, "", "Retry-After", "Sat, 28 Nov 2026 10:01:00 GMT", "Date", "Sat, 28 Nov 2026 10:00:00 GMT"), answer(200, good)}, 2, time.Minute, time.Minute, nil},
		"no answer is final":        {&plexauth.Retry{}, false, []any{io.ErrUnexpectedEOF}, 1, 0, 0, plexauth.ErrUnreachable},
		"no answer, when asked":     {&plexauth.Retry{ConnectionErrors: true}, false, []any{io.ErrUnexpectedEOF, answer(200, good)}, 2, 375 * time.Millisecond, 625 * time.Millisecond, nil},
		"a sign-in, answered":       {&plexauth.Retry{ConnectionErrors: true}, true, []any{answer(503, "")}, 1, 0, 0, plexauth.ErrServer},
		"a sign-in, answer lost":    {&plexauth.Retry{ConnectionErrors: true}, true, []any{io.ErrUnexpectedEOF}, 1, 0, 0, plexauth.ErrUnreachable},
		"a sign-in, not sent":       {&plexauth.Retry{ConnectionErrors: true}, true, []any{dialError, answer(201, good)}, 2, 375 * time.Millisecond, 625 * time.Millisecond, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				c := &plexauth.Client{ClientIdentifier: "test", Token: plexauth.StaticToken("t"), Retry: test.retry}
				c.HTTPClient = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
					next := test.answers[min(tries, len(test.answers)-1)]
					tries++
					if err, ok := next.(error); ok {
						return nil, err
					}
					return next.(*http.Response), nil
				})}
				start := time.Now()
				var err error
				if test.signIn {
					_, err = c.SignIn(t.Context(), plexauth.SignInRequest{Login: "mia", Password: "p", VerificationCode: "123456"})
				} else {
					_, err = c.TokenDetails(t.Context())
				}
				if test.fails == nil && err != nil || test.fails != nil && !errors.Is(err, test.fails) {
					t.Errorf("error %v, want %v", err, test.fails)
				}
				if test.tries != 0 && tries != test.tries {
					t.Errorf("%d tries, want %d", tries, test.tries)
				}
				if took := time.Since(start); took < test.min || took > test.max {
					t.Errorf("it took %v, want %v to %v", took, test.min, test.max)
				}
			})
		})
	}
}

// failing returns a client whose every attempt takes a while and fails, and the
// start times of its attempts.
func failing(takes time.Duration, r plexauth.Retry) (*plexauth.Client, *[]time.Time) {
	began := new([]time.Time)
	return &plexauth.Client{ClientIdentifier: "test", Retry: &r, HTTPClient: &http.Client{
		Transport: transport(func(*http.Request) (*http.Response, error) {
			*began = append(*began, time.Now())
			time.Sleep(takes)
			return answer(503, ""), nil
		}),
	}}, began
}

// MaxElapsed counts from the start of the first attempt, however long that
// takes.
func TestMaxElapsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, began := failing(8*time.Second, plexauth.Retry{MaxElapsed: 10 * time.Second})
		if err := c.Ping(t.Context()); !errors.Is(err, plexauth.ErrServer) {
			t.Error(err)
		}
		if last := (*began)[len(*began)-1].Sub((*began)[0]); len(*began) < 2 || last > 10*time.Second {
			t.Errorf("%d tries, the last one %v after the first", len(*began), last)
		}
	})
}

// No wait is longer than MaxInterval, and the longest waits are still random.
func TestMaxInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 100 * time.Millisecond
		c, began := failing(0, plexauth.Retry{InitialInterval: most, MaxInterval: most, MaxElapsed: time.Minute})
		if err := c.Ping(t.Context()); !errors.Is(err, plexauth.ErrServer) {
			t.Error(err)
		}
		waits := make(map[time.Duration]int)
		for i, at := range (*began)[1:] {
			wait := at.Sub((*began)[i])
			if waits[wait]++; wait > most || wait < most/2 {
				t.Errorf("wait %d takes %v", i, wait)
			}
		}
		if len(waits) < len(*began)/2 {
			t.Errorf("%d tries have %d waits", len(*began), len(waits))
		}
	})
}

// Without Retry, net/http still resends a GET on a kept-alive connection that was
// closed without a response byte. It does not resend a request that changes state.
func TestKeptAliveConnectionCloses(t *testing.T) {
	for name, test := range map[string]struct {
		call func(context.Context, *plexauth.Client) error
		kept bool // keep-alive is enabled
		want int  // number of requests that the server receives
	}{
		"GET":           {func(ctx context.Context, c *plexauth.Client) error { return c.Ping(ctx) }, true, 2},
		"GET, not kept": {func(ctx context.Context, c *plexauth.Client) error { return c.Ping(ctx) }, false, 1},
		"POST, a form": {func(ctx context.Context, c *plexauth.Client) error {
			_, err := c.SignIn(ctx, plexauth.SignInRequest{})
			return err
		}, true, 1},
		"POST, no body": {func(ctx context.Context, c *plexauth.Client) error {
			_, err := c.StartPIN(ctx, plexauth.PINRequest{})
			return err
		}, true, 1},
		"DELETE, signs out": {func(ctx context.Context, c *plexauth.Client) error { return c.SignOut(ctx) }, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if seen.Add(1) == 2 {
					panic(http.ErrAbortHandler)
				}
				_, _ = io.WriteString(w, `{"pong":true}`)
			}))
			defer srv.Close()
			transport := &http.Transport{DisableKeepAlives: !test.kept}
			defer transport.CloseIdleConnections()
			c := &plexauth.Client{
				ClientIdentifier: "me", AccountURL: srv.URL, Token: plexauth.StaticToken("t"),
				HTTPClient: &http.Client{Transport: transport},
			}
			if err := c.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := test.call(t.Context(), c)
			if got := int(seen.Load()) - 1; got != test.want || (err == nil) != (test.want == 2) {
				t.Errorf("the server sees it %d times, want %d: %v", got, test.want, err)
			}
			if err != nil && !errors.Is(err, plexauth.ErrUnreachable) {
				t.Errorf("got %v, want ErrUnreachable", err)
			}
		})
	}
}

// Client.Timeout limits each attempt, and not the whole call.
func TestTimeoutIsPerAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		c := &plexauth.Client{ClientIdentifier: "test", Retry: &plexauth.Retry{ConnectionErrors: true, MaxElapsed: 5 * time.Minute}}
		c.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if tries++; tries == 3 {
				return answer(200, `{"pong":true}`), nil
			}
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		})}
		start := time.Now()
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < time.Minute || took > 62*time.Second {
			t.Errorf("it took %v, want two time-outs of 30 s and two waits", took)
		}
	})
}

// Nothing that a client logs, prints or returns as an error contains a secret.
func TestSecretsStayInside(t *testing.T) {
	var logged bytes.Buffer
	srv := plexauthtest.New(t, plexauthtest.Config{})
	c := srv.Client(srv.Admin)
	c.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	token, _ := c.Token.Token(t.Context())
	account, err := c.SignIn(t.Context(), srv.Member.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	transient, err := c.TransientToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, refused := srv.AnonymousClient().SignIn(t.Context(), plexauth.SignInRequest{Login: "member", Password: "wrong password"})
	printed := fmt.Sprintf("%v %+v %#v %v %+v %v %+v %v %+v %s", c, c, *c, account, *account, transient, *transient, refused, list, logged.String())
	for name, secret := range map[string]string{
		"token": string(token), "fresh token": string(account.AuthToken), "transient": string(transient.Token),
		"password": string(srv.Member.Password), "wrong password": "wrong password", "server token": string(list[0].AccessToken),
	} {
		if secret == "" || strings.Contains(printed, secret) {
			t.Errorf("the %s is printed", name)
		}
	}
	if !strings.Contains(logged.String(), "operation=SignIn") || !strings.Contains(logged.String(), "status=201") {
		t.Errorf("the log is %s", logged.String())
	}
}

func TestParseSource(t *testing.T) {
	for text, want := range map[string]plexauth.Source{
		"server://m1": plexauth.ServerSource("m1"), "provider://tv.plex.epg": plexauth.ProviderSource("tv.plex.epg"),
	} {
		got, err := plexauth.ParseSource(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("ParseSource(%q) = %v, %v", text, got, err)
		}
	}
	if got, err := plexauth.ParseSource("server://m1/library"); err != nil || got.String() != "server://m1/library" {
		t.Errorf("a provider of a server returned %v, %v", got, err)
	}
	for _, text := range []string{"", "m1", "http://m1", "server://", "server:///x", "server://a b", "server://a/", "server://a/b/c", "server://a?b"} {
		if got, err := plexauth.ParseSource(text); err == nil {
			t.Errorf("ParseSource(%q) = %v", text, got)
		}
	}
	if diff := cmp.Diff("", plexauth.Source{}.String()); diff != "" {
		t.Error(diff)
	}
}
