package token

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
)

// ErrSameDevice reports that a device would be merged with itself.
var ErrSameDevice = fault.Invalidf("into", "choose another device: a device cannot be merged with itself")

// Merger describes the effect of merging two devices of an account.
type Merger struct {
	// From is removed, and Into stays.
	From, Into device.Device
	// Moved is the number of tokens and keys of From that move to Into.
	Moved int
	// Ended is the number of tokens and keys of the two that are revoked, because a
	// device can have PerDevice of either kind: the least recently used ones. Their
	// descendants are revoked with them.
	Ended int
}

// Merging returns what merging two devices of an account would do. ErrNoDevice if the
// account has no such device, ErrSameDevice.
func (s *Service) Merging(ctx context.Context, accountID, fromID, intoID int64) (Merger, error) {
	m, err := s.merger(ctx, s.db, accountID, fromID, intoID)
	if err != nil {
		return m, fmt.Errorf("finding the devices to merge: %w", err)
	}
	for _, kind := range []Kind{Access, DeviceKey} {
		n := -PerDevice
		for _, id := range []int64{fromID, intoID} {
			ids, err := s.rows.LeastUsed(ctx, s.db, id, kind)
			if err != nil {
				return m, fmt.Errorf("counting the tokens of a device: %w", err)
			}
			n += len(ids)
		}
		m.Ended += max(n, 0)
	}
	return m, nil
}

// merger reads two devices of an account that hold tokens. Attack: one of the two is
// another account's, so that its tokens are taken over, or signed out with the other.
func (s *Service) merger(ctx context.Context, q db.Querier, accountID, fromID, intoID int64) (m Merger, err error) {
	if fromID == intoID {
		return m, ErrSameDevice
	}
	if m.From, m.Moved, err = s.devices.HeldIn(ctx, q, accountID, fromID); err == nil {
		m.Into, _, err = s.devices.HeldIn(ctx, q, accountID, intoID)
	}
	if errors.Is(err, device.ErrNotFound) {
		return Merger{}, ErrNoDevice
	}
	return m, err
}

// MergeDevices merges two devices of an account that are the same one, such as a
// program before and after it was reinstalled: the tokens and keys of the first move to
// the second, and are revoked with it. Errors: ErrNoDevice, ErrSameDevice,
// account.ErrMembersOnly.
func (s *Service) MergeDevices(ctx context.Context, by audit.Actor, accountID, fromID, intoID int64) (m Merger, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if m, err = s.merger(ctx, tx, accountID, fromID, intoID); err != nil {
			return err
		}
		if err := s.CheckMayChange(ctx, tx, by, accountID); err != nil {
			return err
		}
		for _, id := range []int64{fromID, intoID} {
			if err := s.settle(ctx, tx, Selection{DeviceID: id}); err != nil {
				return err
			}
		}
		if m.Moved, err = s.rows.MoveDevice(ctx, tx, fromID, intoID); err != nil {
			return err
		}
		if err := s.devices.Merge(ctx, tx, fromID, intoID); err != nil {
			return err
		}
		if m.Ended, err = s.endSurplus(ctx, tx, intoID); err != nil {
			return err
		}
		detail := fmt.Sprintf("device %d into device %d: %d moved", fromID, intoID, m.Moved)
		if m.Ended > 0 {
			detail += fmt.Sprintf(", and %d revoked, the least recently used, to make room", m.Ended)
		}
		return s.audit.Record(ctx, tx, by, audit.Event{Kind: audit.DevicesMerged, AccountID: accountID, Detail: detail})
	})
	if err != nil {
		return Merger{}, fmt.Errorf("merging device %d into device %d: %w", fromID, intoID, err)
	}
	return m, nil
}

// endSurplus revokes the least recently used tokens and keys that a device holds beyond
// its limits, in a transaction, and returns how many were revoked.
func (s *Service) endSurplus(ctx context.Context, tx *db.Tx, deviceID int64) (ended int, err error) {
	for _, kind := range []Kind{Access, DeviceKey} {
		ids, err := s.rows.LeastUsed(ctx, tx, deviceID, kind)
		if err != nil {
			return 0, err
		}
		for _, id := range ids[min(PerDevice, len(ids)):] {
			n, err := s.rows.Delete(ctx, tx, Selection{ID: id})
			if err != nil {
				return 0, err
			}
			ended += n
		}
	}
	return ended, nil
}
