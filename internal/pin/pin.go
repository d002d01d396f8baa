package pin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/letters"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// ErrNotFound says that a PIN is unknown, expired, linked already, another
// client's, or that its token was revoked. It does not say which.
var ErrNotFound = fault.New(fault.NotFound,
	"this code was used already, has expired or was mistyped; the device can show a new one")

// The limits, as errors that get a wait. Callers tell them by fault.Limited.
var (
	errStarts  = fault.New(fault.Limited, "too many PINs from this address")
	errWaiting = fault.New(fault.Limited, "starting a PIN: too many PINs that wait to be linked")
	errPolls   = fault.New(fault.Limited, "too many unknown PINs")
	errCodes   = fault.New(fault.Limited, "too many wrong codes")
)

// Config is what a Service stands on.
type Config struct {
	// Store holds the PINs. Required.
	Store *store.Store
	// Key is what the tokens are derived from. Required.
	Key *seal.Key
	// FailedTries is how many wrong codes of four characters an account may try
	// in a row before each further one must wait. Zero: nothing is limited but
	// how many PINs wait at the same time.
	FailedTries int
	// Flush is called before a device gets a token. It tells the store when
	// tokens were last used: the least recently used one may have to go. Nil:
	// the store knows.
	Flush func(context.Context)
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Service keeps PINs. It is safe for concurrent use.
type Service struct {
	store  *store.Store
	derive [32]byte
	flush  func(context.Context)
	now    func() time.Time
	cached *db.Cache[int64, store.PIN]

	short, strong       kind
	accounts, addresses *guard.Failures // wrong codes
	clients, pollers    *guard.Failures // unknown IDs
}

// kind is one of the two kinds of code.
type kind struct {
	alphabet string
	length   int
	ttl      time.Duration
	most     int             // that wait to be linked at the same time
	made     *guard.Failures // by address
	room     *guard.Failures // tries to make room when they are that many, by wide network
}

const (
	// shortAlphabet has none of the letters and digits that are taken for
	// another on a screen across the room (0 O Q, 1 I L, 2 Z, 5 S, 6 G, 8 B,
	// U V), but G and V, whose twins are left out; and no vowels, so that no
	// word comes up (RFC 8628, section 6.1).
	shortAlphabet  = "CDFGHJKMNPRTVWXY3479"
	strongAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

	shortLength  = 4 // the boxes of the page that it is typed into
	strongLength = 25

	shortTTL  = 15 * time.Minute
	strongTTL = 30 * time.Minute

	// maxShort is part of what makes guessing hopeless; see the package
	// comment.
	maxShort  = 200
	maxStrong = 5000

	// roomBurst bounds how often a network has room made for it: it takes a
	// look at all PINs that wait.
	roomBurst = 30

	// wrongRefill is how long a wrong code is held against an account.
	wrongRefill = 3 * time.Minute

	// tokenLength letters and digits hold 119 bits, as every token has.
	tokenLength = 20
)

// New returns a Service that hears of the store's changes.
func New(cfg Config) *Service {
	s := &Service{store: cfg.Store, derive: cfg.Key.Derive("pin tokens"), flush: cfg.Flush, now: cfg.Now}
	if s.flush == nil {
		s.flush = func(context.Context) {}
	}
	if s.now == nil {
		s.now = time.Now
	}
	limit := func(burst int, refill time.Duration) *guard.Failures {
		if cfg.FailedTries <= 0 {
			burst = 0
		}
		return &guard.Failures{Burst: burst, Refill: refill}
	}
	// Many people may come from one address, through one router or one proxy.
	s.short = kind{
		shortAlphabet, shortLength, shortTTL, maxShort, limit(30, 20*time.Second), limit(roomBurst, time.Second),
	}
	s.strong = kind{
		strongAlphabet, strongLength, strongTTL, maxStrong, limit(300, time.Second), limit(roomBurst, time.Second),
	}
	s.accounts = limit(cfg.FailedTries, wrongRefill)
	s.addresses = limit(10*cfg.FailedTries, wrongRefill/10)
	// Programs go on to poll a PIN that has expired, twice a second: five of
	// them may, for ever.
	s.clients = limit(pollBurst, pollRefill)
	s.pollers = limit(10*pollBurst, pollRefill/10)
	s.cached = db.NewCache[int64, store.PIN](cfg.Store.DB(), maxCached, stale)
	return s
}

const (
	pollBurst  = 600
	pollRefill = 100 * time.Millisecond
	// maxCached is how many PINs are cached: half a kilobyte each, and more
	// than wait at the same time.
	maxCached = 8192
)

// stale says which cached PINs a change makes untrue. Revoking a token or
// disabling an account voids PINs without naming them.
func stale(c db.Change) (id int64, scope db.Scope) {
	switch c.Topic {
	case store.PINTopic:
		return c.ID(), db.Entry
	case store.TokenTopic, store.AccountTopic:
		return 0, db.Everything
	}
	return 0, db.Nothing
}

// maxTries is how often a code or an ID that is taken is drawn anew.
const maxTries = 20

// Start makes a PIN for a device, with the address that it asks from. When too
// many wait, the network that has the most of them loses one. fault.Limited.
func (s *Service) Start(ctx context.Context, device store.Device, strong bool) (store.PIN, error) {
	k, now := s.short, s.now()
	if strong {
		k = s.strong
	}
	if wait := k.made.Take(guard.Network(device.Address), now); wait > 0 {
		return store.PIN{}, fault.WithWait(errStarts, wait)
	}
	p := store.PIN{Strong: strong, Device: device, CreatedAt: now, ExpiresAt: now.Add(k.ttl)}
	_, _ = rand.Read(p.Nonce[:]) // never fails
	err := s.add(ctx, &p, k, nil)
	if errors.Is(err, store.ErrFull) && k.room.Take(wideNetwork(device.Address), now) == 0 {
		err = s.add(ctx, &p, k, wideNetwork)
	}
	if errors.Is(err, store.ErrFull) {
		return store.PIN{}, fault.WithWait(errWaiting, time.Minute)
	}
	if err != nil {
		return store.PIN{}, fmt.Errorf("starting a PIN: %w", err)
	}
	return p, nil
}

// add draws an ID and a code for a PIN and adds it. The error is the store's.
func (s *Service) add(ctx context.Context, p *store.PIN, k kind, network func(string) string) error {
	err := store.ErrConflict
	for try := 0; try < maxTries && errors.Is(err, store.ErrConflict); try++ {
		p.ID, p.Code = newID(), string(letters.Draw(k.alphabet, k.length))
		err = s.store.AddPIN(ctx, *p, k.most, network)
	}
	return err
}

// wideNetwork is what the PINs that wait are counted by when there are too
// many: of IPv6, the first 48 bits, since a household may have 256 or more of
// the networks that tries are counted by.
func wideNetwork(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return guard.Network(address)
	}
	p, err := a.WithZone("").Prefix(48)
	if err != nil {
		return address
	}
	return p.String()
}

// newID draws a number from 1 to 2^31-1.
func newID() int64 {
	var b [4]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		if id := int64(binary.BigEndian.Uint32(b[:]) >> 1); id > 0 {
			return id
		}
	}
}

// Get returns a PIN to the client that made it and, once it is linked, the
// token of its device. address is where the client asks from. ErrNotFound,
// fault.Limited.
//
// An ID can be guessed by who knows the client identifier: there are two
// billion. Unknown IDs are therefore counted by client and address, and those
// who have reached the limit are refused whatever they ask for. They are
// counted by address, too, where an ID that is known always gets its answer:
// nobody's polling ends because of what others do behind the same router.
func (s *Service) Get(ctx context.Context, id int64, client, address string) (store.PIN, plexauth.Secret, error) {
	now, try := s.now(), client+"\x00"+guard.Network(address)
	if wait := s.clients.Wait(try, now); wait > 0 {
		return store.PIN{}, "", fault.WithWait(errPolls, wait)
	}
	p, err := s.cached.Get(id, func() (store.PIN, error) { return s.store.PINByID(ctx, id) })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.PIN{}, "", err
	}
	if err != nil || !now.Before(p.ExpiresAt) || !same(p.Device.ClientIdentifier, client) {
		if wait := s.pollers.Take(guard.Network(address), now); wait > 0 {
			return store.PIN{}, "", fault.WithWait(errPolls, wait)
		}
		s.clients.Failed(try, now)
		return store.PIN{}, "", ErrNotFound
	}
	if p.AccountID == 0 {
		return p, "", nil
	}
	return p, s.token(p), nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// token derives the token that a PIN leads to.
func (s *Service) token(p store.PIN) plexauth.Secret {
	mac := hmac.New(sha256.New, s.derive[:])
	mac.Write(p.Nonce[:])
	return plexauth.Secret(letters.Write(mac.Sum(nil), tokenLength))
}

// By is who has typed a code, and where.
type By struct {
	AccountID int64
	Address   string
}

// Find returns the PIN that waits under a code, for the person to see which
// device it is. ErrNotFound, fault.Limited.
//
// Only wrong codes of those that can be guessed are counted: a link to any
// other, which may be somebody else's, keeps nobody from linking.
func (s *Service) Find(ctx context.Context, code string, by By) (store.PIN, error) {
	now, account := s.now(), strconv.FormatInt(by.AccountID, 10)
	code, ok := Normal(code)
	if !ok {
		return store.PIN{}, ErrNotFound
	}
	if !Guessable(code) {
		return s.waiting(ctx, code, now)
	}
	if wait := s.accounts.Take(account, now); wait > 0 {
		return store.PIN{}, fault.WithWait(errCodes, wait)
	}
	if wait := s.addresses.Take(guard.Network(by.Address), now); wait > 0 {
		s.accounts.Return(account)
		return store.PIN{}, fault.WithWait(errCodes, wait)
	}
	p, err := s.waiting(ctx, code, now)
	if !errors.Is(err, ErrNotFound) {
		// A right code forgives no wrong ones: who guesses has right ones, too,
		// of PINs of his own.
		s.accounts.Return(account)
		s.addresses.Return(guard.Network(by.Address))
	}
	return p, err
}

// waiting finds the PIN that waits under a code, as it is kept.
func (s *Service) waiting(ctx context.Context, code string, now time.Time) (store.PIN, error) {
	p, err := s.store.PINByCode(ctx, code)
	if errors.Is(err, store.ErrNotFound) || err == nil && (p.AccountID != 0 || !now.Before(p.ExpiresAt)) {
		return store.PIN{}, ErrNotFound
	}
	return p, err
}

// Link gives the device that waits under a code a token of the account. Of many
// that try with the same code, one does it. ErrNotFound, fault.Limited.
func (s *Service) Link(ctx context.Context, code string, by By) error {
	p, err := s.Find(ctx, code, by)
	if err != nil {
		return err
	}
	s.flush(ctx)
	err = s.store.LinkPIN(ctx, p.ID, by.AccountID, sha256.Sum256([]byte(s.token(p))))
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return err
}

// Refuse ends the PIN that waits under a code: its device hears at its next
// poll that there is nothing to come. ErrNotFound, fault.Limited.
func (s *Service) Refuse(ctx context.Context, code string, by By) error {
	p, err := s.Find(ctx, code, by)
	if err != nil {
		return err
	}
	err = s.store.RefusePIN(ctx, p.ID, by.AccountID)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return err
}
