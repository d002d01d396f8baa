// Package device manages devices: the programs that hold tokens, with their
// descriptions of themselves and the time of their last use.
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

// Device is a program on a machine, identified by its client identifier, with its
// latest description of itself.
type Device struct {
	ID int64 // 0 before it is stored
	// ClientIdentifier is X-Plex-Client-Identifier. It is unique within an account.
	ClientIdentifier string
	Product          string // the program
	Version          string // its version
	Platform         string // the operating system
	PlatformVersion  string // its version
	Device           string // the kind of machine
	Model            string // the model of the machine
	Vendor           string // who made the machine
	Name             string // the name that the user gave it
	// Address is the address of its last sign-in.
	Address string
	// CreatedAt is the time of its first sign-in, and LastSeenAt the time when it last
	// used a token. Both are zero for a device that is about to sign in.
	CreatedAt, LastSeenAt time.Time
}

// Describe returns a name for people from the device's description of itself, such as
// "Player on Living room". It may be empty.
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

// Label returns Describe or, if that is empty, the client identifier.
func (d Device) Label() string {
	if text := d.Describe(); text != "" {
		return text
	}
	return d.ClientIdentifier
}

// Network returns the network of its last sign-in, as guard.Network defines it.
func (d Device) Network() string { return guard.Network(d.Address) }

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// Upsert adds a device of an account, or replaces its description of itself. It
	// returns the ID, and whether the device is new to the account: see Watcher.
	Upsert(ctx context.Context, tx *db.Tx, accountID int64, d Device) (id int64, isNew bool, err error)
	// List reads an account's devices that hold a token, the last seen first.
	List(ctx context.Context, q db.Querier, accountID int64, r paging.Request) (paging.List[Device], error)
	// Search is List of the devices that match a query, in its order.
	Search(ctx context.Context, q db.Querier, accountID int64, query Query, r paging.Request) (
		paging.List[Device], error)
	// Held returns a device of an account that holds a token, and the number of its
	// tokens, or db.ErrNotFound.
	Held(ctx context.Context, q db.Querier, accountID, id int64) (Device, int, error)
	// Count counts an account's devices that hold a token.
	Count(ctx context.Context, q db.Querier, accountID int64) (int, error)
	// ByIdentifier returns the ID and the address of an account's device, with or
	// without a token, or db.ErrNotFound.
	ByIdentifier(ctx context.Context, q db.Querier, accountID int64, clientIdentifier string) (
		id int64, address string, err error)
	// Surplus returns the IDs of an account's devices, with or without a token. It
	// omits a number of them: those that hold a token and were seen last.
	Surplus(ctx context.Context, q db.Querier, accountID int64, except int) ([]int64, error)
	// Absorb merges the times of a device into those of another one of the same
	// account, which gets the earlier CreatedAt and the later LastSeenAt.
	Absorb(ctx context.Context, tx *db.Tx, from, into int64) error
	// Delete removes a device with its tokens.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
}

// Order is an order in which devices are listed.
type Order uint8

// The orders. The zero value is the best one to find an unknown device.
const (
	BySeen    Order = iota // the last seen first
	ByName                 // by name
	ByProduct              // by program, then by name
)

// Query selects and orders the devices of an account. The zero value selects all.
type Query struct {
	// Text is a part of the name, the program, the machine or the address. The letters
	// A to Z match in both cases. If empty, all devices are selected.
	Text  string
	Order Order
}

// ErrNotFound reports that an account has no such device, or that the device holds
// no token.
var ErrNotFound = fault.New(fault.NotFound, "there is no such device")

// PerAccount is the maximum number of devices of an account. When one more signs in,
// the least recently seen one is signed out.
const PerAccount = 500

// Watcher is called for devices that sign in.
type Watcher interface {
	// SignedIn is called in the transaction in which a device of an account gets a
	// token. isNew reports that the account's owner may not know the device. Attack: an
	// attacker who has the password sends the client identifier of one of the owner's
	// devices, which is not a secret, so that the owner gets no notice. So a device is
	// new unless it is signed in to the account now, and is the same program in the
	// same network as at its last sign-in. Other accounts do not matter: many programs
	// for several users have one client identifier for all of them.
	SignedIn(ctx context.Context, tx *db.Tx, accountID int64, d Device, isNew bool) error
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Watchers are called for each sign-in, in this order.
	Watchers []Watcher
}

// Service manages devices. It is safe for concurrent use.
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

// MakeRoom removes, in a sign-in's transaction, the devices of an account that exceed
// PerAccount, and returns how many it removed. If there are any, it first calls settle,
// which writes when they were last seen. It calls revoke to revoke the tokens of a
// device before it removes the device.
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

// Merge merges two devices of an account, in an open transaction. It removes the device
// from, whose tokens must already have been moved to into.
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

// Search reads the devices of an account that hold a token and match a query, in the
// query's order.
func (s *Service) Search(
	ctx context.Context, accountID int64, query Query, r paging.Request,
) (paging.List[Device], error) {
	list, err := s.rows.Search(ctx, s.db, accountID, query, r)
	if err != nil {
		return list, fmt.Errorf("searching devices: %w", err)
	}
	return list, nil
}

// Held returns a device of an account, and the number of tokens that it holds. Errors:
// ErrNotFound.
func (s *Service) Held(ctx context.Context, accountID, id int64) (d Device, tokens int, err error) {
	return s.HeldIn(ctx, s.db, accountID, id)
}

// HeldIn is Held in an open transaction.
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

// Known returns the ID of the device with a client identifier that has signed in to an
// account before, and the address of its last sign-in. It may have signed out since.
// The ID is 0 if there is no such device.
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
