package plexauth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// JWTSource is a TokenSource of JWTs for a device that has a key. It exchanges
// the key for a JWT at first use, when 70 % of the JWT's life is over (with a
// random delay, so that devices do not renew at the same time), and when a
// server rejects it. Concurrent callers share one exchange.
//
// If an exchange fails, Token returns the JWT that it has until that expires,
// and tries again after five seconds at the earliest. If the JWT has expired or
// was rejected, Token returns the error. The life of a JWT is measured from when
// it was received, so a wrong clock does not matter.
//
//	key, err := plexauth.LoadDeviceKey(path)
//	pin, err := client.StartPIN(ctx, plexauth.PINRequest{Strong: true, Key: key})
//	jwt, err := client.WaitPIN(ctx, pin)
//	client.Token = &plexauth.JWTSource{Client: client, Key: key}
//
// Released media servers do not accept JWTs. With MediaToken, the source has an
// opaque token for them, too.
//
// A JWTSource is safe for concurrent use. It must not be copied after first use.
type JWTSource struct {
	// Client exchanges the key, without its Token. It may be the client that the
	// source is the Token of. Required. If its Timeout is negative, requests are
	// still limited to 30 seconds.
	Client *Client
	// Key is the key, which the server must know: by Client.RegisterKey, or by a
	// PIN. Required. Rotate changes it.
	Key *DeviceKey
	// Scopes select the claims about the user; see Client.ExchangeJWT.
	Scopes []string
	// OnToken, if it is not nil, is called with each new JWT, for example to
	// store it. Calls do not overlap.
	OnToken func(Secret)

	// MediaToken makes the calls to the media plane, such as TransientToken, use an
	// opaque token of the account. The source gets it by a switch to the account
	// itself (see Client.SwitchHomeUser), once for each JWT: the next one revokes it.
	// Token still returns the JWT.
	MediaToken bool
	// HomePIN is the PIN of the account in its home, for this switch. If empty, none
	// is sent.
	HomePIN Secret

	cache renewing // the JWT
	media renewing // the opaque token

	mu       sync.Mutex
	switched Secret // the JWT that the opaque token was requested with
	rotating sync.Mutex
}

const (
	// renewAfter is the part of a JWT's life after which it is renewed, and
	// renewJitter the part that is added at most, at random.
	renewAfter  = 0.70
	renewJitter = 0.05
)

// Set sets the current JWT, such as one that WaitPIN returned or that was
// stored. Without it, the first call of Token exchanges the key. A text that is
// not a JWT is ignored.
func (s *JWTSource) Set(token Secret) {
	j, _, _, err := parseJWT(token)
	if err != nil {
		return
	}
	s.cache.set(issuedJWT(token, j.ExpiresAt.Sub(j.IssuedAt), time.Until(j.ExpiresAt)))
}

// issuedJWT returns a JWT for the cache. life is the lifetime of a new one, and left the
// remaining part.
func issuedJWT(token Secret, life, left time.Duration) issued {
	part := renewAfter + renewJitter*rand.Float64()
	expiresAt := time.Now().Add(left)
	return issued{token, expiresAt.Add(-time.Duration((1 - part) * float64(life))), expiresAt}
}

// Token implements TokenSource. It returns the JWT.
func (s *JWTSource) Token(ctx context.Context) (Secret, error) {
	return s.cache.get(ctx, s.exchange, s.OnToken)
}

// exchange exchanges the key.
func (s *JWTSource) exchange(ctx context.Context) (issued, error) {
	s.mu.Lock()
	key := s.Key
	s.mu.Unlock()
	got, err := s.client(nil).exchangeJWT(ctx, key, s.Scopes)
	if err != nil {
		return issued{}, err
	}
	j, _, _, err := parseJWT(got.token)
	if err != nil {
		return issued{}, fmt.Errorf("plexauth: ExchangeJWT: %w", err)
	}
	issuedAt := j.IssuedAt
	if issuedAt.Unix() == 0 { // it does not say
		issuedAt = time.Now().Add(got.skew)
	}
	life := j.ExpiresAt.Sub(issuedAt)
	if life <= 0 {
		return issued{}, fmt.Errorf("plexauth: ExchangeJWT: %w", errNoLife)
	}
	return issuedJWT(got.token, life, life), nil
}

var errNoLife = errors.New("the new JWT is expired, or does not say when it expires")

// client returns a client for the requests of the source, with a token, or without one
// if it is empty.
func (s *JWTSource) client(token TokenSource) *Client {
	client := s.Client.limited()
	client.Token = token
	return client
}

// tokenFor implements renewer.
func (s *JWTSource) tokenFor(ctx context.Context, p plane) (Secret, error) {
	jwt, err := s.Token(ctx)
	if err != nil || p == accountPlane || !s.MediaToken {
		return jwt, err
	}
	s.mu.Lock()
	if s.switched != jwt {
		s.switched = jwt
		s.media.set(issued{})
	}
	s.mu.Unlock()
	return s.media.get(ctx, func(ctx context.Context) (issued, error) { return s.switchToSelf(ctx, jwt) }, nil)
}

// switchToSelf requests an opaque token of the account of a JWT. If the server rejects
// the JWT, the request is repeated with the next one, and s.switched is set to that.
func (s *JWTSource) switchToSelf(ctx context.Context, jwt Secret) (issued, error) {
	j, _, _, err := parseJWT(jwt)
	if err != nil {
		return issued{}, fmt.Errorf("plexauth: SwitchHomeUser: %w", err)
	}
	account, err := s.client(s).SwitchHomeUser(ctx, orDefault(j.UserUUID, strconv.FormatInt(j.UserID, 10)), s.HomePIN)
	if err != nil {
		return issued{}, err
	}
	if jwt, err = s.Token(ctx); err != nil {
		return issued{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.switched = jwt
	expiresAt := time.Now().Add(j.ExpiresAt.Sub(j.IssuedAt)) // the JWT is renewed before
	return issued{account.AuthToken, expiresAt, expiresAt}, nil
}

// renew implements renewer.
func (s *JWTSource) renew(ctx context.Context, p plane, rejected Secret) (Secret, error) {
	s.cache.drop(rejected)
	s.media.drop(rejected)
	return s.tokenFor(ctx, p)
}

// Rotate replaces the key with another one. It registers the new key, with a proof
// by the current one, calls save, which must store the new key, and exchanges
// it. That revokes the current key. If the program stops in between, either key
// works, and Rotate can be called again.
//
// How the real service replaces a key is not known. usher requires the proof.
func (s *JWTSource) Rotate(ctx context.Context, next *DeviceKey, save func(*DeviceKey) error) error {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	token, err := s.Token(ctx)
	if err != nil {
		return err
	}
	client := s.client(nil)
	nonce, skew, err := client.nonce(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	present := s.Key
	s.mu.Unlock()
	client.Token = StaticToken(token)
	proof := present.prove(client.ClientIdentifier, nonce, nil, time.Now().Add(skew), proofLife)
	if err := client.change(ctx, client.registration(next, proof)); err != nil {
		return err
	}
	if save != nil {
		if err := save(next); err != nil {
			return fmt.Errorf("plexauth: Rotate: storing the new key: %w", err)
		}
	}
	s.mu.Lock()
	s.Key = next
	s.mu.Unlock()
	s.cache.set(issued{})
	_, err = s.Token(ctx)
	return err
}
