package plexauth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// TokenSource gives the token of each call. Implementations must be safe for
// concurrent use, and end when ctx does.
type TokenSource interface {
	Token(ctx context.Context) (Secret, error)
}

// renewer is a source that can give another token for one that turned out to
// have ended.
type renewer interface {
	renew(ctx context.Context, ended Secret) (Secret, error)
}

// StaticToken is a token that stays the same.
type StaticToken Secret

// Token implements TokenSource.
func (t StaticToken) Token(context.Context) (Secret, error) { return Secret(t), nil }

// String keeps the token out of what is printed, as Secret does.
func (t StaticToken) String() string { return Secret(t).String() }

// Format keeps the token out of what is printed, whatever the verb.
func (t StaticToken) Format(f fmt.State, verb rune) { Secret(t).Format(f, verb) }

// MemoryToken is a token that the program changes, as after a sign-in. The
// zero value has none. It must not be copied.
type MemoryToken struct {
	mu    sync.Mutex
	token Secret
}

// Token implements TokenSource.
func (t *MemoryToken) Token(context.Context) (Secret, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token, nil
}

// Set replaces the token; the empty one forgets it.
func (t *MemoryToken) Set(token Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = token
}

// FileToken is a token in a file that only its owner can read. The file is read
// at every call, so that what another process writes counts at once.
type FileToken struct {
	// Path of the file. Required.
	Path string
}

// Token implements TokenSource. A file that is not there holds no token.
func (t FileToken) Token(context.Context) (Secret, error) {
	info, err := os.Stat(t.Path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("plexauth: %s can be read by others: chmod 600 it, and make another token", t.Path)
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

// Set writes the token, with mode 0600 and all at once; the empty one removes
// the file. The folder is made when it is not there.
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

// writePrivate writes a file of mode 0600 beside path, and lets place put it
// there.
func writePrivate(path, text string, place func(from, to string) error) error {
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
	return place(f.Name(), path)
}

// TransientSource gives transient tokens, so that the token they are made from
// is sent to nobody but the media server that makes them. It asks for another
// one before the last expires, and when the server has restarted; once,
// however many goroutines wait for it. When there is no other one to be had, it
// goes on with the last until that expires, and asks again after a few seconds.
// It must not be copied.
type TransientSource struct {
	// Client asks for the tokens; its own Token is what they are made from.
	// Required. Where its Timeout is negative, 30 seconds are used here.
	Client *Client
	// RenewBefore is how long before its end a token is replaced. Zero: five minutes,
	// or a tenth of the token's life when that is less.
	RenewBefore time.Duration

	mu      sync.Mutex
	token   Secret
	replace time.Time // when the token is due
	expires time.Time // when it ends
	flight  *flight   // the request under way
}

// replacePause is how long a token that could not be replaced is given out
// before the next attempt.
const replacePause = 5 * time.Second

// flight is a request that several callers wait for.
type flight struct {
	done  chan struct{}
	token Secret
	err   error
}

// Token implements TokenSource.
func (s *TransientSource) Token(ctx context.Context) (Secret, error) {
	s.mu.Lock()
	if s.token != "" && time.Now().Before(s.replace) {
		defer s.mu.Unlock()
		return s.token, nil
	}
	f := s.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.flight = f
		// The request is everybody's: it does not end with the caller who
		// happened to be first, but by the client's own time-out.
		go s.fly(context.WithoutCancel(ctx), f)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// fly asks for a token and tells those who wait.
func (s *TransientSource) fly(ctx context.Context, f *flight) {
	client := *s.Client
	client.Timeout = max(client.Timeout, 0) // no context ends this one: without a time-out it could hang for ever
	asked := time.Now()
	t, err := client.TransientToken(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	s.flight = nil
	if err != nil {
		now := time.Now()
		if left := s.expires.Sub(now); s.token != "" && left > 0 {
			f.token, s.replace = s.token, now.Add(min(replacePause, left))
		} else {
			f.err = err
		}
		return
	}
	margin := s.RenewBefore
	if margin <= 0 {
		margin = min(5*time.Minute, t.ExpiresAt.Sub(asked)/10)
	}
	s.token, s.replace, s.expires, f.token = t.Token, t.ExpiresAt.Add(-margin), t.ExpiresAt, t.Token
}

// renew forgets a token that turned out to have ended, unless another has taken
// its place already, and returns the next.
func (s *TransientSource) renew(ctx context.Context, ended Secret) (Secret, error) {
	s.mu.Lock()
	if s.token == ended {
		s.token = ""
	}
	s.mu.Unlock()
	return s.Token(ctx)
}
