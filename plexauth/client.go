package plexauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// The addresses that a Client talks to when it is not told others.
const (
	defaultAccountURL = "https://plex.tv"
	defaultMediaURL   = "http://localhost:32400"
	defaultTimeout    = 30 * time.Second
	defaultProduct    = "plexauth"
	defaultUserAgent  = "plexauth (Go)"
)

// maxBody is the most that is read of an answer, in bytes.
const maxBody = 4 << 20

// Client talks to the account plane and to one media server. Only
// ClientIdentifier is required; every other field's zero value means what its
// comment says.
//
// A Client keeps no state of its own: it is safe for concurrent use, and it
// may be copied. That is how one call differs from the others — another
// server, other headers, another time-out, retries:
//
//	quick := *client
//	quick.Timeout = 2 * time.Second
//	account, err := quick.TokenDetails(ctx)
//
// Every method takes a context and ends when it ends. Every error is a *Error,
// except for those that say a Client or an argument cannot be used.
type Client struct {
	// ClientIdentifier names this installation of the program to the account
	// plane, which lists it as a device. It must stay the same from run to run:
	// LoadClientIdentifier makes and keeps one. Required.
	ClientIdentifier string

	// Token gives the token of each call. Nil: calls that need one fail with
	// ErrUnauthorized before they are sent.
	Token TokenSource

	// AccountURL is where the account plane is: http:// or https://, a host, and
	// if need be a port and a path. It has no user name and no password, since
	// addresses are shown: a proxy's go into Header. Empty: https://plex.tv.
	AccountURL string

	// MediaURL is where the media server is, in the same form. Empty:
	// http://localhost:32400.
	MediaURL string

	// HTTPClient sends the requests. Nil: http.DefaultClient. Its CheckRedirect
	// is not used: redirects are not followed, since they would carry the token
	// to another host.
	HTTPClient *http.Client

	// Retry says which failures are tried again, and how often. Nil: none.
	Retry *Retry

	// Timeout is how long one try may take, with its answer's body. Zero: 30
	// seconds. Negative: for ever, or until the context ends.
	Timeout time.Duration

	// Product is the program's name, which people see in their list of devices.
	// Empty: plexauth.
	Product string

	// The rest of what the program says of itself (X-Plex-Version and so on).
	// Empty: not said, but for Platform, which is then the operating system's
	// name.
	Version, Platform, PlatformVersion, Device, DeviceName, DeviceVendor, Model string

	// UserAgent is the User-Agent header. Empty: plexauth (Go).
	UserAgent string

	// Header is added to every request, and wins over the headers above.
	Header http.Header

	// Logger gets a line for each try, at debug level and without secrets. Nil:
	// nothing is logged.
	Logger *slog.Logger
}

// plane is which of the two services a call is for.
type plane bool

const (
	accountPlane plane = false
	mediaPlane   plane = true
)

// call is one operation's request.
type call struct {
	operation string // as the method is called
	plane     plane
	method    string
	path      string
	id        string // the end of the path, which neither an error nor the log shows
	query     string // encoded
	form      url.Values
	anonymous bool // no token is sent
	once      bool // an answer may have used something up: never repeat after one
}

// base returns the plane's address without a slash at its end.
func (c *Client) base(p plane) string {
	base := orDefault(c.AccountURL, defaultAccountURL)
	if p == mediaPlane {
		base = orDefault(c.MediaURL, defaultMediaURL)
	}
	return strings.TrimRight(base, "/")
}

func orDefault(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// response is an answer whose body has been read.
type response struct {
	status int
	header http.Header
	body   []byte
}

var (
	errNoIdentifier = errors.New("plexauth: Client.ClientIdentifier is empty; LoadClientIdentifier makes and keeps one")
	errNoToken      = errors.New("no token: sign in first, and set Client.Token")
	errTokenText    = errors.New("the token is none: it has a character that no header can carry")
)

// do sends a call, with retries, until it is answered with a status below 300.
// When the token turns out to have ended and its source can renew it, the call
// is sent once more with the new one.
func (c *Client) do(ctx context.Context, op call) (response, error) {
	if c.ClientIdentifier == "" {
		return response{}, errNoIdentifier
	}
	token, err := c.token(ctx, op)
	if err != nil {
		return response{}, err
	}
	res, err := c.retry(ctx, op, token)
	source, ok := c.Token.(renewer)
	if !ok || op.anonymous || !errors.Is(err, ErrUnauthorized) {
		return res, err
	}
	fresh, renewErr := source.renew(ctx, token)
	if renewErr != nil || fresh == token {
		return res, err
	}
	return c.retry(ctx, op, fresh)
}

// token asks the source for the token of a call that needs one.
func (c *Client) token(ctx context.Context, op call) (Secret, error) {
	if op.anonymous {
		return "", nil
	}
	if c.Token == nil {
		return "", c.failure(op, errNoToken)
	}
	token, err := c.Token.Token(ctx)
	if err != nil {
		return "", c.failure(op, fmt.Errorf("getting the token: %w", err))
	}
	if token == "" {
		return "", c.failure(op, errNoToken)
	}
	if strings.ContainsFunc(string(token), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", c.failure(op, errTokenText)
	}
	return token, nil
}

// try sends a call once.
func (c *Client) try(ctx context.Context, op call, token Secret) (response, error) {
	if c.Timeout >= 0 {
		limit := c.Timeout
		if limit == 0 {
			limit = defaultTimeout
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	req, err := c.request(ctx, op, token)
	if err != nil {
		return response{}, err
	}
	start := time.Now()
	res, err := c.send(req)
	if err == nil && (res.status < 200 || res.status > 299) {
		err = rejected(op, req.URL, res)
	} else if err != nil {
		err = unreachable(op, req, res, err)
	}
	c.log(ctx, op, res, err, time.Since(start))
	return res, err
}

// send sends one request and reads its answer.
func (c *Client) send(req *http.Request) (response, error) {
	doer := c.HTTPClient
	if doer == nil {
		doer = http.DefaultClient
	}
	plain := *doer
	plain.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := plain.Do(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	got := response{status: res.StatusCode, header: res.Header}
	got.body, err = readAll(res)
	return got, err
}

var errTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxBody)

// readAll reads a body of maxBody bytes at the most.
func readAll(res *http.Response) ([]byte, error) {
	if res.ContentLength > maxBody {
		return nil, errTooLarge
	}
	var buf bytes.Buffer
	if res.ContentLength > 0 {
		buf.Grow(int(res.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(res.Body, maxBody+1))
	if n > maxBody {
		err = errTooLarge
	}
	return buf.Bytes(), err
}

// request builds a call's request.
func (c *Client) request(ctx context.Context, op call, token Secret) (*http.Request, error) {
	var body io.Reader
	if op.form != nil {
		body = strings.NewReader(op.form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, op.method, c.target(op), body)
	// Neither error repeats the address, which may have a password in it.
	if err != nil {
		err = errNotURL
	} else {
		err = checkAddress(req.URL, op)
	}
	if err != nil {
		return nil, fmt.Errorf("plexauth: %s: the address of the %s %w", op.operation, op.plane, err)
	}
	c.identify(req.Header, token)
	if op.form != nil {
		req.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	}
	for name, values := range c.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if err := c.checkHeaders(req.Header); err != nil {
		return nil, fmt.Errorf("plexauth: %s: %w", op.operation, err)
	}
	return req, nil
}

var errHeaderName = errors.New("a name in Header is none that a header can have")

// checkHeaders finds what net/http would not send (RFC 9110, section 5), which
// is no outage. Neither error repeats what the program gave.
func (c *Client) checkHeaders(h http.Header) error {
	for name := range c.Header { // the others are ours
		if name == "" || strings.ContainsFunc(name, notInName) {
			return errHeaderName
		}
	}
	for name, values := range h {
		for _, value := range values {
			if strings.ContainsFunc(value, notInValue) {
				return fmt.Errorf("the header %s has a character that no header can carry", name)
			}
		}
	}
	return nil
}

func notInName(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
}

func notInValue(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// target is the address of a call.
func (c *Client) target(op call) string {
	target := c.base(op.plane) + op.path + op.id
	if op.query != "" {
		target += "?" + op.query
	}
	return target
}

// What is wrong with an address.
var (
	errNotURL    = errors.New("is not a URL")
	errScheme    = errors.New("does not begin with http:// or https://")
	errNoHost    = errors.New("has no host")
	errPort      = errors.New("has a port that is none")
	errUserInURL = errors.New("has a user name or password")
	errFragment  = errors.New("has a fragment")
	errQuery     = errors.New("has a query")
)

// checkAddress says what is wrong with the plane's address, by the URL that a
// call makes of it: a path behind the address is the end of its query.
func checkAddress(u *url.URL, op call) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errScheme
	case u.Hostname() == "":
		return errNoHost
	case !validPort(u.Port()):
		return errPort
	case u.User != nil:
		return errUserInURL
	case u.Fragment != "":
		return errFragment
	case u.RawQuery != op.query:
		return errQuery
	}
	return nil
}

// validPort reports whether digits, if there are any, are a port.
func validPort(digits string) bool {
	if digits == "" {
		return true
	}
	_, err := strconv.ParseUint(digits, 10, 16)
	return err == nil
}

func (p plane) String() string {
	if p == mediaPlane {
		return "media plane (Client.MediaURL)"
	}
	return "account plane (Client.AccountURL)"
}

// identify writes who is calling. The names are in canonical form.
func (c *Client) identify(h http.Header, token Secret) {
	h["Accept"] = []string{"application/json"}
	h["User-Agent"] = []string{orDefault(c.UserAgent, defaultUserAgent)}
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	set("X-Plex-Client-Identifier", c.ClientIdentifier)
	set("X-Plex-Token", string(token))
	set("X-Plex-Product", orDefault(c.Product, defaultProduct))
	set("X-Plex-Version", c.Version)
	set("X-Plex-Platform", orDefault(c.Platform, runtime.GOOS))
	set("X-Plex-Platform-Version", c.PlatformVersion)
	set("X-Plex-Device", c.Device)
	set("X-Plex-Device-Name", c.DeviceName)
	set("X-Plex-Device-Vendor", c.DeviceVendor)
	set("X-Plex-Model", c.Model)
}

// log writes the one line of a try. A query may hold a source's name and never
// a secret, and is left out all the same.
func (c *Client) log(ctx context.Context, op call, res response, err error, took time.Duration) {
	if c.Logger == nil || !c.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("operation", op.operation), slog.String("method", op.method), slog.String("path", op.path+hidden(op.id)),
		slog.Int("status", res.status), slog.Duration("took", took),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	c.Logger.LogAttrs(ctx, slog.LevelDebug, "plexauth", attrs...)
}
