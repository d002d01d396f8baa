package plexauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// PINRequest holds the options of Client.StartPIN. The zero value requests a
// code that a user can type.
type PINRequest struct {
	// Strong requests a code of 25 characters that is valid for 30 minutes, to
	// be used in a link (see Client.AuthURL): the real service has no page to
	// type it. Otherwise the code has four letters and digits, is valid for 15
	// minutes, and is typed by the user. Known servers use these lengths and
	// times.
	Strong bool
	// ForwardURL is for web programs: the absolute URL that the browser returns to
	// when the user has decided. Pass the same URL to AuthURL. It asks the server
	// to bind the sign-in to the browser of the user who allows it. usher then adds
	// a proof to ForwardURL, and returns the token only in exchange for the proof
	// (see PIN.WithProof). A server without this feature ignores ForwardURL, and
	// leaves PIN.ForwardURL empty. Leave it empty if no browser returns.
	ForwardURL string
	// Key is the key of this device. If it is set, WaitPIN returns a JWT for the
	// key in place of a token (see JWTSource). A key belongs to one client
	// identifier: a program with another one needs another key.
	Key *DeviceKey
}

// PIN is a pending sign-in that the user completes in a browser, on any device.
// It can be stored, for example as JSON, and passed to WaitPIN later, also by
// another process with the same ClientIdentifier. No method changes it, so
// several goroutines can use it at the same time.
type PIN struct {
	// ID identifies the PIN in requests for its token. Keep it secret: together
	// with the ClientIdentifier it gives access to the token.
	ID int64
	// Code is the code that the user types, or that the link contains.
	Code string
	// QR is the URL of a QR code image that leads to the page for the code, for
	// use in a web page. It is empty if the server sent none. Client.QRCode
	// returns the image.
	QR string
	// ClientIdentifier identifies the client that requested the PIN.
	ClientIdentifier string
	// ExpiresIn is the remaining lifetime of the code when the server sent the
	// PIN. If the server sends none, it is 15 minutes. It is at most 24 hours.
	ExpiresIn time.Duration
	// ExpiresAt is when the code expires, by the local clock. If it is zero,
	// WaitPIN waits until the server reports that the PIN has expired.
	ExpiresAt time.Time
	// Trusted reports whether the server trusts the client of the PIN. The
	// public API documentation does not say more.
	Trusted bool
	// Location is where the server locates the network address that requested
	// the PIN. Show it to the user who is about to allow access. It is zero if
	// the server sent none.
	Location Location
	// ForwardURL is set if the server adds a proof to this URL, and requires it:
	// it sends no token for a PIN without Proof. It is empty if the server adds
	// none, or if PINRequest.ForwardURL was empty.
	ForwardURL string
	// Proof is the proof that WithProof read. WaitPIN and CheckPIN send it. It is
	// not part of the JSON form.
	Proof Secret `json:"-"`
	// AuthToken is the new token. It is empty until the user has completed the
	// sign-in, so only CheckPIN sets it. It is not part of the JSON form.
	AuthToken Secret `json:"-"`
	// NewRegistration reports whether the user created the account during this
	// sign-in. It is false until the sign-in is complete, so only CheckPIN sets
	// it.
	NewRegistration bool
	// Key is PINRequest.Key. It is not part of the JSON form: set it again on a
	// PIN that was stored.
	Key *DeviceKey `json:"-"`

	// skew is how far the clock of the server is ahead.
	skew time.Duration
	// raw may contain the token. See Account.raw.
	raw *[]byte
}

// proofParameter is the parameter with the proof in the query of a ForwardURL.
const proofParameter = "pinProof"

// maxProof exceeds the size of every real proof.
const maxProof = 255

// WithProof returns a copy of the PIN with the proof from returned, the URL that the
// browser requested when it returned to PINRequest.ForwardURL. If the URL has no valid
// proof, Proof of the copy is empty. The proof shows that the user allowed access in
// the browser that sent this request. The program must also check that the same
// browser started the sign-in. Package login does both.
//
// The server accepts a proof once: CheckPIN or WaitPIN returns the token, and
// the error of further calls is ErrPINExpired.
func (p *PIN) WithProof(returned *url.URL) *PIN {
	proven := *p
	proven.Proof = ""
	values := returned.Query()[proofParameter]
	if len(values) == 1 && len(values[0]) <= maxProof && !strings.ContainsFunc(values[0], invalidInCode) {
		proven.Proof = Secret(values[0])
	}
	return &proven
}

// Raw returns the document as the server sent it, in JSON or XML, or nil for a
// PIN that did not come from a server, such as a stored one. Use it for values
// that have no field. It contains the ID, and may contain the token. The caller
// must not modify it.
func (p *PIN) Raw() []byte {
	if p.raw == nil {
		return nil
	}
	return *p.raw
}

// Location is the place of a network address, as a server guesses it. A server
// may send any part of it.
type Location struct {
	// Code is a two-letter country code.
	Code string
	// Country is the name of the country.
	Country string
	// City is the name of the city.
	City string
	// Subdivisions are the names of the region, from the largest to the
	// smallest.
	Subdivisions string
	// PostalCode is the postal code.
	PostalCode string
	// Coordinates are latitude and longitude in degrees, separated by a comma.
	Coordinates string
	// TimeZone is the IANA name of the time zone, such as "Europe/Berlin".
	TimeZone string
	// ContinentCode is a two-letter code of the continent.
	ContinentCode string
	// EuropeanUnionMember reports whether the country is in the European Union.
	EuropeanUnionMember bool
	// InPrivacyRestrictedCountry reports whether the country has a privacy law
	// that the service observes.
	InPrivacyRestrictedCountry bool
	// InPrivacyRestrictedRegion reports the same of the region.
	InPrivacyRestrictedRegion bool
}

// locationDocument is the wire form of a Location.
type locationDocument struct {
	Code                       text
	Country                    text
	City                       text
	Subdivisions               text
	PostalCode                 text `json:"postal_code"`
	Coordinates                text
	TimeZone                   text    `json:"time_zone"`
	ContinentCode              text    `json:"continent_code"`
	EuropeanUnionMember        boolean `json:"european_union_member"`
	InPrivacyRestrictedCountry boolean `json:"in_privacy_restricted_country"`
	InPrivacyRestrictedRegion  boolean `json:"in_privacy_restricted_region"`
}

func (d *locationDocument) location() Location {
	return Location{
		Code: string(d.Code), Country: string(d.Country), City: string(d.City), Subdivisions: string(d.Subdivisions),
		PostalCode: string(d.PostalCode), Coordinates: string(d.Coordinates), TimeZone: string(d.TimeZone),
		ContinentCode: string(d.ContinentCode), EuropeanUnionMember: bool(d.EuropeanUnionMember),
		InPrivacyRestrictedCountry: bool(d.InPrivacyRestrictedCountry),
		InPrivacyRestrictedRegion:  bool(d.InPrivacyRestrictedRegion),
	}
}

// pinDocument is the wire form of a PIN.
type pinDocument struct {
	ID               number
	Code             text
	QR               text
	ClientIdentifier text
	ExpiresIn        number
	Trusted          boolean
	Location         object[locationDocument]
	AuthToken        text
	NewRegistration  boolean
	ProofURL         text
}

// The lifetime and the polling interval of a PIN, if the server sends none.
const (
	defaultPINLifetime = 15 * time.Minute
	defaultPINInterval = time.Second
)

// maxPINLifetime exceeds every real lifetime. It prevents an overflow if the
// server sends a huge number.
const maxPINLifetime = 24 * time.Hour

var errNoPIN = errors.New("the response is not a PIN: it has no id or no code")

// StartPIN starts a sign-in in which this program sees no password. Show the
// user the code and the page to enter it (LinkURL), or open AuthURL in a
// browser. Then call WaitPIN. StartPIN sends POST /api/v2/pins without a token.
//
// The error is ErrRateLimited if too many PINs were requested from this network
// address.
func (c *Client) StartPIN(ctx context.Context, in PINRequest) (*PIN, error) {
	op := call{
		operation: "StartPIN", method: http.MethodPost, path: "/api/v2/pins",
		query: "strong=" + strconv.FormatBool(in.Strong), anonymous: true,
	}
	if in.ForwardURL != "" {
		op.form = url.Values{"proofUrl": {in.ForwardURL}}
	}
	if in.Key != nil {
		body := map[string]any{"jwk": in.Key.jwk(), "strong": in.Strong}
		if in.ForwardURL != "" {
			body["proofUrl"] = in.ForwardURL
		}
		op.form, op.json = nil, body
	}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	pin, err := c.readPIN(res.body)
	if err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	pin.Key, pin.skew = in.Key, clockSkew(res.header, time.Now())
	return pin, nil
}

// readPIN decodes a PIN from a response body.
func (c *Client) readPIN(body []byte) (*PIN, error) {
	d, err := decodeWrapped[pinDocument](body, inPIN)
	if err != nil {
		return nil, err
	}
	if d.ID <= 0 || d.Code == "" {
		return nil, errNoPIN
	}
	lifetime := defaultPINLifetime
	if d.ExpiresIn > 0 {
		seconds := min(d.ExpiresIn, number(maxPINLifetime/time.Second))
		lifetime = time.Duration(seconds) * time.Second
	}
	return &PIN{
		ID: int64(d.ID), Code: string(d.Code), QR: string(d.QR),
		ClientIdentifier: orDefault(string(d.ClientIdentifier), c.ClientIdentifier),
		// The expiresAt of the server is by its clock, which may differ from
		// ours.
		ExpiresIn: lifetime, ExpiresAt: time.Now().Add(lifetime),
		Trusted: bool(d.Trusted), Location: d.Location.value.location(), ForwardURL: string(d.ProofURL),
		AuthToken: Secret(d.AuthToken), NewRegistration: bool(d.NewRegistration), raw: &body,
	}, nil
}

// CheckPIN requests the state of a PIN once, for a program that has its own polling loop
// instead of WaitPIN: poll at most once a second. The sign-in is complete when
// AuthToken of the result is not empty. CheckPIN changes neither pin nor
// Client.Token, and sends no token. If the ForwardURL of the PIN is not empty, it
// needs a Proof.
//
// The error is ErrPINExpired if the PIN expired or the user denied access.
func (c *Client) CheckPIN(ctx context.Context, pin *PIN) (*PIN, error) {
	op := c.pollOf(pin)
	op.operation = "CheckPIN"
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	got, err := c.readPIN(res.body)
	if err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	got.Key, got.skew = pin.Key, pin.skew
	return got, nil
}

// pollOf returns the call that requests the state of a PIN. The proof of the device key is
// in the query, as the protocol requires: it is valid with this PIN only.
func (c *Client) pollOf(pin *PIN) call {
	op := call{
		operation: "WaitPIN", method: http.MethodGet, path: "/api/v2/pins/",
		id: strconv.FormatInt(pin.ID, 10), anonymous: true,
		proof: pin.Proof, noReplay: pin.Proof != "", // it works once
	}
	if pin.Key != nil {
		// The same proof is sent with each poll, so it must be valid as long as the
		// PIN is.
		life := max(proofLife, min(time.Until(pin.ExpiresAt), maxPINLifetime)+proofLife)
		op.query = "deviceJWT=" + string(pin.Key.prove(c.ClientIdentifier, "", nil, time.Now().Add(pin.skew), life))
	}
	return op
}

// WaitPIN waits until the user has completed the sign-in, and returns the new
// token. It does not change Client.Token, and sends no token. If the ForwardURL of
// the PIN is not empty, it needs a Proof. WaitPIN sends GET
// /api/v2/pins/{id} immediately and then every second, as published clients do,
// or after the Retry-After of the last response. Client.Retry is ignored.
//
// The error is ErrPINExpired if the PIN expired or the user denied access.
// ErrBadRequest, ErrUnauthorized and ErrForbidden also end the wait. After any
// other failure, such as an outage, WaitPIN polls again. If the PIN expires or
// the deadline of ctx passes meanwhile, the error also wraps the last failure.
// If ctx is cancelled, the error wraps context.Canceled.
func (c *Client) WaitPIN(ctx context.Context, pin *PIN) (Secret, error) {
	op := c.pollOf(pin)
	poller := *c
	poller.Retry = nil
	waitCtx := ctx
	if !pin.ExpiresAt.IsZero() {
		var cancel context.CancelFunc
		waitCtx, cancel = context.WithDeadline(ctx, pin.ExpiresAt)
		defer cancel()
	}
	var lastErr error // of the last poll that waitCtx did not interrupt
	for n := 0; ; n++ {
		token, interval, err := poller.pollPIN(waitCtx, op)
		if token != "" || err != nil && !temporary(err) {
			return token, err
		}
		if waitCtx.Err() == nil || n == 0 { // an interrupted first poll has no better error
			lastErr = err
		}
		switch {
		case waitCtx.Err() == nil && sleep(waitCtx, interval):
		case ctx.Err() != nil:
			return "", c.newError(op, withLastError(contextError(ctx), lastErr))
		default:
			return "", c.newError(op, withLastError(ErrPINExpired, lastErr))
		}
	}
}

// pollPIN requests the PIN once. It returns the token, which is empty while the
// sign-in is pending, and how long to wait before the next poll.
func (c *Client) pollPIN(ctx context.Context, op call) (Secret, time.Duration, error) {
	res, err := c.do(ctx, op)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.RetryAfter > 0 {
			return "", e.RetryAfter, err
		}
		return "", defaultPINInterval, err
	}
	interval := cmp.Or(readRetryAfter(res.header, time.Now()), defaultPINInterval)
	d, err := decodeWrapped[pinDocument](res.body, inPIN)
	if err == nil && d.ID == 0 && d.AuthToken == "" {
		err = errNoPIN
	}
	if err != nil {
		return "", interval, c.invalidResponse(op, res, err)
	}
	return Secret(d.AuthToken), interval, nil
}

// temporary reports whether the next poll may succeed: there was no response,
// or it did not concern the PIN.
func temporary(err error) bool {
	for _, final := range []error{ErrPINExpired, ErrBadRequest, ErrUnauthorized, ErrForbidden} {
		if errors.Is(err, final) {
			return false
		}
	}
	return errors.As(err, new(*Error))
}

// withLastError returns the reason why WaitPIN stopped, together with the error
// of the last poll. After a cancellation, that error is irrelevant.
func withLastError(reason, lastErr error) error {
	if lastErr == nil || errors.Is(reason, context.Canceled) {
		return reason
	}
	return fmt.Errorf("%w; the last attempt failed: %w", reason, lastErr)
}

// LinkURL returns the URL of the page where the user enters the code of a PIN.
// The code is in the query. The part before the question mark is short enough
// to type.
//
// The page is https://plex.tv/link/ if AccountURL is plex.tv or a subdomain of
// it, and below AccountURL otherwise. The page at plex.tv accepts codes of four
// characters only: open AuthURL for a strong PIN. usher accepts both.
func (c *Client) LinkURL(pin *PIN) string {
	page := c.base(accountPlane) + "/link"
	if c.atPlex() {
		page = "https://plex.tv/link/"
	}
	return page + "?" + encodeQuery("pin", pin.Code)
}

// atPlex reports whether the account plane is the real service, whose pages have
// fixed addresses.
func (c *Client) atPlex() bool {
	u, err := url.Parse(c.base(accountPlane))
	if err != nil {
		return false
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	return host == "plex.tv" || strings.HasSuffix(host, ".plex.tv")
}

// AuthURL returns the URL of the page where the user signs in and allows the
// program to get a token. Open it in a browser, and use a strong PIN. If
// forwardURL is not empty, the page redirects to it at the end. If
// PINRequest.ForwardURL was set, forwardURL must be the same URL. Neither URL
// contains a token.
//
// That the browser returned to forwardURL does not show that the user allowed access,
// unless the request has a proof (see PIN.WithProof). Call WaitPIN to find out.
//
// Anyone who has the URL can allow access, for example a victim to whom an attacker
// sent it. A program whose PIN has no ForwardURL cannot detect that.
//
// The page is at app.plex.tv if AccountURL is plex.tv or a subdomain of it, and
// below AccountURL otherwise.
func (c *Client) AuthURL(pin *PIN, forwardURL string) string {
	base := c.base(accountPlane)
	if c.atPlex() {
		base = "https://app.plex.tv"
	}
	return base + "/auth#?" + encodeQuery(
		"clientID", orDefault(pin.ClientIdentifier, c.ClientIdentifier), "code", pin.Code,
		"context[device][product]", orDefault(c.Product, defaultProduct), "context[device][version]", c.Version,
		"context[device][platform]", c.Platform, "context[device][platformVersion]", c.PlatformVersion,
		"context[device][device]", c.Device, "context[device][deviceName]", c.DeviceName,
		"context[device][model]", c.Model, "forwardUrl", forwardURL,
	)
}

// QRCode returns the image of a QR code, usually as PNG, for a program that draws its
// own screen. The QR code leads to the page for the PIN. A web page shows PIN.QR
// instead, which is the URL of the same image. A program that generates QR codes
// encodes LinkURL or AuthURL. QRCode requests the image from AccountURL, whatever the
// host of PIN.QR is, and sends no token. Anyone who sees the QR code can read the PIN.
//
// The error is ErrNotFound if the server has no image for the PIN. A response
// that is not an image is an *Error. A PIN without a valid code is an error of
// another type, and nothing is sent.
func (c *Client) QRCode(ctx context.Context, pin *PIN) ([]byte, error) {
	if pin.Code == "" || strings.ContainsFunc(pin.Code, invalidInCode) {
		return nil, errors.New("plexauth: QRCode: the PIN has no valid code")
	}
	op := call{
		operation: "QRCode", method: http.MethodGet, path: "/api/v2/pins/qr/", id: pin.Code,
		anonymous: true, accept: "image/*",
	}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(http.DetectContentType(res.body), "image/") {
		return nil, c.invalidResponse(op, res, errNoImage)
	}
	return res.body, nil
}

var errNoImage = errors.New("the response is not an image")

// invalidInCode reports whether r is not an ASCII letter or digit.
func invalidInCode(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// LinkPIN completes the sign-in of another client: the client that
// requested the PIN with the given code gets a token of the account. Call it only for
// a code that the user has just entered. A code from anywhere else, such as a
// link, may be an attacker's.
//
// The error is ErrPINExpired if no pending PIN has the code, even if an earlier call
// whose response was lost has already linked it. It is ErrRateLimited after too many
// wrong codes. An empty code is an error of another type than *Error, and nothing is
// sent.
func (c *Client) LinkPIN(ctx context.Context, code string) error {
	if strings.TrimSpace(code) == "" {
		return errors.New("plexauth: LinkPIN: the code is empty")
	}
	return c.change(ctx, call{
		operation: "LinkPIN", method: http.MethodPut, path: "/api/v2/pins/link",
		form: url.Values{"code": {code}}, product: linkProduct, noReplay: true,
	})
}

// linkProduct is the product that published clients send with a code.
// (Inference: plex.tv may reject others.)
const linkProduct = "Plex SSO"

// encodeQuery encodes pairs of names and values in the given order, and omits
// empty values. It encodes a space as %20, because a reader of a fragment may
// not decode a plus.
func encodeQuery(pairs ...string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			parts = append(parts, escape(pairs[i])+"="+escape(pairs[i+1]))
		}
	}
	return strings.Join(parts, "&")
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
