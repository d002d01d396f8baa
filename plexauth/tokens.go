package plexauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// TokenSource supplies the token of each call. Implementations must be safe for
// concurrent use.
type TokenSource interface {
	// Token returns the current token. It must return when ctx ends. If it
	// returns an empty token, the call fails with ErrUnauthorized.
	// If Token returns an error, the call fails with an *Error that wraps it.
	Token(ctx context.Context) (Secret, error)
}

// renewer is a TokenSource that can replace a token that a server rejected, and
// may have another token for each plane.
type renewer interface {
	tokenFor(ctx context.Context, p plane) (Secret, error)
	renew(ctx context.Context, p plane, rejected Secret) (Secret, error)
}

// StaticToken is a TokenSource that always returns the same token.
type StaticToken Secret

// Token implements TokenSource.
func (t StaticToken) Token(context.Context) (Secret, error) { return Secret(t), nil }

// String implements fmt.Stringer. Like Secret, it returns "…", or "" if there
// is no token.
func (t StaticToken) String() string { return Secret(t).String() }

// Format implements fmt.Formatter. It writes the result of String for every
// verb.
func (t StaticToken) Format(f fmt.State, verb rune) { Secret(t).Format(f, verb) }

// LogValue implements slog.LogValuer. It returns the result of String.
func (t StaticToken) LogValue() slog.Value { return Secret(t).LogValue() }

// MarshalText implements encoding.TextMarshaler. It returns the result of String.
func (t StaticToken) MarshalText() ([]byte, error) { return Secret(t).MarshalText() }

// MemoryToken is a TokenSource whose token the program sets, for example after
// a sign-in. The zero value holds no token. It is safe for concurrent use. It
// must not be copied after first use.
type MemoryToken struct {
	mu    sync.Mutex
	token kept
}

// Token implements TokenSource.
func (t *MemoryToken) Token(context.Context) (Secret, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token.secret(), nil
}

// Set replaces the token. The empty Secret removes it.
func (t *MemoryToken) Set(token Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = keep(token)
}

// FileToken is a TokenSource that reads the token from a file that only its
// owner can access. It reads the file at every call, so a token that another
// process writes is used immediately. It is safe for concurrent use.
type FileToken struct {
	// Path is the path of the file. Required.
	Path string
}

// Token implements TokenSource. It returns the content of the file without
// surrounding white space, or an empty token if the file does not exist. Except
// on Windows, it returns an error if other users can access the file.
func (t FileToken) Token(context.Context) (Secret, error) {
	info, err := os.Stat(t.Path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("plexauth: %s is accessible to other users: chmod 600 it and replace the token", t.Path)
	}
	if err != nil {
		return "", fmt.Errorf("plexauth: reading the token: %w", err)
	}
	text, err := os.ReadFile(t.Path)
	if err != nil {
		return "", fmt.Errorf("plexauth: reading the token: %w", err)
	}
	return Secret(strings.TrimSpace(string(text))), nil
}

// Set writes the token to the file, atomically and with mode 0600. It creates
// the directory if necessary. The empty Secret removes the file.
func (t FileToken) Set(token Secret) error {
	if token == "" {
		if err := os.Remove(t.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("plexauth: removing the token: %w", err)
		}
		return nil
	}
	if err := writePrivate(t.Path, string(token)+"\n", os.Rename); err != nil {
		return fmt.Errorf("plexauth: writing the token: %w", err)
	}
	return nil
}

// writePrivate writes text to a temporary file of mode 0600 in the directory of
// path, and calls install to move the file to path.
func writePrivate(path, text string, install func(from, to string) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".plexauth-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return install(f.Name(), path)
}

// TransientSource is a TokenSource of transient tokens. It sends the long-lived
// token only to the media server that issues them. It caches a transient token,
// replaces it before it expires, and also when a server rejects it, for example
// after a restart of the media server. Concurrent callers share one request.
//
// If a new token cannot be requested, Token returns the cached one until it expires,
// and tries again after five seconds at the earliest. If the cached token has expired
// or was rejected, Token returns the error. If the server reports its time, a wrong
// clock of this device does not matter.
//
// A TransientSource is safe for concurrent use. It must not be copied after
// first use.
type TransientSource struct {
	// Client requests the tokens with its own Token. Required. If its Timeout
	// is negative, requests are still limited to 30 seconds.
	Client *Client

	// RenewBefore is how long before its expiry a token is replaced. If zero,
	// it is five minutes or a tenth of the lifetime of the token, whichever is
	// less.
	RenewBefore time.Duration

	cache renewing
}

// renewRetryInterval is how long a cached token is used after its renewal
// failed, before the next attempt.
const renewRetryInterval = 5 * time.Second

// tokenRequest is a request in flight and, once done is closed, its result.
type tokenRequest struct {
	done  chan struct{}
	token Secret
	err   error
}

// renewing is a token that is replaced from time to time. Concurrent callers share
// one request for the next one.
type renewing struct {
	mu      sync.Mutex
	current issued
	pending *tokenRequest // nil if no request is in flight
	last    *tokenRequest // the last one that has succeeded
}

// issued is a token, with the times at which to request the next one and at which
// it expires, by the clock of this device. The zero value stands for no token.
type issued struct {
	token              kept
	renewAt, expiresAt time.Time
}

// get returns the token. If the cache is empty, or if it is time to renew the token, fetch
// requests another one. If onToken is not nil, it is called with the new token.
func (r *renewing) get(
	ctx context.Context, fetch func(context.Context) (issued, error), onToken func(Secret),
) (Secret, error) {
	r.mu.Lock()
	if token := r.current.token.secret(); token != "" && time.Now().Before(r.current.renewAt) {
		defer r.mu.Unlock()
		return token, nil
	}
	req := r.pending
	if req == nil {
		req = &tokenRequest{done: make(chan struct{})}
		r.pending = req
		// All callers share the request, so the context of the first one must
		// not cancel it. The timeout of the client limits it.
		go r.request(context.WithoutCancel(ctx), req, fetch, onToken)
	}
	r.mu.Unlock()
	select {
	case <-req.done:
		return req.token, req.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// request requests a token and completes req.
func (r *renewing) request(
	ctx context.Context, req *tokenRequest, fetch func(context.Context) (issued, error), onToken func(Secret),
) {
	defer close(req.done)
	next, err := fetch(ctx)
	r.mu.Lock()
	r.pending = nil
	if err != nil {
		defer r.mu.Unlock()
		now := time.Now()
		if left, token := r.current.expiresAt.Sub(now), r.current.token.secret(); token != "" && left > 0 {
			req.token, r.current.renewAt = token, now.Add(min(renewRetryInterval, left))
		} else {
			req.err = err
		}
		return
	}
	before := r.last
	r.current, r.last, req.token = next, req, next.token.secret()
	r.mu.Unlock()
	if onToken != nil {
		if before != nil {
			<-before.done // calls of onToken do not overlap
		}
		onToken(req.token)
	}
}

// set replaces the token.
func (r *renewing) set(next issued) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = next
}

// drop removes a token, unless another one has replaced it already.
func (r *renewing) drop(token Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current.token.secret() == token {
		r.current.token = kept{}
	}
}

// Token implements TokenSource.
func (s *TransientSource) Token(ctx context.Context) (Secret, error) {
	return s.cache.get(ctx, s.request, nil)
}

// request requests a token.
func (s *TransientSource) request(ctx context.Context) (issued, error) {
	client := s.Client.limited()
	requestedAt := time.Now()
	t, life, err := client.transientToken(ctx)
	if err != nil {
		return issued{}, err
	}
	before := s.RenewBefore
	if before <= 0 {
		before = min(5*time.Minute, life/10)
	}
	expiresAt := requestedAt.Add(life)
	return issued{keep(t.Token), expiresAt.Add(-before), expiresAt}, nil
}

// limited returns a copy of the client that always has a timeout, for requests whose
// context has no deadline.
func (c *Client) limited() *Client {
	limited := *c
	limited.Timeout = max(limited.Timeout, 0)
	return &limited
}

// tokenFor implements renewer.
func (s *TransientSource) tokenFor(ctx context.Context, _ plane) (Secret, error) { return s.Token(ctx) }

// renew implements renewer.
func (s *TransientSource) renew(ctx context.Context, _ plane, rejected Secret) (Secret, error) {
	s.cache.drop(rejected)
	return s.Token(ctx)
}
