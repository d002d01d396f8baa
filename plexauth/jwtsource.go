package plexauth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// JWTSource is a TokenSource of JWTs for a device that has a key. It exchanges
// the key for a JWT when there is none, when 70 % of its life is over (with a
// random delay, so that many devices do not ask at the same moment), and when a
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
// Released media servers do not accept JWTs.
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
	// Scopes choose what the JWTs say of the user; see Client.ExchangeJWT.
	Scopes []string
	// OnToken, if it is not nil, is called with each new JWT, for example to
	// store it. Calls do not overlap.
	OnToken func(Secret)

	mu        sync.Mutex
	token     Secret
	renewAt   time.Time
	expiresAt time.Time
	pending   *tokenRequest // nil if no exchange is under way

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
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(token, j.ExpiresAt.Sub(j.IssuedAt), time.Until(j.ExpiresAt))
}

// set sets the JWT. life is that of a new one, and left what is left of it.
func (s *JWTSource) set(token Secret, life, left time.Duration) {
	now := time.Now()
	part := renewAfter + renewJitter*rand.Float64()
	s.token, s.expiresAt = token, now.Add(left)
	s.renewAt = s.expiresAt.Add(-time.Duration((1 - part) * float64(life)))
}

// Token implements TokenSource.
func (s *JWTSource) Token(ctx context.Context) (Secret, error) {
	s.mu.Lock()
	if s.token != "" && time.Now().Before(s.renewAt) {
		defer s.mu.Unlock()
		return s.token, nil
	}
	req := s.pending
	if req == nil {
		req = &tokenRequest{done: make(chan struct{})}
		s.pending = req
		// All callers share the exchange, so the context of the first one must
		// not cancel it. The timeout of the client limits it.
		go s.exchange(context.WithoutCancel(ctx), s.Key, req)
	}
	s.mu.Unlock()
	select {
	case <-req.done:
		return req.token, req.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// exchange exchanges a key and completes req.
func (s *JWTSource) exchange(ctx context.Context, key *DeviceKey, req *tokenRequest) {
	defer close(req.done)
	client := s.anonymous()
	got, err := client.exchangeJWT(ctx, key, s.Scopes)
	var j *JWT
	if err == nil {
		if j, _, _, err = parseJWT(got.token); err != nil {
			err = fmt.Errorf("plexauth: ExchangeJWT: %w", err)
		}
	}
	s.mu.Lock()
	s.pending = nil
	if err != nil {
		now := time.Now()
		if left := s.expiresAt.Sub(now); s.token != "" && left > 0 {
			req.token, s.renewAt = s.token, now.Add(min(renewRetryInterval, left))
		} else {
			req.err = err
		}
		s.mu.Unlock()
		return
	}
	life := j.ExpiresAt.Sub(j.IssuedAt)
	s.set(got.token, life, life)
	req.token = got.token
	s.mu.Unlock()
	if s.OnToken != nil {
		s.OnToken(got.token)
	}
}

// anonymous returns a client for exchanges.
func (s *JWTSource) anonymous() *Client {
	client := *s.Client
	client.Token = nil
	client.Timeout = max(client.Timeout, 0) // contexts of exchanges have no deadline
	return &client
}

// renew implements renewer. It removes the rejected JWT, unless another one has
// replaced it already, and returns the current one.
func (s *JWTSource) renew(ctx context.Context, rejected Secret) (Secret, error) {
	s.mu.Lock()
	if s.token == rejected {
		s.token = ""
	}
	s.mu.Unlock()
	return s.Token(ctx)
}

// Rotate replaces the key by another one. It registers the new key, with a proof
// by the present one, calls save, which must store the new key, and exchanges
// it. That ends the present key. If the program stops in between, either key
// works, and Rotate can be called again.
//
// How the real service replaces a key is not known. usher takes the proof.
func (s *JWTSource) Rotate(ctx context.Context, next *DeviceKey, save func(*DeviceKey) error) error {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	token, err := s.Token(ctx)
	if err != nil {
		return err
	}
	client := s.anonymous()
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
	s.Key, s.token = next, ""
	s.mu.Unlock()
	_, err = s.Token(ctx)
	return err
}
