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

// Topic is announced for every PIN that is added, linked or removed. The key is
// its ID.
const Topic db.Topic = "pin"

// PIN is a sign-in that a device without a keyboard waits for.
type PIN struct {
	// ID is random and below 2^31: clients read it as 32 bits.
	ID   int64
	Code string // four characters, or a strong code
	// Strong says that the code is too long to be guessed, or to be typed.
	Strong bool
	// Nonce is what its token is derived from.
	Nonce [16]byte
	// Device is what started the PIN, and its Address where that was. The
	// device's ID is not set.
	Device device.Device
	// AccountID is the account that the PIN was linked to; 0 until then.
	AccountID int64
	// Forward is where the browser of the person who agrees goes on to, with a
	// proof without which the token is not given. Empty: no proof is needed.
	Forward string
	// JWK is the public key that the device gave; empty: none.
	JWK []byte
	// TokenHash is that of the token that it led to, or of the device key that
	// took its place.
	TokenHash token.Hash
	// Revoked says that the PIN was linked, and that its token was revoked or
	// its account is disabled.
	Revoked              bool
	CreatedAt, ExpiresAt time.Time // its life
}

// waiting reports whether the PIN can be linked.
func (p PIN) waiting(now time.Time) bool { return p.AccountID == 0 && now.Before(p.ExpiresAt) }

// String keeps the code, which signs a device in, out of logs.
func (p PIN) String() string { return fmt.Sprintf("PIN %d", p.ID) }

// Waiting is a PIN that waits to be linked, and where its device is.
type Waiting struct {
	ID      int64  // of the PIN
	Address string // of the device
}

// Rows is what a Service needs stored. Package store implements it.
type Rows interface {
	// Get returns a PIN by ID, and ByCode by its code: db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, id int64) (PIN, error)
	ByCode(ctx context.Context, q db.Querier, code string) (PIN, error)
	// CountWaiting counts the PINs that wait, strong ones or others.
	CountWaiting(ctx context.Context, q db.Querier, strong bool) (int, error)
	// Waiting returns them, the oldest first.
	Waiting(ctx context.Context, q db.Querier, strong bool) ([]Waiting, error)
	// Insert adds a PIN: db.ErrConflict if its ID or code is taken.
	Insert(ctx context.Context, tx *db.Tx, p PIN) error
	// SetLinked links a PIN to an account and to the token that it leads to.
	SetLinked(ctx context.Context, tx *db.Tx, id, accountID int64, h token.Hash) error
	// Delete removes a PIN.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
	// DeleteExpired removes the PINs that have expired by a time.
	DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error
}

// Config is what a Service stands on.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Tries is the table of wrong codes, which all nodes of a database count
	// together. Nil: each process counts its own.
	Tries tries.Rows
	// Accounts are whom PINs are linked to. Required.
	Accounts *account.Service
	// Tokens issues what a PIN leads to. Required.
	Tokens *token.Service
	// Key is what proofs are derived from. Required.
	Key *seal.Key
	// Keys takes the keys of devices that have one. Required.
	Keys *devicekey.Service
	// Audit is the log of what happens to PINs. Required.
	Audit *audit.Log
	// FailedTries is how many wrong codes of four characters an account may try
	// in a row before each further one must wait. Zero: nothing is limited but
	// how many PINs wait at the same time.
	FailedTries int
	// Random gives the bits of PINs. Nil: crypto/rand.Reader. Anything else makes
	// them predictable, and is for tests.
	Random io.Reader
	// Now returns the time. Nil: time.Now.
	Now func() time.Time
}

// Service keeps PINs. It is safe for concurrent use.
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
	most     int             // that wait to be linked at the same time
	started  *guard.Failures // by address
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
	// Many people may come from one address, through one router or one proxy.
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
	// Programs go on to poll a PIN that has expired, twice a second: five of
	// them may, for ever.
	s.byClient = limit(pollBurst, pollRefill)
	s.byPollingIP = limit(10*pollBurst, pollRefill/10)
	s.cached = db.NewCache[int64, PIN](cfg.DB, maxCached, stale)
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
	case Topic:
		return c.ID(), db.Entry
	case token.Topic, account.Topic:
		return 0, db.Everything
	}
	return 0, db.Nothing
}

// maxTries is how often a code or an ID that is taken is drawn anew.
const maxTries = 20

// Start adds a PIN for a device, with the address that it asks from. When too
// many wait, the oldest PIN of the network that has the most is evicted, if the
// new one's network has at least two fewer. fault.Limited.
//
// forward is where the browser of the person who agrees goes on to, with a
// proof: the token is given only for that proof, by Redeem, and never by Get.
// Empty: no proof is needed. fault.Invalid.
func (s *Service) Start(ctx context.Context, d device.Device, strong bool, forward string) (PIN, error) {
	return s.StartWithKey(ctx, d, strong, forward, nil)
}

// StartWithKey is Start for a device that has a key, and gives its public half
// as a JWK.
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

// errFull says that too many PINs wait.
var errFull = errors.New("too many PINs wait")

// add generates an ID and a code for a PIN, and adds it. evict says that
// another may be removed for it: errFull.
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

// makeRoom evicts the oldest PIN of the network that has the most of those that
// wait, so that nobody keeps others from starting theirs. errFull if it would
// then have fewer than the new PIN's network.
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

// Get returns a PIN to the client that started it and, once it is linked, the
// token of its device. address is where the client asks from. ErrNotFound,
// fault.Limited.
//
// Someone who knows the client identifier can guess an ID: there are two
// billion. Unknown IDs are therefore counted by client and address, and a
// client that has reached the limit is limited whatever it asks for. They are
// also counted by address, but there a known ID always gets its answer: nobody's
// polling is limited by what others do behind the same router.
//
// A PIN that needs a proof looks as if it still waited, also when it is linked: see
// Redeem.
func (s *Service) Get(ctx context.Context, id int64, client, address string) (PIN, plexauth.Secret, error) {
	p, err := s.find(ctx, id, client, address)
	if err != nil {
		return PIN{}, "", err
	}
	return s.answer(p)
}

// answer returns a PIN with its token, if it is linked and needs no proof.
// ErrNotFound if a JWT has taken the token's place.
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

// find returns the PIN that a client asks for, within the limits that Get
// explains.
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

// Find returns the PIN that waits under a code that an account has typed, so
// that the person sees which device it is. ErrNotFound, fault.Limited.
//
// Only wrong codes that can be guessed are counted: a link with any other code,
// which may be someone else's, keeps nobody from linking.
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
		// A right code does not clear wrong ones: a guesser has right ones, of
		// PINs of their own.
		s.byAddress.Return(guard.Network(by.Address))
		err = errors.Join(err, s.byAccount.Return(context.WithoutCancel(ctx), who))
	}
	return p, err
}

// ErrUnasked says that a code in a link is not looked up any more until the person
// submits it.
var ErrUnasked = fault.New(fault.Limited, "too many links with wrong codes")

// FindUnasked is Find for a code in a link, which the person may not have followed
// on purpose. One wrong code is looked up in the life of a PIN, and counts apart from
// those that the person types: ErrUnasked from then on. Attack: a page of another site opens links
// with wrong codes until the person's own codes have to wait.
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

// waiting finds the PIN that waits under a code.
func (s *Service) waiting(ctx context.Context, code string, now time.Time) (PIN, error) {
	p, err := s.rows.ByCode(ctx, s.db, code)
	if errors.Is(err, db.ErrNotFound) || err == nil && !p.waiting(now) {
		return PIN{}, ErrNotFound
	}
	return p, err
}

// Link gives the device that waits under a code a token of the actor's account,
// because a person has agreed to it on a page. If many try with the same code,
// one succeeds. ErrNotFound, fault.Limited.
func (s *Service) Link(ctx context.Context, by audit.Actor, code string) error {
	return s.link(ctx, by, by.AccountID, token.Parent{}, code)
}

// LinkAs is Link for another account than the actor's: that of somebody in the
// actor's home whom home.Choose has returned.
func (s *Service) LinkAs(ctx context.Context, by audit.Actor, accountID int64, code string) error {
	return s.link(ctx, by, accountID, token.Parent{}, code)
}

// LinkByToken is Link for a program that has an access token of the account. No
// person was asked, so the device's token is a child of that one: it is revoked
// with it, and expires with it. Attack: a program that was given a token links a PIN of its own, and
// would keep the account after its token is revoked. token.ErrInvalid if the
// token has been revoked meanwhile. A PIN that needs a proof is denied: there is
// no browser to bring it. fault.Denied.
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

// Deny removes the PIN that waits under a code, because the actor does not want
// it linked: its device learns so at the next poll. ErrNotFound, fault.Limited.
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

// named says what was being done, and gives the database's errors this
// package's names.
func named(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, db.ErrNotFound):
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
