// Package device is the programs that hold tokens: what each says of itself,
// and when it was last seen.
//
// It owns the type that tokens, PINs and listings share, and the list of an
// account's devices. It does not own the tokens: package token issues and
// revokes them.
package device

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/paging"
)

// Device is a program on a machine, as its client identifier names it, with
// what it last said of itself.
type Device struct {
	ID int64 // 0 before it is stored
	// ClientIdentifier is X-Plex-Client-Identifier: a device has one for each
	// account that it signs in to.
	ClientIdentifier string
	Product          string // the program
	Version          string // its version
	Platform         string // the operating system
	PlatformVersion  string // its version
	Device           string // the kind of machine
	Model            string // the model of the machine
	Vendor           string // who made the machine
	Name             string // what a person called it
	// Address is where it last signed in from.
	Address string
	// CreatedAt is when it first signed in, and LastSeenAt when it last used a
	// token. Both are zero for a device that is about to sign in.
	CreatedAt, LastSeenAt time.Time
}

// Describe names the device for people, by what it says of itself: "Player on
// Living room". It may be empty.
func (d Device) Describe() string {
	name := d.Name
	if name == "" {
		name = d.Device
	}
	if d.Product != "" && name != "" {
		return d.Product + " on " + name
	}
	return d.Product + name
}

// Label is Describe, or the client identifier of a device that says nothing of
// itself.
func (d Device) Label() string {
	if text := d.Describe(); text != "" {
		return text
	}
	return d.ClientIdentifier
}

// Network is where the device last signed in from, as failures are counted.
func (d Device) Network() string { return guard.Network(d.Address) }

// Rows is what a Service needs stored. Package store implements it.
type Rows interface {
	// Upsert adds a device of an account or replaces what it says of itself,
	// and returns its ID, and whether it is new to the account; see Watcher.
	Upsert(ctx context.Context, tx *db.Tx, accountID int64, d Device) (id int64, isNew bool, err error)
	// List reads an account's devices that hold a token, the last seen first.
	List(ctx context.Context, q db.Querier, accountID int64, r paging.Request) (paging.List[Device], error)
	// Search is List of the devices that match a query, in its order.
	Search(ctx context.Context, q db.Querier, accountID int64, query Query, r paging.Request) (
		paging.List[Device], error)
	// Held returns one of an account's devices that hold a token, and how many it
	// holds: db.ErrNotFound.
	Held(ctx context.Context, q db.Querier, accountID, id int64) (Device, int, error)
	// Count counts an account's devices that hold a token.
	Count(ctx context.Context, q db.Querier, accountID int64) (int, error)
	// ByIdentifier returns the ID and the address of an account's device, with or
	// without a token: db.ErrNotFound.
	ByIdentifier(ctx context.Context, q db.Querier, accountID int64, clientIdentifier string) (
		id int64, address string, err error)
	// Surplus returns the IDs of an account's devices, with or without a token,
	// except for a number of them: those that hold a token and were seen last.
	Surplus(ctx context.Context, q db.Querier, accountID int64, except int) ([]int64, error)
	// Absorb merges the times of a device into those of another one of its account: the
	// earlier first sign-in and the later last use stay.
	Absorb(ctx context.Context, tx *db.Tx, from, into int64) error
	// Delete removes a device with its tokens.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
}

// Order is an order in which devices are listed.
type Order uint8

// The orders. The zero value is the one in which people look for a device that
// they do not know.
const (
	BySeen    Order = iota // the last seen first
	ByName                 // by what a person called them
	ByProduct              // by program, and those of one program by name
)

// Query says which devices of an account are listed, and in which order. The zero
// value lists all.
type Query struct {
	// Text occurs in the name, the program, the machine or the address. The letters
	// A to Z match in both cases. Empty: all devices.
	Text  string
	Order Order
}

// ErrNotFound reports that an account has no such device, or that the device holds
// no token.
var ErrNotFound = fault.New(fault.NotFound, "there is no such device")

// PerAccount is how many devices an account has at most. When one more signs in, the
// one that was not seen for longest is signed out.
const PerAccount = 500

// Watcher is called for devices that sign in.
type Watcher interface {
	// SignedIn is called in the transaction in which a device of an account gets a
	// token. isNew means that the account may not know it. Attack: an attacker who has the
	// password sends the client identifier of one of the owner's devices, which is not a
	// secret, so that the owner gets no notice. So a device is new unless it is signed in
	// to the account now, and is the same program in the same network as at its last
	// sign-in. Other accounts do not matter: many programs for several users have one
	// client identifier for all of them.
	SignedIn(ctx context.Context, tx *db.Tx, accountID int64, d Device, isNew bool) error
}

// Config is what a Service stands on.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Watchers are called for each sign-in, in this order.
	Watchers []Watcher
}

// Service keeps the devices. It is safe for concurrent use.
type Service struct {
	db       *db.DB
	rows     Rows
	watchers []Watcher
}

// New returns a Service.
func New(cfg Config) *Service { return &Service{cfg.DB, cfg.Rows, cfg.Watchers} }

// SignedIn records, in a sign-in's transaction, that a device of an account
// signs in, and returns the device's ID.
func (s *Service) SignedIn(ctx context.Context, tx *db.Tx, accountID int64, d Device) (id int64, err error) {
	id, isNew, err := s.rows.Upsert(ctx, tx, accountID, d)
	for _, w := range s.watchers {
		if err == nil {
			err = w.SignedIn(ctx, tx, accountID, d, isNew)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("recording a device: %w", err)
	}
	return id, nil
}

// MakeRoom removes, in a sign-in's transaction, the devices of an account that
// exceed PerAccount, and returns how many there were. If there are any, settle writes
// when they were last seen. revoke revokes the tokens of a device before it goes.
func (s *Service) MakeRoom(
	ctx context.Context, tx *db.Tx, accountID int64, settle func() error, revoke func(deviceID int64) error,
) (int, error) {
	ids, err := s.rows.Surplus(ctx, tx, accountID, PerAccount)
	if err == nil && len(ids) > 0 {
		if err = settle(); err == nil {
			ids, err = s.rows.Surplus(ctx, tx, accountID, PerAccount)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("finding devices beyond the limit: %w", err)
	}
	for _, id := range ids {
		if err := revoke(id); err != nil {
			return 0, err
		}
		if err := s.rows.Delete(ctx, tx, id); err != nil {
			return 0, fmt.Errorf("removing a device: %w", err)
		}
	}
	return len(ids), nil
}

// Merge merges two devices of an account, in a transaction that is under way. It removes
// from, whose tokens must belong to into already.
func (s *Service) Merge(ctx context.Context, tx *db.Tx, from, into int64) error {
	if err := s.rows.Absorb(ctx, tx, from, into); err != nil {
		return err
	}
	if err := s.rows.Delete(ctx, tx, from); err != nil {
		return fmt.Errorf("removing a device that was merged: %w", err)
	}
	return nil
}

// List reads an account's devices that hold a token, the last seen first.
func (s *Service) List(ctx context.Context, accountID int64, r paging.Request) (paging.List[Device], error) {
	list, err := s.rows.List(ctx, s.db, accountID, r)
	if err != nil {
		return list, fmt.Errorf("listing devices: %w", err)
	}
	return list, nil
}

// Search reads those of an account's devices that hold a token and match a query, in
// the query's order.
func (s *Service) Search(
	ctx context.Context, accountID int64, query Query, r paging.Request,
) (paging.List[Device], error) {
	list, err := s.rows.Search(ctx, s.db, accountID, query, r)
	if err != nil {
		return list, fmt.Errorf("searching devices: %w", err)
	}
	return list, nil
}

// Held returns one of an account's devices, and how many tokens it holds.
// ErrNotFound.
func (s *Service) Held(ctx context.Context, accountID, id int64) (d Device, tokens int, err error) {
	return s.HeldIn(ctx, s.db, accountID, id)
}

// HeldIn is Held in a transaction that is under way.
func (s *Service) HeldIn(ctx context.Context, q db.Querier, accountID, id int64) (d Device, tokens int, err error) {
	d, tokens, err = s.rows.Held(ctx, q, accountID, id)
	if errors.Is(err, db.ErrNotFound) {
		return d, 0, ErrNotFound
	}
	if err != nil {
		return d, 0, fmt.Errorf("reading device %d: %w", id, err)
	}
	return d, tokens, nil
}

// Count counts an account's devices that hold a token.
func (s *Service) Count(ctx context.Context, accountID int64) (int, error) {
	n, err := s.rows.Count(ctx, s.db, accountID)
	if err != nil {
		return 0, fmt.Errorf("counting devices: %w", err)
	}
	return n, nil
}

// Known returns the device with a client identifier that has signed in to an
// account before, and the address that it last did so from. It may have signed out
// since. The ID is 0 if there is no such device.
func (s *Service) Known(ctx context.Context, accountID int64, clientIdentifier string) (id int64, address string, err error) {
	id, address, err = s.rows.ByIdentifier(ctx, s.db, accountID, clientIdentifier)
	if errors.Is(err, db.ErrNotFound) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("finding a device: %w", err)
	}
	return id, address, nil
}
