package token

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/seal"
)

// KeyTopic is announced for every key of transient tokens that is added or removed.
const KeyTopic db.Topic = "transient key"

// After a crash, the tokens of a node become invalid within 30 seconds: lease after its
// last renewal by its own clock, skew for the difference between the clocks of two nodes,
// and skew once more for a node whose clock is behind.
const (
	lease      = 20 * time.Second
	skew       = 5 * time.Second
	renewEvery = 5 * time.Second
)

// sealPurpose is the purpose of sealing the keys with the database's key.
const sealPurpose = "transient tokens"

// SealedKey is the key with which a node seals its transient tokens, in the form for other
// nodes.
type SealedKey struct {
	// ID is the beginning of the nonces of its tokens.
	ID int64
	// Sealed is the key, sealed with the database's key.
	Sealed []byte
	// ExpiresAt is when the lease expires, by the clock of the node.
	ExpiresAt time.Time
}

// KeyRows stores the keys of several nodes. Package store implements
// it.
type KeyRows interface {
	// List returns all keys, also expired ones.
	List(ctx context.Context, q db.Querier) ([]SealedKey, error)
	// Insert adds a key. The error is db.ErrConflict if another one has its ID.
	Insert(ctx context.Context, tx *db.Tx, k SealedKey) error
	// Renew sets when a key expires. The error is db.ErrNotFound if it does not exist.
	Renew(ctx context.Context, tx *db.Tx, k SealedKey) error
	// Delete removes a key.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
	// DeleteExpired removes the keys whose lease expired before now.
	DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error
}

// keys are the keys of the other nodes, and this node's as they read it.
type keys struct {
	db   *db.DB
	rows KeyRows
	key  *seal.Key
	log  *slog.Logger
	now  func() time.Time
	own  SealedKey // Sealed is nil until ShareKey
	// offset is added to a clock that differs from the database's by more than skew.
	// Otherwise this node would remove the keys of all others, or keep its own long after a
	// crash.
	offset atomic.Int64

	loading sync.Mutex // one question at a time
	mu      sync.RWMutex
	set     map[uint32]peer // nil: it has to be read
	asked   time.Time       // when the question began that set answers
	drops   uint64
}

// peer is another node's key.
type peer struct {
	sealer  *sealer
	expires time.Time
}

func newKeys(cfg Config) *keys {
	k := &keys{db: cfg.DB, rows: cfg.KeyRows, key: cfg.Key, now: cfg.Now, log: cfg.Logger}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.now == nil {
		k.now = time.Now
	}
	k.db.Watch(k.drop)
	return k
}

// drop drops the cached keys when one was added or removed.
func (k *keys) drop(changes []db.Change, all bool) {
	for _, c := range changes {
		all = all || c.Topic == KeyTopic
	}
	if !all {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.set = nil
	k.drops++
}

// find returns the key of another live node, or nil if there is no such node. It
// queries the database for an unknown key, but not concurrently: a text that looks like
// a token costs no more than that.
func (k *keys) find(ctx context.Context, id uint32) (*sealer, error) {
	arrived := time.Now()
	if s := k.known(id, time.Time{}); s != nil && k.db.Trusts() {
		return s, nil
	}
	k.loading.Lock()
	defer k.loading.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k.answered(arrived) {
		return k.known(id, arrived), nil
	}
	set, err := k.load(ctx)
	if err == nil {
		return k.alive(set, id), nil
	}
	if s := k.known(id, time.Time{}); s != nil && k.db.Tolerates(err) {
		return s, nil
	}
	return nil, fmt.Errorf("reading the keys of other nodes: %w", err)
}

// clock returns the time of this node, or of the database if they differ too much.
func (k *keys) clock() time.Time { return k.now().Add(time.Duration(k.offset.Load())) }

// compareClocks compares the clock of this node with that of the database.
func (k *keys) compareClocks(ctx context.Context, q db.Querier) error {
	offset, err := k.db.Offset(ctx, q)
	if err != nil {
		return err
	}
	if offset.Abs() <= skew {
		offset = 0
	}
	before := time.Duration(k.offset.Swap(int64(offset)))
	switch {
	case before == 0 && offset != 0:
		k.log.Warn("the clock of this machine is not that of the database: set the one that is wrong, because codes of second "+
			"factors and times of expiry depend on it", "database ahead by", offset.Round(time.Second).String())
	case before != 0 && offset == 0:
		k.log.Info("the clock of this machine is that of the database again")
	}
	return nil
}

// alive returns a key of a set whose lease has not expired.
func (k *keys) alive(set map[uint32]peer, id uint32) *sealer {
	p, ok := set[id]
	if !ok || !k.clock().Before(p.expires.Add(skew)) {
		return nil
	}
	return p.sealer
}

// known returns a key that lives, from an answer that is not older than since.
func (k *keys) known(id uint32, since time.Time) *sealer {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.asked.Before(since) {
		return nil
	}
	return k.alive(k.set, id)
}

// answered reports whether the keys were read by a question from after a time.
func (k *keys) answered(since time.Time) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.set != nil && !k.asked.Before(since)
}

// load reads the keys, and caches them unless one was added or removed meanwhile.
func (k *keys) load(ctx context.Context) (map[uint32]peer, error) {
	k.mu.RLock()
	drops, asked := k.drops, time.Now()
	k.mu.RUnlock()
	var list []SealedKey
	err := k.db.Ask(ctx, func(ctx context.Context) (err error) {
		list, err = k.rows.List(ctx, k.db)
		return err
	})
	if err != nil {
		return nil, err
	}
	set := make(map[uint32]peer)
	for _, sealed := range list {
		secret, err := k.key.Open(sealPurpose, sealed.Sealed)
		if err != nil || len(secret) != keySize {
			continue // no valid token is sealed with a key that this node cannot open
		}
		s, err := openSealer([keySize]byte(secret))
		if err != nil {
			return nil, err
		}
		set[uint32(sealed.ID)] = peer{s, sealed.ExpiresAt}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.drops == drops {
		k.set, k.asked = set, asked
	}
	return set, nil
}

// ShareKey makes the other nodes of a database accept the transient tokens that
// this one mints, for as long as Run runs and a little longer. A process that
// does not mint tokens need not call it. On SQLite, which has one node, it does nothing.
func (s *Service) ShareKey(ctx context.Context) error {
	if !s.db.Shared() || s.keys.rows == nil {
		return nil
	}
	const tries = 3 // two nodes draw the same ID once in four thousand million times
	err := db.ErrConflict
	for try := 0; try < tries && errors.Is(err, db.ErrConflict); try++ {
		var key [keySize]byte
		var own *sealer
		if own, key, err = newSealer(s.random); err != nil {
			return err
		}
		s.sealer.Store(own)
		s.keys.own.ID = int64(own.id())
		if s.keys.own.Sealed, err = s.keys.key.Seal(sealPurpose, key[:]); err != nil {
			return fmt.Errorf("sealing the key of transient tokens: %w", err)
		}
		err = s.renewKey(ctx)
	}
	return err
}

// renewKey moves the end of the lease on, and adds the key if others have removed
// it.
func (s *Service) renewKey(ctx context.Context) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.keys.compareClocks(ctx, tx); err != nil {
			return err
		}
		now := s.keys.clock()
		own := s.keys.own
		own.ExpiresAt = now.Add(lease)
		if err := s.keys.rows.DeleteExpired(ctx, tx, now.Add(-2*skew)); err != nil {
			return err
		}
		err := s.keys.rows.Renew(ctx, tx, own)
		if errors.Is(err, db.ErrNotFound) {
			err = s.keys.rows.Insert(ctx, tx, own)
		}
		return err
	})
}

// WithdrawKey invalidates the transient tokens that this node minted, on all nodes.
func (s *Service) WithdrawKey(ctx context.Context) error {
	if s.keys.own.Sealed == nil {
		return nil
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.keys.rows.Delete(ctx, tx, s.keys.own.ID)
	})
}

// renewKeys renews the lease until ctx is cancelled.
func (s *Service) renewKeys(ctx context.Context) {
	if s.keys.own.Sealed == nil {
		return
	}
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.renewKey(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("cannot renew the key of transient tokens", "error", err)
		}
	}
}

// id returns the beginning of the nonces of a sealer's tokens.
func (s *sealer) id() uint32 { return binary.BigEndian.Uint32(s.start[:]) }
