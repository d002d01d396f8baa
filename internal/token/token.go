package token

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/letters"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// Errors that callers tell apart.
var (
	// ErrInvalid says that a token is unknown, revoked, expired, or belongs to
	// an account that is disabled. It does not say which.
	ErrInvalid = fault.New(fault.Unauthenticated, "the token is not valid")
	// ErrNotFound says that there is no such token to revoke.
	ErrNotFound = fault.New(fault.NotFound, "there is no such token, or it was revoked already")
	// ErrReach says that the token does not reach a server, perhaps since a
	// moment ago.
	ErrReach = fault.New(fault.Denied, "the token does not reach the server")
)

// Config is what a Service stands on.
type Config struct {
	// Store holds the tokens. Required.
	Store *store.Store
	// Key is what server tokens are derived from. Required.
	Key *seal.Key
	// TransientTTL is how long a transient token lives. Zero, or more than
	// MaxTransientTTL: MaxTransientTTL.
	TransientTTL time.Duration
	// CacheSize is how many tokens are kept in memory. Zero: DefaultCacheSize.
	CacheSize int
	// Logger gets what happens outside of any call. Nil: nothing is logged.
	Logger *slog.Logger
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Service mints and verifies tokens. It is safe for concurrent use.
type Service struct {
	store  *store.Store
	derive [32]byte
	ttl    time.Duration
	log    *slog.Logger
	now    func() time.Time

	cache  *cache
	sealer *sealer

	hits, misses atomic.Uint64
	tallied      atomic.Uint64 // hits and misses that the store has been told of

	mu   sync.Mutex
	used map[store.Hash]use // uses that the store has not been told of
}

// New returns a Service that hears of the store's changes.
func New(cfg Config) (*Service, error) {
	sealer, err := newSealer()
	if err != nil {
		return nil, err
	}
	s := &Service{
		store: cfg.Store, derive: cfg.Key.Derive("server tokens"), ttl: cfg.TransientTTL, log: cfg.Logger,
		now: cfg.Now, cache: newCache(cfg.CacheSize), sealer: sealer, used: make(map[store.Hash]use),
	}
	if s.ttl <= 0 || s.ttl > MaxTransientTTL {
		s.ttl = MaxTransientTTL
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.store.DB().Watch(s.cache.forget)
	return s, nil
}

// tokenLength letters and digits hold 119 bits.
const tokenLength = 20

// newToken draws an access token.
func newToken() plexauth.Secret { return plexauth.Secret(letters.Draw(letters.All, tokenLength)) }

func hashOf(token plexauth.Secret) store.Hash { return sha256.Sum256([]byte(token)) }

// SignIn carries out a sign-in and gives its device a fresh access token. The
// error of a sign-in whose proof no longer holds is store.ErrConflict.
//
// It does so even when ctx has ended: who has proved who they are is told of in
// the audit log, also when they hang up before the answer.
func (s *Service) SignIn(ctx context.Context, in store.SignIn) (plexauth.Secret, error) {
	ctx = context.WithoutCancel(ctx)
	token := newToken()
	in.Token = hashOf(token)
	in.Used = s.takeUses(in.AccountID)
	if err := s.store.SignIn(ctx, in); err != nil {
		for h, at := range in.Used { // it was not told after all
			s.noteUse(h, use{at, in.AccountID})
		}
		return "", err
	}
	return token, nil
}

// Verify turns a presented token into a principal. ErrInvalid when it is not
// good; any other error means that the store could not be asked.
func (s *Service) Verify(ctx context.Context, token plexauth.Secret) (Principal, error) {
	now := s.now()
	if len(token) > len(transientPrefix) && token[:len(transientPrefix)] == transientPrefix {
		return s.verifyTransient(ctx, token, now)
	}
	return s.lookup(ctx, hashOf(token), now)
}

func (s *Service) verifyTransient(ctx context.Context, token plexauth.Secret, now time.Time) (Principal, error) {
	c, ok := s.sealer.open(token)
	if !ok || now.UnixMilli() >= c.expires {
		return Principal{}, ErrInvalid
	}
	p, err := s.lookup(ctx, c.parent, now)
	if err != nil {
		return Principal{}, err
	}
	p.Kind = Transient
	p.ExpiresAt = time.UnixMilli(c.expires)
	if c.sourceID != 0 {
		p.SourceID = c.sourceID
	}
	return p, nil
}

// lookup finds a stored token by its hash, in the cache or else in the store.
func (s *Service) lookup(ctx context.Context, h store.Hash, now time.Time) (Principal, error) {
	e, ok, stale, generation := s.cache.get(h, now.Unix())
	if !ok {
		s.misses.Add(1)
		g, err := s.store.GrantByHash(ctx, h)
		if errors.Is(err, store.ErrNotFound) {
			return Principal{}, ErrInvalid
		}
		if err != nil {
			return Principal{}, fmt.Errorf("verifying a token: %w", err)
		}
		e = newEntry(g)
		s.cache.put(h, e, generation)
		stale = true
	} else {
		s.hits.Add(1)
	}
	if e.disabled || e.expires != 0 && now.UnixMilli() >= e.expires {
		return Principal{}, ErrInvalid
	}
	if stale && s.cache.touch(h, now.Unix()) {
		s.noteUse(h, use{now, e.accountID})
	}
	return e.principal(h), nil
}

func newEntry(g store.Grant) entry {
	e := entry{
		tokenID: g.TokenID, accountID: g.AccountID, deviceID: g.DeviceID, sourceID: g.SourceID,
		kind: g.Kind, admin: g.Admin, disabled: g.Disabled,
	}
	if !g.ExpiresAt.IsZero() {
		e.expires = g.ExpiresAt.UnixMilli()
	}
	return e
}

func (e entry) principal(h store.Hash) Principal {
	p := Principal{
		AccountID: e.accountID, DeviceID: e.deviceID, TokenID: e.tokenID,
		Kind: Access, Admin: e.admin, SourceID: e.sourceID, hash: h,
	}
	if e.kind == store.ServerToken {
		p.Kind = Server
	}
	if e.expires != 0 {
		p.ExpiresAt = time.UnixMilli(e.expires)
	}
	return p
}

// MintTransient gives p a transient token. It ends with p's stored token, no
// later than p itself, and reaches no further. A sourceID other than 0 makes
// it good at that server only; p must reach it.
func (s *Service) MintTransient(p Principal, sourceID int64) (token plexauth.Secret, expires time.Time) {
	expires = s.now().Add(s.ttl)
	if !p.ExpiresAt.IsZero() && p.ExpiresAt.Before(expires) {
		expires = p.ExpiresAt
	}
	if p.SourceID != 0 {
		sourceID = p.SourceID
	}
	return s.sealer.seal(claim{parent: p.hash, expires: expires.UnixMilli(), sourceID: sourceID}), expires
}

// ServerToken returns the token with which p's device reaches a server: the
// same one at every call. p must act for its account. ErrInvalid when p's token
// was ended meanwhile, ErrReach when its account does not reach the server.
func (s *Service) ServerToken(ctx context.Context, p Principal, sourceID int64) (plexauth.Secret, error) {
	token := s.deriveToken(p.hash, sourceID)
	h := hashOf(token)
	_, err := s.lookup(ctx, h, s.now())
	if errors.Is(err, ErrInvalid) {
		err = s.store.AddServerToken(ctx, h, p.TokenID, sourceID)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = s.whyNoServerToken(ctx, p)
	}
	if err != nil {
		return "", fmt.Errorf("deriving a server token: %w", err)
	}
	return token, nil
}

// whyNoServerToken says why there is none for a server. The store is asked, since
// the cache does not know yet what another process ended a moment ago.
func (s *Service) whyNoServerToken(ctx context.Context, p Principal) error {
	_, err := s.store.GrantByHash(ctx, p.hash)
	switch {
	case err == nil:
		return ErrReach
	case errors.Is(err, store.ErrNotFound):
		return ErrInvalid
	}
	return err
}

// deriveToken computes 20 letters and digits from the parent and the server.
func (s *Service) deriveToken(parent store.Hash, sourceID int64) plexauth.Secret {
	mac := hmac.New(sha256.New, s.derive[:])
	mac.Write(parent[:])
	mac.Write(strconv.AppendInt(nil, sourceID, 10))
	return plexauth.Secret(letters.Write(mac.Sum(nil), tokenLength))
}

// SignOut revokes the principal's stored token and all its children. ErrInvalid
// when the token was revoked after it was verified.
func (s *Service) SignOut(ctx context.Context, p Principal) error {
	return absent(s.store.SignOut(ctx, p.TokenID), ErrInvalid)
}

// Revoke revokes a token and all its children at once. ErrNotFound.
func (s *Service) Revoke(ctx context.Context, id int64) error {
	return absent(s.store.RevokeToken(ctx, id), ErrNotFound)
}

// absent gives the store's ErrNotFound a name of this package.
func absent(err, name error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w (%w)", name, err)
	}
	return err
}

// Stats says how the cache does.
type Stats struct {
	Cached       int
	Hits, Misses uint64
}

// Stats returns the figures since the start.
func (s *Service) Stats() Stats { return Stats{s.cache.len(), s.hits.Load(), s.misses.Load()} }

// flushEvery is how often the store is told which tokens were used.
const flushEvery = 30 * time.Second

// maxUsed bounds what waits to be told; beyond it, uses are not noted.
const maxUsed = 100_000

// tally tells the store how many tokens were looked up since it was last told.
// A token that is none by its look is not counted.
func (s *Service) tally(ctx context.Context) {
	checks := s.hits.Load() + s.misses.Load() - s.tallied.Load()
	if checks == 0 {
		return
	}
	if err := s.store.Tally(ctx, store.TallyTokenChecks, int64(checks)); err != nil {
		s.log.Error("cannot note how many tokens were checked", "error", err)
		return
	}
	s.tallied.Add(checks)
}

// use is when a token was last used, and whose it is.
type use struct {
	at        time.Time
	accountID int64
}

func (s *Service) noteUse(h store.Hash, u use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.used) < maxUsed {
		s.used[h] = u
	}
}

// takeUses returns the noted uses of one account's tokens, for somebody who
// tells the store of them.
func (s *Service) takeUses(accountID int64) map[store.Hash]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	uses := make(map[store.Hash]time.Time)
	for h, u := range s.used {
		if u.accountID == accountID {
			uses[h] = u.at
			delete(s.used, h)
		}
	}
	return uses
}

// Run tells the store, now and then, when tokens were last used, until ctx
// ends; then once more. When a token was last used is worth a write now and
// then and not a write per request: a crash loses the last half minute of it.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.Flush(context.WithoutCancel(ctx))
			return
		case <-tick.C:
			s.Flush(ctx)
		}
	}
}

// Flush does so now. Which token of a device was used least recently, and goes
// when it is given one more, depends on it.
func (s *Service) Flush(ctx context.Context) {
	s.mu.Lock()
	noted := s.used
	s.used = make(map[store.Hash]use)
	s.mu.Unlock()
	s.tally(ctx)
	if len(noted) == 0 {
		return
	}
	used := make(map[store.Hash]time.Time, len(noted))
	for h, u := range noted {
		used[h] = u.at
	}
	if err := s.store.Touch(ctx, used); err != nil {
		s.log.Error("cannot note when tokens were last used", "error", err)
	}
}
