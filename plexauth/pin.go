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

// PINRequest is what a sign-in by PIN begins with. The zero value is right where
// a person types the code.
type PINRequest struct {
	// Strong asks for a code of 25 characters for 30 minutes, which a link
	// carries (AuthURL), in place of four letters and digits for 15, which a
	// person types.
	Strong bool
}

// PIN is a sign-in that waits for a person to finish it in a browser, on
// whatever device they like. It can be kept and waited for later, also by
// another process with the same ClientIdentifier, and by several goroutines at
// the same time: nothing here changes it.
type PIN struct {
	// ID is how the program asks for the token. Whoever knows it and the
	// ClientIdentifier can ask, too: it is for the program alone.
	ID int64
	// Code is what a person enters, or the link carries.
	Code string
	// QR is the address of a picture of a QR code, which leads to where the
	// code is entered. Empty when the server has none.
	QR string
	// ClientIdentifier is the client's that started it.
	ClientIdentifier string
	// ExpiresIn is how long the code is good, from StartPIN on.
	ExpiresIn time.Duration
	// ExpiresAt is when that is over, by this machine's clock.
	ExpiresAt time.Time
}

// pinDocument is a PIN as servers write it.
type pinDocument struct {
	ID               number
	Code             text
	QR               text
	ClientIdentifier text
	ExpiresIn        number
	AuthToken        text
}

// How long a PIN is good, and how often it is asked after, when the server does
// not say.
const (
	defaultPINLife  = 15 * time.Minute
	defaultPINPause = time.Second
)

// maxPINLife is more than any server gives one, and keeps a number that is
// none from overflowing.
const maxPINLife = 24 * time.Hour

var errNoPIN = errors.New("the answer is not a PIN: it has no id or no code")

// StartPIN begins a sign-in that needs no password in this program: show the
// code and where to enter it (LinkURL), or open AuthURL in a browser, and
// WaitPIN. It is POST /api/v2/pins, without a token.
//
// ErrRateLimited: too many were started from this address.
func (c *Client) StartPIN(ctx context.Context, in PINRequest) (*PIN, error) {
	op := call{
		operation: "StartPIN", method: http.MethodPost, path: "/api/v2/pins",
		query: "strong=" + strconv.FormatBool(in.Strong), anonymous: true,
	}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	d, err := decodeWrapped[pinDocument](res.body)
	if err == nil && (d.ID == 0 || d.Code == "") {
		err = errNoPIN
	}
	if err != nil {
		return nil, c.unusable(op, res, err)
	}
	life := defaultPINLife
	if d.ExpiresIn > 0 {
		life = time.Duration(min(d.ExpiresIn, number(maxPINLife/time.Second))) * time.Second
	}
	return &PIN{
		ID: int64(d.ID), Code: string(d.Code), QR: string(d.QR),
		ClientIdentifier: orDefault(string(d.ClientIdentifier), c.ClientIdentifier),
		// The server's own expiresAt is by a clock that may not agree with ours.
		ExpiresIn: life, ExpiresAt: time.Now().Add(life),
	}, nil
}

// WaitPIN waits until somebody has finished the sign-in, and returns the token,
// which the caller keeps: Client.Token is not changed, and none is sent. It
// asks GET /api/v2/pins/{id} at once and then every second, as published
// clients do, or as late as the server says with Retry-After.
//
// It ends when ctx does. ErrPINExpired: the time is over, or somebody has
// refused. ErrBadRequest, ErrUnauthorized, ErrForbidden: the server does not let
// it be asked for. What may pass by itself, as an outage, does not end the wait;
// if it is still there when time is up, the error wraps it, too, but not when the
// program cancels ctx.
//
// Client.Retry is not used. A PIN without ExpiresAt is waited for until the
// server says that it has expired.
func (c *Client) WaitPIN(ctx context.Context, pin *PIN) (Secret, error) {
	op := call{
		operation: "WaitPIN", method: http.MethodGet, path: "/api/v2/pins/",
		id: strconv.FormatInt(pin.ID, 10), anonymous: true,
	}
	once := *c
	once.Retry = nil
	waiting := ctx
	if !pin.ExpiresAt.IsZero() {
		var cancel context.CancelFunc
		waiting, cancel = context.WithDeadline(ctx, pin.ExpiresAt)
		defer cancel()
	}
	var trouble error // what kept the last try from an answer
	for n := 0; ; n++ {
		token, pause, err := once.askPIN(waiting, op)
		if token != "" || err != nil && !passing(err) {
			return token, err
		}
		if waiting.Err() == nil || n == 0 { // a later one that is cut short says nothing
			trouble = err
		}
		switch {
		case waiting.Err() == nil && sleep(waiting, pause):
		case ctx.Err() != nil:
			return "", c.failure(op, timeUp(ended(ctx), trouble))
		default:
			return "", c.failure(op, timeUp(ErrPINExpired, trouble))
		}
	}
}

// askPIN asks once, and says how long to wait before asking again. The token
// is empty as long as nobody has finished the sign-in.
func (c *Client) askPIN(ctx context.Context, op call) (token Secret, pause time.Duration, err error) {
	res, err := c.do(ctx, op)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.RetryAfter > 0 {
			return "", e.RetryAfter, err
		}
		return "", defaultPINPause, err
	}
	pause = cmp.Or(readRetryAfter(res.header, time.Now()), defaultPINPause)
	d, err := decodeWrapped[pinDocument](res.body)
	if err == nil && d.ID == 0 && d.AuthToken == "" {
		err = errNoPIN
	}
	if err != nil {
		return "", pause, c.unusable(op, res, err)
	}
	return Secret(d.AuthToken), pause, nil
}

// passing reports whether a failure may be gone at the next try: there was no
// answer, or one that says nothing of the PIN.
func passing(err error) bool {
	for _, final := range []error{ErrPINExpired, ErrBadRequest, ErrUnauthorized, ErrForbidden} {
		if errors.Is(err, final) {
			return false
		}
	}
	return errors.As(err, new(*Error))
}

// timeUp is the reason to stop waiting, with what was in the way. Nothing was
// when the program itself stopped it.
func timeUp(reason, trouble error) error {
	if trouble == nil || errors.Is(reason, context.Canceled) {
		return reason
	}
	return fmt.Errorf("%w, and the last try failed: %w", reason, trouble)
}

// LinkURL is the page on which a person enters a PIN's code, with the code in
// it. What stands before the question mark is short enough to type.
func (c *Client) LinkURL(pin *PIN) string {
	return c.base(accountPlane) + "/link?" + queryOf("pin", pin.Code)
}

// AuthURL is the page on which a person signs in and lets the program have a
// token, for a browser to open; a strong PIN is for this. With forwardURL, the
// page leads there afterwards. That it did proves nothing: WaitPIN does. There
// is no token in either URL.
//
// It is at app.plex.tv for the real service, and under AccountURL for every
// other.
func (c *Client) AuthURL(pin *PIN, forwardURL string) string {
	base := c.base(accountPlane)
	if u, err := url.Parse(base); err == nil && (u.Host == "plex.tv" || strings.HasSuffix(u.Host, ".plex.tv")) {
		base = "https://app.plex.tv"
	}
	return base + "/auth#?" + queryOf(
		"clientID", orDefault(pin.ClientIdentifier, c.ClientIdentifier), "code", pin.Code,
		"context[device][product]", orDefault(c.Product, defaultProduct), "context[device][version]", c.Version,
		"context[device][platform]", c.Platform, "context[device][platformVersion]", c.PlatformVersion,
		"context[device][device]", c.Device, "context[device][deviceName]", c.DeviceName,
		"context[device][model]", c.Model, "forwardUrl", forwardURL,
	)
}

// queryOf encodes names and values in their order, without those that are
// empty. A space is %20: what reads a fragment may not take a plus for one.
func queryOf(pairs ...string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			parts = append(parts, escape(pairs[i])+"="+escape(pairs[i+1]))
		}
	}
	return strings.Join(parts, "&")
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
