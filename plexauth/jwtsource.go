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
// If an exchange fails, Token returns the current JWT until it expires, and tries
// again after five seconds at the earliest. If the JWT has expired or was rejected,
// Token returns the error. The lifetime of a JWT is counted from the moment it was
// received, so a wrong clock of this device does not matter.
//
//	key, err := plexauth.LoadDeviceKey(path)
//	pin, err := client.StartPIN(ctx, plexauth.PINRequest{Strong: true, Key: key})
//	jwt, err := client.WaitPIN(ctx, pin)
//	client.Token = &plexauth.JWTSource{Client: client, Key: key}
//
// Released media servers do not accept JWTs. With MediaToken, the source also supplies
// an opaque token for them.
//
// A JWTSource is safe for concurrent use. It must not be copied after first use.
type JWTSource struct {
	// Client exchanges the key, and does not send its own Token. So it may be the
	// client whose Token is this source. Required. If its Timeout is negative,
	// requests are still limited to 30 seconds.
	Client *Client
	// Key is the key of the device, registered with Client.RegisterKey or by
	// PINRequest.Key. Required. Rotate changes it.
	Key *DeviceKey
	// Scopes select the claims about the user; see Client.ExchangeJWT.
	Scopes []string
	// OnToken, if it is not nil, is called with each new JWT, for example to
	// store it. Calls do not overlap.
	OnToken func(Secret)

	// MediaToken makes the calls to the media plane, such as TransientToken, use an
	// opaque token of the account. To get it, the source switches to the account
	// itself (see Client.SwitchHomeUser), once for each JWT, because the next JWT
	// revokes the opaque token. Token still returns the JWT.
	MediaToken bool
	// HomePIN is the account's own home PIN, which the switch may require. If empty,
	// none is sent.
	HomePIN Secret

	cache renewing // the JWT
	media renewing // the opaque token

	mu       sync.Mutex
	switched kept // the JWT that the opaque token was requested with
	rotating sync.Mutex
}

const (
	// renewAfter is the fraction of a JWT's lifetime after which it is renewed.
	// renewJitter is the largest fraction that is added at random.
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

// issuedJWT returns a JWT for the cache. life is its whole lifetime, and left the
// remaining part.
func issuedJWT(token Secret, life, left time.Duration) issued {
	part := renewAfter + renewJitter*rand.Float64()
	expiresAt := time.Now().Add(left)
	return issued{keep(token), expiresAt.Add(-time.Duration((1 - part) * float64(life))), expiresAt}
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
	if issuedAt.Unix() == 0 { // the JWT has no iat
		issuedAt = time.Now().Add(got.skew)
	}
	life := j.ExpiresAt.Sub(issuedAt)
	if life <= 0 {
		return issued{}, fmt.Errorf("plexauth: ExchangeJWT: %w", errNoLife)
	}
	return issuedJWT(got.token, life, life), nil
}

var errNoLife = errors.New("the new JWT is expired, or does not say when it expires")

// client returns a client for the requests of the source. token may be nil.
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
	if s.switched.secret() != jwt {
		s.switched = keep(jwt)
		s.media.set(issued{})
	}
	s.mu.Unlock()
	return s.media.get(ctx, func(ctx context.Context) (issued, error) { return s.switchToSelf(ctx, jwt) }, nil)
}

// switchToSelf requests an opaque token for the account of a JWT. If the server rejects
// the JWT, do repeats the request with the next JWT, and switchToSelf records that one
// in s.switched.
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
	s.switched = keep(jwt)
	expiresAt := time.Now().Add(j.ExpiresAt.Sub(j.IssuedAt)) // the JWT is renewed before
	return issued{keep(account.AuthToken), expiresAt, expiresAt}, nil
}

// renew implements renewer.
func (s *JWTSource) renew(ctx context.Context, p plane, rejected Secret) (Secret, error) {
	s.cache.drop(rejected)
	s.media.drop(rejected)
	return s.tokenFor(ctx, p)
}

// Rotate replaces the key of the device with next. It registers next with a proof that
// the current key signs, and calls save, which must store next. save may be nil. Then
// it exchanges next for a JWT, which revokes the current key. If the program stops
// before that, both keys work, and Rotate can be called again.
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
