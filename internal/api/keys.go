package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/signing"
	"github.com/usher-auth/usher/internal/wire"
)

// keyHandlers issue JWTs to devices that have a key.
type keyHandlers struct {
	keys    *devicekey.Service
	signing *signing.Service
}

// register registers a public key for the device of the token, whatever the
// client identifier of the request is.
func (h keyHandlers) register(ctx context.Context, c *call) (answer, error) {
	key, ok, err := readPublicKey(c)
	if err != nil {
		return answer{}, err
	}
	if !ok {
		return answer{}, missing("jwk", "")
	}
	proof, err := c.params.Text("deviceJWT")
	if err != nil {
		return answer{}, err
	}
	if err := h.keys.Register(ctx, c.actor(), c.principal, key, proof); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: wire.KeyID(key.ID)}, nil
}

// readPublicKey reads the JWK of a request. ok is false if it has no JWK.
func readPublicKey(c *call) (key devicekey.PublicKey, ok bool, err error) {
	ops, err := c.params.List("jwk[key_ops]")
	if err != nil {
		return key, false, err
	}
	return devicekey.ReadPublicKey(func(member string) (string, error) {
		name := "jwk[" + member + "]"
		if c.params.Has(name + "[]") {
			return "", fault.Invalidf(name, "%s is a list", name)
		}
		return c.params.Text(name)
	}, ops)
}

// nonce returns a nonce for the device to sign. It requires a client identifier,
// because the nonce is valid for that client only.
func (h keyHandlers) nonce(_ context.Context, c *call) (answer, error) {
	if c.ClientIdentifier == "" {
		return answer{}, errNoNonceClient
	}
	nonce, err := h.keys.Nonce(c.ClientIdentifier, c.address)
	return answer{status: http.StatusOK, body: wire.Nonce(nonce)}, err
}

// exchange returns a JWT for one that the device has signed.
func (h keyHandlers) exchange(ctx context.Context, c *call) (answer, error) {
	signed, err := c.params.Text("jwt")
	if err != nil {
		return answer{}, err
	}
	if err := missing("jwt", signed); err != nil {
		return answer{}, err
	}
	jwt, err := h.keys.Exchange(ctx, c.actor(), signed)
	return answer{status: http.StatusOK, body: wire.AuthToken{Token: jwt}}, err
}

// keysLife is how long the published keys can be cached: much shorter than the time that they
// are published before they sign.
const keysLife = time.Hour

// published returns the keys that JWTs of this server can be verified with.
func (h keyHandlers) published(ctx context.Context, _ *call) (answer, error) {
	list, err := h.signing.Published(ctx)
	if err != nil {
		return answer{}, err
	}
	set := make(wire.KeySet, 0, len(list))
	for _, k := range list {
		set = append(set, wire.PublicKey{
			Type: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(k.Key), ID: k.ID, Use: "sig", Algorithm: "EdDSA",
		})
	}
	return answer{status: http.StatusOK, body: set, life: keysLife}, nil
}
