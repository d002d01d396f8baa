package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/qrcode"
	"github.com/usher-auth/usher/internal/wire"
	"github.com/usher-auth/usher/plexauth"
)

// pinHandlers sign in devices without a keyboard.
type pinHandlers struct {
	pins     *pin.Service
	pictures *pictures
	base     func(*http.Request) string // see newBaseURL
	now      func() time.Time
}

// proofHeader is the header in which a program presents the proof that a browser
// has returned. It is not a parameter, because addresses are logged.
const proofHeader = "X-Plex-Pin-Proof"

// start creates a PIN for the caller's device.
func (h pinHandlers) start(ctx context.Context, c *call) (answer, error) {
	proofURL, err := c.params.Text("proofUrl")
	if err != nil {
		return answer{}, err
	}
	p, err := h.create(ctx, c, proofURL)
	if err != nil {
		return answer{}, err
	}
	return answer{status: newPINStatus(c), body: h.body(c, p, "")}, nil
}

// startV1 is start in version 1, which has no proofs.
func (h pinHandlers) startV1(ctx context.Context, c *call) (answer, error) {
	p, err := h.create(ctx, c, "")
	if err != nil {
		return answer{}, err
	}
	return answer{status: newPINStatus(c), body: wire.LegacyPIN{PIN: h.body(c, p, "")}}, nil
}

// newPINStatus returns the status of a new PIN, which depends on the caller's SDK.
func newPINStatus(c *call) int {
	if c.Variant&wire.PINStatusOK != 0 {
		return http.StatusOK
	}
	return http.StatusCreated
}

func (h pinHandlers) create(ctx context.Context, c *call, proofURL string) (pin.PIN, error) {
	strong, err := c.params.Bool("strong")
	if err != nil {
		return pin.PIN{}, err
	}
	key, _, err := readPublicKey(c)
	if err != nil {
		return pin.PIN{}, err
	}
	return h.pins.StartWithKey(ctx, c.device(), strong, proofURL, key.JWK)
}

// poll returns a PIN, with its token once it is linked.
func (h pinHandlers) poll(ctx context.Context, c *call) (answer, error) {
	p, token, err := h.find(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: h.body(c, p, token)}, nil
}

// pollV1 is poll in version 1.
func (h pinHandlers) pollV1(ctx context.Context, c *call) (answer, error) {
	p, token, err := h.find(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: wire.LegacyPIN{PIN: h.body(c, p, token), AccountID: p.AccountID}}, nil
}

func (h pinHandlers) find(ctx context.Context, c *call) (pin.PIN, plexauth.Secret, error) {
	// A malformed id counts as an unknown PIN.
	id, _ := strconv.ParseInt(c.http.PathValue("id"), 10, 64)
	if proof := c.http.Header.Get(proofHeader); proof != "" {
		return h.pins.Redeem(ctx, id, c.ClientIdentifier, c.address, plexauth.Secret(proof))
	}
	signed, err := c.params.Text("deviceJWT")
	if err != nil {
		return pin.PIN{}, "", err
	}
	if signed != "" {
		return h.pins.GetJWT(ctx, c.actor(), id, c.ClientIdentifier, signed)
	}
	return h.pins.Get(ctx, id, c.ClientIdentifier, c.address)
}

func (h pinHandlers) body(c *call, p pin.PIN, token plexauth.Secret) wire.PIN {
	return wire.PIN{
		ID: p.ID, Code: p.Code, Product: p.Device.Product, QR: h.base(c.http) + "/api/v2/pins/qr/" + p.Code,
		ClientIdentifier: p.Device.ClientIdentifier, CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt,
		ExpiresIn: p.ExpiresAt.Sub(h.now()), Token: token, ProofURL: p.Forward,
	}
}

// link links a PIN to the caller's account.
func (h pinHandlers) link(ctx context.Context, c *call) (answer, error) {
	code, err := c.params.Text("code")
	if err != nil {
		return answer{}, err
	}
	if err := missing("code", code); err != nil {
		return answer{}, err
	}
	err = h.pins.LinkByToken(ctx, c.actor(), c.principal, code)
	return answer{status: http.StatusNoContent}, err
}

// picture draws the address of the page for a code, with the code
// in it. It does not check whether such a PIN exists: anyone can request many
// codes, and must not learn that.
func (h pinHandlers) picture(_ context.Context, c *call) (answer, error) {
	code, ok := pin.Normal(c.http.PathValue("code"))
	if !ok {
		return answer{}, pin.ErrNotFound
	}
	picture, err := h.pictures.draw(c.address, h.base(c.http)+"/link?pin="+code)
	if errors.As(err, new(*qrcode.TooLongError)) {
		return answer{}, fault.Invalidf("Host", "the Host header is too long")
	}
	if err != nil {
		return answer{}, err
	}
	c.Format = wire.PNG
	return answer{status: http.StatusOK, body: wire.Picture(picture)}, nil
}

// newBaseURL returns a function that returns the URL at which browsers reach this
// server, without a trailing slash.
func newBaseURL(public string) func(*http.Request) string {
	public = strings.TrimSuffix(public, "/")
	return func(r *http.Request) string {
		switch {
		case public != "":
			return public
		case r.TLS != nil:
			return "https://" + r.Host
		}
		return "http://" + r.Host
	}
}
