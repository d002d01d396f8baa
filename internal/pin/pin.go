package pin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/letters"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/tries"
	"github.com/usher-auth/usher/plexauth"
)

// ErrNotFound reports that a PIN is unknown, expired or already linked, that it belongs
// to another client, or that its token was revoked. Callers cannot tell which.
var ErrNotFound = fault.New(fault.NotFound,
	"this code was used already, has expired or was mistyped; the device can show a new one")

// The errors of the rate limits, which get a time to wait. Callers recognize them by
// fault.Limited.
var (
	errStarts  = fault.New(fault.Limited, "too many PINs from this address")
	errWaiting = fault.New(fault.Limited, "starting a PIN: too many PINs that wait to be linked")
	errPolls   = fault.New(fault.Limited, "too many unknown PINs")
	errCodes   = fault.New(fault.Limited, "too many wrong codes")
)

// Topic is announced for every PIN that is added, linked or removed. The key is
// its ID.
const Topic db.Topic = "pin"

// PIN is a pending sign-in of a device, usually one without a keyboard.
type PIN struct {
	// ID is random and below 2^31: clients read it as 32 bits.
	ID   int64
	Code string // four characters, or a strong code
	// Strong reports whether the code is too long to be guessed or typed.
	Strong bool
	// Nonce is the value that the token is derived from.
	Nonce [16]byte
	// Device describes the device that started the PIN, with its network address. Its
	// ID is not set.
	Device device.Device
	// AccountID is the linked account, or 0 while the PIN is pending.
	AccountID int64
	// Forward is the URL to which the browser of the consenting user is redirected with
	// a proof. The token is returned only in exchange for this proof. If Forward is
	// empty, no proof is needed.
	Forward string
	// JWK is the public key of the device, or empty.
	JWK []byte
	// TokenHash is the hash of the PIN's token, or of the device key that replaced the
	// token.
	TokenHash token.Hash
	// Revoked reports that the PIN was linked, and that its token was revoked or its
	// account is disabled.
	Revoked              bool
	CreatedAt, ExpiresAt time.Time
}

// waiting reports whether the PIN can be linked.
func (p PIN) waiting(now time.Time) bool { return p.AccountID == 0 && now.Before(p.ExpiresAt) }

// String keeps the code, which signs a device in, out of logs.
func (p PIN) String() string { return fmt.Sprintf("PIN %d", p.ID) }

// Waiting is a pending PIN with the address of its device.
type Waiting struct {
	ID      int64  // of the PIN
	Address string // of the device
}

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// Get returns a PIN by ID, and ByCode by its code, or db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, id int64) (PIN, error)
	ByCode(ctx context.Context, q db.Querier, code string) (PIN, error)
	// CountWaiting counts the pending PINs with strong or with short codes.
	CountWaiting(ctx context.Context, q db.Querier, strong bool) (int, error)
	// Waiting returns these PINs, the oldest first.
	Waiting(ctx context.Context, q db.Querier, strong bool) ([]Waiting, error)
	// Insert adds a PIN. The error is db.ErrConflict if its ID or code is taken.
	Insert(ctx context.Context, tx *db.Tx, p PIN) error
	// SetLinked links a PIN to an account and stores the hash of its token.
	SetLinked(ctx context.Context, tx *db.Tx, id, accountID int64, h token.Hash) error
	// Delete removes a PIN.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
	// DeleteExpired removes the PINs that have expired by a time.
	DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Tries is the table of wrong codes, which the nodes of a database share. If nil,
	// each process counts its own.
	Tries tries.Rows
	// Accounts manages the accounts that PINs are linked to. Required.
	Accounts *account.Service
	// Tokens issues the tokens of PINs. Required.
	Tokens *token.Service
	// Key is the key that proofs are derived from. Required.
	Key *seal.Key
	// Keys registers the keys of devices that have one. Required.
	Keys *devicekey.Service
	// Audit is the audit log. Required.
	Audit *audit.Log
	// FailedTries is the number of consecutive wrong codes of four characters that an
	// account may try before each further one must wait. If zero, only the number of
	// pending PINs is limited.
	FailedTries int
	// Random is the source of randomness of PINs. If nil, it is crypto/rand.Reader. Any
	// other source makes PINs predictable, and is for tests only.
	Random io.Reader
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service manages PINs. It is safe for concurrent use.
type Service struct {
	db       *db.DB
	rows     Rows
	accounts *account.Service
	tokens   *token.Service
	keys     *devicekey.Service
	audit    *audit.Log
	proofKey [32]byte
	now      func() time.Time
	random   io.Reader
	cached   *db.Cache[int64, PIN]

	short, strong         kind
	byAccount             *tries.Failures // wrong codes
	byAddress             *guard.Failures // wrong codes
	unasked               *guard.Failures // wrong codes in links, by account
	byClient, byPollingIP *guard.Failures // unknown IDs
}

// kind is one of the two kinds of code.
type kind struct {
	alphabet string
	length   int
	ttl      time.Duration
	most     int             // maximum number of pending PINs
	started  *guard.Failures // by address
	room     *guard.Failures // attempts to evict a PIN when the pool is full, by wide network
}

const (
	// shortAlphabet has at most one of the characters that look alike from a distance
	// (0 O Q, 1 I L, 2 Z, 5 S, 6 G, 8 B, U V), and no vowels, so that codes are not
	// words (RFC 8628, section 6.1).
	shortAlphabet  = "CDFGHJKMNPRTVWXY3479"
	strongAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

	shortLength  = 4 // the number of boxes on the page to type it
	strongLength = 25

	shortTTL  = 15 * time.Minute
	strongTTL = 30 * time.Minute

	// maxShort helps to make guessing hopeless: see the package comment.
	maxShort  = 200
	maxStrong = 5000

	// roomBurst limits how often PINs are evicted for a network, because each eviction
	// reads all pending PINs.
	roomBurst = 30

	// wrongRefill is the time after which a wrong code of an account is forgotten.
	wrongRefill = 3 * time.Minute
)

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{
		db: cfg.DB, rows: cfg.Rows, accounts: cfg.Accounts, tokens: cfg.Tokens, keys: cfg.Keys, audit: cfg.Audit,
		proofKey: cfg.Key.Derive("pin proofs"), now: cfg.Now, random: cfg.Random,
	}
	if s.random == nil {
		s.random = rand.Reader
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
	// Many users may have one address, behind one router or one proxy.
	s.short = kind{
		shortAlphabet, shortLength, shortTTL, maxShort, limit(30, 20*time.Second), limit(roomBurst, time.Second),
	}
	s.strong = kind{
		strongAlphabet, strongLength, strongTTL, maxStrong, limit(300, time.Second), limit(roomBurst, time.Second),
	}
	s.byAccount = tries.New(tries.Config{
		DB: cfg.DB, Rows: cfg.Tries, Key: cfg.Key, Name: "pin", Burst: cfg.FailedTries, Refill: wrongRefill,
	})
	s.unasked = limit(1, shortTTL)
	s.byAddress = limit(10*cfg.FailedTries, wrongRefill/10)
	// Programs continue to poll an expired PIN, twice a second: the limit allows five
	// of them to do so forever.
	s.byClient = limit(pollBurst, pollRefill)
	s.byPollingIP = limit(10*pollBurst, pollRefill/10)
	s.cached = db.NewCache[int64, PIN](cfg.DB, maxCached, stale)
	return s
}

const (
	pollBurst  = 600
	pollRefill = 100 * time.Millisecond
	// maxCached is the maximum number of cached PINs, of half a kilobyte each. It
	// exceeds the number of PINs that can be pending.
	maxCached = 8192
)

// stale returns which cached PINs a change invalidates. Revoking a token or disabling
// an account affects PINs that the change does not name.
func stale(c db.Change) (id int64, scope db.Scope) {
	switch c.Topic {
	case Topic:
		return c.ID(), db.Entry
	case token.Topic, account.Topic:
		return 0, db.Everything
	}
	return 0, db.Nothing
}

// maxTries is how often a code or an ID that is taken is generated again.
const maxTries = 20

// Start adds a PIN for a device, whose Address is that of the request. When the pool is
// full, the oldest PIN of the network that has the most is evicted, if the network of
// the new PIN has at least two fewer. Errors: fault.Limited.
//
// forward is the URL to which the browser of the consenting user is redirected with a
// proof. The token is then returned only by Redeem, in exchange for the proof, and
// never by Get. If forward is empty, no proof is needed. Errors: fault.Invalid.
func (s *Service) Start(ctx context.Context, d device.Device, strong bool, forward string) (PIN, error) {
	return s.StartWithKey(ctx, d, strong, forward, nil)
}

// StartWithKey is Start for a device that has a key. jwk is its public half.
func (s *Service) StartWithKey(
	ctx context.Context, d device.Device, strong bool, forward string, jwk []byte,
) (PIN, error) {
	k, now := s.short, s.now()
	forward, err := parseProofURL(forward)
	if err != nil {
		return PIN{}, err
	}
	if strong {
		k = s.strong
	}
	if wait := k.started.Take(guard.Network(d.Address), now); wait > 0 {
		return PIN{}, fault.WithWait(errStarts, wait)
	}
	p := PIN{Strong: strong, Device: d, Forward: forward, JWK: jwk, CreatedAt: now, ExpiresAt: now.Add(k.ttl)}
	_, _ = io.ReadFull(s.random, p.Nonce[:]) // crypto/rand never fails
	err = s.add(ctx, &p, k, false)
	if errors.Is(err, errFull) && k.room.Take(wideNetwork(d.Address), now) == 0 {
		err = s.add(ctx, &p, k, true)
	}
	if errors.Is(err, errFull) {
		return PIN{}, fault.WithWait(errWaiting, time.Minute)
	}
	if err != nil {
		return PIN{}, fmt.Errorf("starting a PIN: %w", err)
	}
	return p, nil
}

// errFull reports that the pool of pending PINs is full.
var errFull = errors.New("too many PINs wait")

// add generates an ID and a code for a PIN, and adds it. If the pool is full and evict
// is false, the error is errFull.
func (s *Service) add(ctx context.Context, p *PIN, k kind, evict bool) error {
	err := db.ErrConflict
	for try := 0; try < maxTries && errors.Is(err, db.ErrConflict); try++ {
		p.ID, p.Code = newID(s.random), string(letters.Draw(s.random, k.alphabet, k.length))
		err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := s.rows.DeleteExpired(ctx, tx, tx.Now()); err != nil {
				return err
			}
			waiting, err := s.rows.CountWaiting(ctx, tx, p.Strong)
			if err != nil {
				return err
			}
			if waiting >= k.most {
				if err := s.makeRoom(ctx, tx, *p, evict); err != nil {
					return err
				}
			}
			return s.rows.Insert(ctx, tx, *p)
		})
	}
	return err
}

// makeRoom evicts the oldest pending PIN of the network that has the most, so that
// nobody can prevent others from starting theirs. The error is errFull if that network
// would then have fewer than the new PIN's network.
func (s *Service) makeRoom(ctx context.Context, tx *db.Tx, p PIN, evict bool) error {
	if !evict {
		return errFull
	}
	waiting, err := s.rows.Waiting(ctx, tx, p.Strong)
	if err != nil {
		return err
	}
	have, most := make(map[string]int), 0
	for _, w := range waiting {
		network := wideNetwork(w.Address)
		have[network]++
		most = max(most, have[network])
	}
	if most-1 <= have[wideNetwork(p.Device.Address)] {
		return errFull
	}
	oldest := slices.IndexFunc(waiting, func(w Waiting) bool { return have[wideNetwork(w.Address)] == most })
	return s.rows.Delete(ctx, tx, waiting[oldest].ID)
}

// wideNetwork returns the network by which pending PINs are counted when the pool is
// full. For IPv6, it is the first 48 bits, because one household may have 256 or more
// of the networks by which attempts are counted.
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

// newID generates a number from 1 to 2^31-1.
func newID(random io.Reader) int64 {
	var b [4]byte
	for {
		_, _ = io.ReadFull(random, b[:]) // crypto/rand never fails
		if id := int64(binary.BigEndian.Uint32(b[:]) >> 1); id > 0 {
			return id
		}
	}
}

// Get returns a PIN to the client that started it and, once it is linked, the token of
// its device. address is the client's address. Errors: ErrNotFound, fault.Limited.
//
// Someone who knows the client identifier could guess an ID, of which there are two
// billion. So unknown IDs are counted by client and address, and a client that has
// reached the limit is limited for every ID. They are also counted by address alone,
// but that limit never applies to a known ID: requests of others behind the same router
// do not limit a client's polling.
//
// A PIN that needs a proof looks pending even if it is linked: see Redeem.
func (s *Service) Get(ctx context.Context, id int64, client, address string) (PIN, plexauth.Secret, error) {
	p, err := s.find(ctx, id, client, address)
	if err != nil {
		return PIN{}, "", err
	}
	return s.answer(p)
}

// answer returns a PIN with its token, if it is linked and needs no proof. The error is
// ErrNotFound if a device key has replaced the token.
func (s *Service) answer(p PIN) (PIN, plexauth.Secret, error) {
	if p.Forward != "" {
		p.AccountID = 0
	}
	if p.AccountID == 0 {
		return p, "", nil
	}
	tok := s.tokens.OfPIN(p.Nonce)
	if p.TokenHash != token.HashOf(tok) {
		return PIN{}, "", ErrNotFound
	}
	return p, tok, nil
}

// find returns the PIN that a client requests, within the limits that Get explains.
func (s *Service) find(ctx context.Context, id int64, client, address string) (PIN, error) {
	now, try := s.now(), client+"\x00"+guard.Network(address)
	if wait := s.byClient.Wait(try, now); wait > 0 {
		return PIN{}, fault.WithWait(errPolls, wait)
	}
	p, err := s.cached.Get(id, func() (PIN, error) { return s.rows.Get(ctx, s.db, id) })
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return PIN{}, err
	}
	if err != nil || p.Revoked || !now.Before(p.ExpiresAt) || !same(p.Device.ClientIdentifier, client) {
		if wait := s.byPollingIP.Take(guard.Network(address), now); wait > 0 {
			return PIN{}, fault.WithWait(errPolls, wait)
		}
		s.byClient.Failed(try, now)
		return PIN{}, ErrNotFound
	}
	return p, nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Find returns the pending PIN with a code that an account has entered, so that the
// user sees which device it is. Errors: ErrNotFound, fault.Limited.
//
// Only wrong codes of the guessable form are counted. So links with other wrong codes,
// which an attacker may have sent, cannot lock a user out.
func (s *Service) Find(ctx context.Context, by audit.Actor, code string) (PIN, error) {
	now, who := s.now(), strconv.FormatInt(by.AccountID, 10)
	code, ok := Normal(code)
	if !ok {
		return PIN{}, ErrNotFound
	}
	if !Guessable(code) {
		return s.waiting(ctx, code, now)
	}
	wait, err := s.byAccount.Take(ctx, who, now)
	if err != nil {
		return PIN{}, err
	}
	if wait > 0 {
		return PIN{}, fault.WithWait(errCodes, wait)
	}
	if wait := s.byAddress.Take(guard.Network(by.Address), now); wait > 0 {
		return PIN{}, errors.Join(fault.WithWait(errCodes, wait), s.byAccount.Return(context.WithoutCancel(ctx), who))
	}
	p, err := s.waiting(ctx, code, now)
	if !errors.Is(err, ErrNotFound) {
		// A right code does not reset the count of wrong ones, because a guesser can
		// enter right codes of PINs that they started.
		s.byAddress.Return(guard.Network(by.Address))
		err = errors.Join(err, s.byAccount.Return(context.WithoutCancel(ctx), who))
	}
	return p, err
}

// ErrUnasked reports that a code in a link is not looked up until the user submits it.
var ErrUnasked = fault.New(fault.Limited, "too many links with wrong codes")

// FindUnasked is Find for a code in a link, which the user may not have opened on
// purpose. Only one wrong code is looked up within the lifetime of a PIN. It is counted
// separately from the codes that the user types. After that, the error is ErrUnasked.
// Attack: a page of another site opens links with wrong codes until the user's own
// codes are rate limited.
func (s *Service) FindUnasked(ctx context.Context, by audit.Actor, code string) (PIN, error) {
	now, who := s.now(), strconv.FormatInt(by.AccountID, 10)
	code, ok := Normal(code)
	if !ok {
		return PIN{}, ErrNotFound
	}
	if !Guessable(code) {
		return s.waiting(ctx, code, now)
	}
	if wait := s.unasked.Take(who, now); wait > 0 {
		return PIN{}, fault.WithWait(ErrUnasked, wait)
	}
	network := guard.Network(by.Address)
	if wait := s.byAddress.Take(network, now); wait > 0 {
		s.unasked.Return(who)
		return PIN{}, fault.WithWait(ErrUnasked, wait)
	}
	p, err := s.waiting(ctx, code, now)
	if !errors.Is(err, ErrNotFound) {
		s.unasked.Return(who)
		s.byAddress.Return(network)
	}
	return p, err
}

// waiting returns the pending PIN with a code.
func (s *Service) waiting(ctx context.Context, code string, now time.Time) (PIN, error) {
	p, err := s.rows.ByCode(ctx, s.db, code)
	if errors.Is(err, db.ErrNotFound) || err == nil && !p.waiting(now) {
		return PIN{}, ErrNotFound
	}
	return p, err
}

// Link links the pending PIN with a code to the actor's account, because the user has
// consented on a page. Of concurrent calls with the same code, one succeeds. Errors:
// ErrNotFound, fault.Limited.
func (s *Service) Link(ctx context.Context, by audit.Actor, code string) error {
	return s.link(ctx, by, by.AccountID, token.Parent{}, code)
}

// LinkAs is Link for another account of the actor's home, which home.Choose returned.
func (s *Service) LinkAs(ctx context.Context, by audit.Actor, accountID int64, code string) error {
	return s.link(ctx, by, accountID, token.Parent{}, code)
}

// LinkByToken is Link for a program that has an access token of the account. The user
// was not asked, so the device's token is a child of that token: it is revoked with it,
// and expires with it. Attack: a program links a PIN of its own, to keep access to the
// account after its token is revoked. The error is token.ErrInvalid if the token was
// revoked meanwhile, and fault.Denied if the PIN needs a proof, because no browser can
// bring it.
func (s *Service) LinkByToken(ctx context.Context, by audit.Actor, p token.Principal, code string) error {
	return s.link(ctx, by, by.AccountID, p.Parent(), code)
}

func (s *Service) link(
	ctx context.Context, by audit.Actor, accountID int64, parent token.Parent, code string,
) error {
	found, err := s.Find(ctx, by, code)
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := s.rows.Get(ctx, tx, found.ID)
		if err != nil {
			return err
		}
		a, err := s.accounts.Active(ctx, tx, accountID)
		if errors.Is(err, account.ErrNotFound) || err == nil && !p.waiting(tx.Now()) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if parent.TokenID != 0 && p.Forward != "" {
			return errOnPage
		}
		tok := s.tokens.OfPIN(p.Nonce)
		detail, err := s.tokens.Add(ctx, tx, by, a.ID, parent, p.Device, tok)
		if err != nil {
			return err
		}
		if err := s.rows.SetLinked(ctx, tx, p.ID, a.ID, token.HashOf(tok)); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.PINLinked, AccountID: a.ID, Account: a.Username,
			Detail: detail + " for " + p.Device.Label(),
		})
	})
	return named("linking a PIN", err)
}

// Deny removes the pending PIN with a code, because the actor denies access. The next
// poll of its device fails with ErrNotFound. Errors: ErrNotFound, fault.Limited.
func (s *Service) Deny(ctx context.Context, by audit.Actor, code string) error {
	found, err := s.Find(ctx, by, code)
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := s.rows.Get(ctx, tx, found.ID)
		if err != nil {
			return err
		}
		if p.AccountID != 0 {
			return ErrNotFound
		}
		if err := s.rows.Delete(ctx, tx, p.ID); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.PINRefused, AccountID: by.AccountID, Detail: p.Device.Label(),
		})
	})
	return named("denying a PIN", err)
}

// named wraps an error with what was being done, and replaces errors of the database
// with those of this package.
func named(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, db.ErrNotFound):
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
