package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/qrcode"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/wire"
	"github.com/usher-auth/usher/plexauth"
)

// startPIN makes a PIN for the caller's device.
func (s *Server) startPIN(ctx context.Context, c *call) (answer, error) {
	p, err := s.newPIN(ctx, c)
	if err != nil {
		return answer{}, err
	}
	status := http.StatusCreated
	if c.Variant&wire.OldPINs != 0 {
		status = http.StatusOK
	}
	return answer{status: status, body: s.pinBody(c, p, "")}, nil
}

func (s *Server) startLegacyPIN(ctx context.Context, c *call) (answer, error) {
	p, err := s.newPIN(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: wire.LegacyPIN{PIN: s.pinBody(c, p, "")}}, nil
}

func (s *Server) newPIN(ctx context.Context, c *call) (store.PIN, error) {
	strong, err := c.params.Bool("strong")
	if err != nil {
		return store.PIN{}, err
	}
	return s.PINs.Start(ctx, device(c), strong)
}

// pollPIN tells the caller whether there is a token for it.
func (s *Server) pollPIN(ctx context.Context, c *call) (answer, error) {
	p, token, err := s.findPIN(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: s.pinBody(c, p, token)}, nil
}

func (s *Server) pollLegacyPIN(ctx context.Context, c *call) (answer, error) {
	p, token, err := s.findPIN(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: wire.LegacyPIN{PIN: s.pinBody(c, p, token), AccountID: p.AccountID}}, nil
}

func (s *Server) findPIN(ctx context.Context, c *call) (store.PIN, plexauth.Secret, error) {
	// What is no number is no PIN's, and counts as one that is unknown.
	id, _ := strconv.ParseInt(c.http.PathValue("id"), 10, 64)
	return s.PINs.Get(ctx, id, c.ClientIdentifier, c.address)
}

func (s *Server) pinBody(c *call, p store.PIN, token plexauth.Secret) wire.PIN {
	return wire.PIN{
		ID: p.ID, Code: p.Code, Product: p.Device.Product, QR: s.baseURL(c.http) + "/api/v2/pins/qr/" + p.Code,
		ClientIdentifier: p.Device.ClientIdentifier, CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt,
		ExpiresIn: p.ExpiresAt.Sub(s.Now()), Token: token,
	}
}

// linkPIN makes a PIN the caller's account's.
func (s *Server) linkPIN(ctx context.Context, c *call) (answer, error) {
	code, err := c.params.Text("code")
	if err != nil {
		return answer{}, err
	}
	if err := missing("code", code); err != nil {
		return answer{}, err
	}
	err = s.PINs.Link(ctx, code, pin.By{AccountID: c.principal.AccountID, Address: c.address})
	return answer{status: http.StatusNoContent}, err
}

// pictureOfPIN draws the address of the page that a code is typed into, with
// the code in it. It does not look whether there is such a PIN: whoever may ask
// without being counted must not learn it.
func (s *Server) pictureOfPIN(_ context.Context, c *call) (answer, error) {
	code, ok := pin.Normal(c.http.PathValue("code"))
	if !ok {
		return answer{}, pin.ErrNotFound
	}
	picture, err := qrcode.PNG(s.baseURL(c.http) + "/link?pin=" + code)
	if errors.As(err, new(*qrcode.TooLongError)) {
		return answer{}, fault.Invalidf("Host", "the Host header is too long")
	}
	if err != nil {
		return answer{}, err
	}
	c.Format = wire.PNG
	return answer{status: http.StatusOK, body: wire.Picture(picture)}, nil
}

// baseURL is where browsers reach this server, without a slash at the end.
func (s *Server) baseURL(r *http.Request) string {
	switch {
	case s.public != "":
		return s.public
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
