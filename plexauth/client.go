package plexauth

import (
	"bytes"
	"context"
	"encoding/json"
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

// The defaults of Client's fields.
const (
	defaultAccountURL = "https://plex.tv"
	defaultMediaURL   = "http://localhost:32400"
	defaultTimeout    = 30 * time.Second
	defaultProduct    = "plexauth"
	defaultUserAgent  = "plexauth (Go)"
)

// maxBody is the size limit of a response body, in bytes.
const maxBody = 4 << 20

// Client calls the account plane (plex.tv, or usher in its place) and one media
// server (the media plane). Only ClientIdentifier is required. The zero value
// of every other field selects the default that its comment documents.
//
// A Client holds no state between calls. It is safe for concurrent use as long
// as its fields are not changed meanwhile. It may be copied, which is how to
// change the server, the headers, the timeout or the retries of one call:
//
//	quick := *client
//	quick.Timeout = 2 * time.Second
//	account, err := quick.TokenDetails(ctx)
//
// Every method that sends a request takes a context and returns soon after the
// context is cancelled. Its error is an *Error if the call failed. An invalid
// Client field or argument is reported before anything is sent, by an error of
// another type.
type Client struct {
	// ClientIdentifier identifies this installation of the program. The account
	// plane lists it as a device. Use the same value in every run:
	// LoadClientIdentifier generates one and stores it. Required.
	ClientIdentifier string

	// Token supplies the token of each call. If nil, calls that need a token
	// return ErrUnauthorized and send nothing.
	Token TokenSource

	// AccountURL is the base URL of the account plane: http:// or https://, a
	// host, and optionally a port and a path. It must not contain a user name,
	// a password, a query or a fragment, since errors show it. Put the
	// credentials of a proxy into Header. If empty, https://plex.tv is used.
	AccountURL string

	// MediaURL is the base URL of the media server, in the same form. If empty,
	// http://localhost:32400 is used.
	MediaURL string

	// HTTPClient sends the requests. If nil, http.DefaultClient is used. Its
	// CheckRedirect is ignored: a Client never follows redirects, because that
	// would send the token to another host. Connect ignores its Jar, too.
	HTTPClient *http.Client

	// Retry selects the failures that are retried. If nil, calls are not
	// retried.
	Retry *Retry

	// Timeout limits each attempt of a call, from the request to the end of the
	// response body. If zero, it is 30 seconds. If negative, only the context
	// limits an attempt.
	Timeout time.Duration

	// Product is the name of the program, which users see in their list of
	// devices (X-Plex-Product). If empty, it is "plexauth".
	Product string

	// Version is the version of the program (X-Plex-Version). If empty, the
	// header is not sent.
	Version string

	// Platform is the operating system or the environment of the program
	// (X-Plex-Platform). If empty, it is runtime.GOOS.
	Platform string

	// PlatformVersion is the version of Platform (X-Plex-Platform-Version). If
	// empty, the header is not sent.
	PlatformVersion string

	// Device is the type of the device (X-Plex-Device), such as "iPhone". If
	// empty, the header is not sent.
	Device string

	// DeviceName is the name that the user gave to the device
	// (X-Plex-Device-Name). If empty, the header is not sent.
	DeviceName string

	// DeviceVendor is the manufacturer of the device (X-Plex-Device-Vendor). If
	// empty, the header is not sent.
	DeviceVendor string

	// Model is the model of the device (X-Plex-Model). If empty, the header is
	// not sent.
	Model string

	// UserAgent is the User-Agent header. If empty, it is "plexauth (Go)".
	UserAgent string

	// Header is added to every request, except those of Connect. It overrides
	// the headers that the fields above set. Names need not be in canonical
	// form.
	Header http.Header

	// Logger receives one record for each attempt, at debug level. Records
	// contain no secrets. If nil, nothing is logged.
	Logger *slog.Logger
}

// plane selects one of the two services.
type plane bool

const (
	accountPlane plane = false
	mediaPlane   plane = true
)

// call describes the request of one operation.
type call struct {
	operation string // name of the method of Client
	plane     plane
	method    string
	path      string
	id        string // appended to path; errors and logs show it as "…"
	query     string // encoded
	form      url.Values
	json      any    // the body in place of form
	anonymous bool   // send no token
	accept    string // the media type of the response; JSON if empty
	product   string // sent in place of Client.Product
	proof     Secret // of a PIN
	// bare is set if the address may belong to another server. Nothing of the
	// program is sent: neither headers nor cookies.
	bare bool
	// noReplay is set if the request may use up a one-time code. It is then
	// retried only if no connection was established.
	noReplay bool
}

// base returns the base URL of a plane without trailing slashes.
func (c *Client) base(p plane) string {
	base := orDefault(c.AccountURL, defaultAccountURL)
	if p == mediaPlane {
		base = orDefault(c.MediaURL, defaultMediaURL)
	}
	return strings.TrimRight(base, "/")
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// response is an HTTP response with its body.
type response struct {
	status int
	header http.Header
	body   []byte
}

var (
	errNoIdentifier = errors.New("plexauth: Client.ClientIdentifier is empty; " +
		"LoadClientIdentifier generates and stores one")
	errNoToken      = errors.New("no token: sign in first, then set Client.Token")
	errInvalidToken = errors.New("invalid character in the token")
)

// do sends a call and returns its response, which has a 2xx status. It retries
// as Client.Retry says. If the token is rejected and its source can renew it,
// do sends the call once more with the new token.
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
	if !ok || op.anonymous || !errors.Is(err, ErrUnauthorized) && !errors.Is(err, ErrTokenExpired) {
		return res, err
	}
	fresh, renewErr := source.renew(ctx, op.plane, token)
	if renewErr != nil || fresh == token {
		return res, err
	}
	return c.retry(ctx, op, fresh)
}

// token returns the token of a call, and "" for an anonymous call.
func (c *Client) token(ctx context.Context, op call) (Secret, error) {
	if op.anonymous {
		return "", nil
	}
	if c.Token == nil {
		return "", c.newError(op, errNoToken)
	}
	get := c.Token.Token
	if source, ok := c.Token.(renewer); ok {
		get = func(ctx context.Context) (Secret, error) { return source.tokenFor(ctx, op.plane) }
	}
	token, err := get(ctx)
	if err != nil {
		return "", c.newError(op, fmt.Errorf("getting the token: %w", err))
	}
	if token == "" {
		return "", c.newError(op, errNoToken)
	}
	if strings.ContainsFunc(string(token), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", c.newError(op, errInvalidToken)
	}
	return token, nil
}

// attempt sends a call once.
func (c *Client) attempt(ctx context.Context, op call, token Secret) (response, error) {
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
	res, err := c.send(req, op)
	if err == nil && (res.status < 200 || res.status > 299) {
		err = statusError(op, req.URL, res)
	} else if err != nil {
		err = transportError(op, req, res, err)
	}
	c.log(ctx, op, res, err, time.Since(start))
	return res, err
}

// send sends a request and reads the response with its body.
func (c *Client) send(req *http.Request, op call) (response, error) {
	base := c.HTTPClient
	if base == nil {
		base = http.DefaultClient
	}
	client := *base
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if op.bare {
		client.Jar = nil
	}
	res, err := client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	got := response{status: res.StatusCode, header: res.Header}
	got.body, err = readAll(res)
	return got, err
}

var errTooLarge = fmt.Errorf("the response body is larger than %d bytes", maxBody)

// readAll reads a body. A body of more than maxBody bytes is an error.
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

// request builds the HTTP request of a call.
func (c *Client) request(ctx context.Context, op call, token Secret) (*http.Request, error) {
	body, err := op.body()
	if err != nil {
		return nil, fmt.Errorf("plexauth: %s: %w", op.operation, err)
	}
	req, err := http.NewRequestWithContext(ctx, op.method, c.target(op), body)
	// The address may contain a password, so no error repeats it.
	if err != nil {
		err = errNotURL
	} else {
		err = checkAddress(req.URL, op)
	}
	if err != nil {
		return nil, fmt.Errorf("plexauth: %s: the address of the %s %w", op.operation, op.plane, err)
	}
	if op.bare {
		req.Header["Accept"] = []string{"application/json"}
		req.Header["User-Agent"] = []string{defaultUserAgent}
		return req, nil
	}
	c.setHeaders(req.Header, op, token)
	if err := c.checkHeaders(req.Header); err != nil {
		return nil, fmt.Errorf("plexauth: %s: %w", op.operation, err)
	}
	return req, nil
}

// body returns the encoded body, or nil if the call has none.
func (op call) body() (io.Reader, error) {
	switch {
	case op.json != nil:
		text, err := json.Marshal(op.json)
		return bytes.NewReader(text), err
	case op.form != nil:
		return strings.NewReader(op.form.Encode()), nil
	}
	return nil, nil
}

// setHeaders sets the headers of a call. Those of Client.Header take precedence.
func (c *Client) setHeaders(h http.Header, op call, token Secret) {
	c.identify(h, token)
	if op.accept != "" {
		h["Accept"] = []string{op.accept}
	}
	if op.product != "" {
		h["X-Plex-Product"] = []string{op.product}
	}
	if op.proof != "" {
		h["X-Plex-Pin-Proof"] = []string{string(op.proof)}
	}
	if op.form != nil {
		h["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	}
	if op.json != nil {
		h["Content-Type"] = []string{"application/json"}
	}
	for name, values := range c.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
}

var errHeaderName = errors.New("invalid header name in Client.Header")

// checkHeaders rejects names and values that net/http would not send (RFC 9110,
// section 5). net/http reports them like a failed connection, and they would be
// retried. The errors contain no header values, which may be secret.
func (c *Client) checkHeaders(h http.Header) error {
	for name := range c.Header { // the names of the other headers are constants
		if name == "" || strings.ContainsFunc(name, invalidInName) {
			return errHeaderName
		}
	}
	for name, values := range h {
		for _, value := range values {
			if strings.ContainsFunc(value, invalidInValue) {
				return fmt.Errorf("invalid character in the header %s", name)
			}
		}
	}
	return nil
}

func invalidInName(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
}

func invalidInValue(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// target returns the URL of a call.
func (c *Client) target(op call) string {
	target := c.base(op.plane) + op.path + op.id
	if op.query != "" {
		target += "?" + op.query
	}
	return target
}

// Reasons why a base URL is invalid. The text follows the name of the field.
var (
	errNotURL    = errors.New("is not a URL")
	errScheme    = errors.New("does not begin with http:// or https://")
	errNoHost    = errors.New("has no host")
	errPort      = errors.New("has an invalid port")
	errUserInURL = errors.New("has a user name or password")
	errFragment  = errors.New("has a fragment")
	errQuery     = errors.New("has a query")
)

// checkAddress validates the base URL of a plane, given the URL u of a call to
// it. A query in the base URL shows up as a query of u that differs from the
// call's: the path of the call was appended to it.
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

// validPort reports whether digits is empty or a port number.
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

// identify sets the headers that describe the program and its token. It writes
// to the map directly, so names must be in canonical form.
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

// log writes the record of one attempt. The query is omitted: it may name a source,
// and has the PIN of SwitchHomeUser.
func (c *Client) log(ctx context.Context, op call, res response, err error, took time.Duration) {
	if c.Logger == nil || !c.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("operation", op.operation), slog.String("method", op.method),
		slog.String("path", op.path+redact(op.id)),
		slog.Int("status", res.status), slog.Duration("took", took),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	c.Logger.LogAttrs(ctx, slog.LevelDebug, "plexauth", attrs...)
}
