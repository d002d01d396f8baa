package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// PIN is a row of pin: a sign-in that a device without a keyboard waits for.
type PIN struct {
	// ID is random and below 2^31: clients read it as 32 bits.
	ID   int64
	Code string
	// Strong: the code is too long to be guessed, or to be typed.
	Strong bool
	// Nonce is what the token is derived from.
	Nonce [16]byte
	// Device made the PIN, from its Address; the ID is not set.
	Device Device
	// AccountID is whose it became; 0: it is not linked yet.
	AccountID            int64
	CreatedAt, ExpiresAt time.Time
}

// AddPIN adds a PIN that is not linked, and removes those that have expired.
// When most PINs as strong wait to be linked already, one of them goes, if
// network says what network an address is in; see makeRoomForPIN. ErrFull when
// none goes; ErrConflict when the ID or the code is taken.
func (s *Store) AddPIN(ctx context.Context, p PIN, most int, network func(address string) string) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		if err := tx.Exec(ctx, "DELETE FROM pin WHERE expires_at <= $1", millis(s.now())); err != nil {
			return err
		}
		var waiting int
		err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM pin
			WHERE strong = $1 AND account_id IS NULL`, p.Strong).Scan(&waiting)
		if err != nil {
			return err
		}
		if waiting >= most {
			if err := makeRoomForPIN(ctx, tx, p, network); err != nil {
				return err
			}
		}
		tx.Touch(PINTopic, db.IDKey(p.ID)) // another may have had the ID
		d := p.Device
		return tx.Exec(ctx, `INSERT INTO pin (id, code, strong, nonce, client_identifier, product, version, platform,
			platform_version, device, model, vendor, name, address, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
			p.ID, p.Code, p.Strong, p.Nonce[:], d.ClientIdentifier, d.Product, d.Version, d.Platform,
			d.PlatformVersion, d.Device, d.Model, d.Vendor, d.Name, d.Address, millis(p.CreatedAt), millis(p.ExpiresAt))
	})
	return db.Wrap("adding a PIN", err)
}

// makeRoomForPIN ends the oldest PIN of the network that has the most of those
// that wait, so that nobody keeps the others from theirs. ErrFull when it would
// then have fewer than the new one's network.
func makeRoomForPIN(ctx context.Context, tx *tx, p PIN, network func(address string) string) error {
	if network == nil {
		return ErrFull
	}
	rows, err := tx.Query(ctx, `SELECT id, address FROM pin
		WHERE strong = $1 AND account_id IS NULL ORDER BY created_at, id`, p.Strong)
	type waiting struct {
		id      int64
		network string
	}
	list, err := collect(rows, err, func(row scanner) (w waiting, err error) {
		err = row.Scan(&w.id, &w.network)
		w.network = network(w.network)
		return w, err
	})
	if err != nil {
		return err
	}
	have, most := make(map[string]int), 0
	for _, w := range list {
		have[w.network]++
		most = max(most, have[w.network])
	}
	if most-1 <= have[network(p.Device.Address)] {
		return ErrFull
	}
	oldest := slices.IndexFunc(list, func(w waiting) bool { return have[w.network] == most })
	tx.Touch(PINTopic, db.IDKey(list[oldest].id))
	return tx.ExecOne(ctx, "DELETE FROM pin WHERE id = $1", list[oldest].id)
}

const selectPIN = `SELECT id, code, strong, nonce, client_identifier, product, version, platform, platform_version,
	device, model, vendor, name, address, COALESCE(account_id, 0), created_at, expires_at FROM pin `

// A PIN that was linked is found for as long as the token that it led to is
// good: not once that was revoked, nor while the account is disabled.
const whoseTokenIsGood = ` AND (token_hash IS NULL OR EXISTS (
	SELECT 1 FROM token t JOIN account a ON a.id = t.account_id WHERE t.hash = token_hash AND NOT a.disabled))`

func scanPIN(row scanner) (p PIN, err error) {
	d := &p.Device
	var nonce []byte
	var created, expires int64
	err = row.Scan(&p.ID, &p.Code, &p.Strong, &nonce, &d.ClientIdentifier, &d.Product, &d.Version, &d.Platform,
		&d.PlatformVersion, &d.Device, &d.Model, &d.Vendor, &d.Name, &d.Address, &p.AccountID, &created, &expires)
	copy(p.Nonce[:], nonce)
	p.CreatedAt, p.ExpiresAt = fromMillis(created), fromMillis(expires)
	return p, err
}

// PINByID finds a PIN. The caller decides whether it has expired.
func (s *Store) PINByID(ctx context.Context, id int64) (PIN, error) {
	p, err := scanPIN(s.db.QueryRow(ctx, selectPIN+"WHERE id = $1"+whoseTokenIsGood, id))
	return p, db.Wrap(fmt.Sprintf("finding PIN %d", id), err)
}

// PINByCode finds a PIN by its code, as it is kept. The caller decides whether
// it has expired.
func (s *Store) PINByCode(ctx context.Context, code string) (PIN, error) {
	p, err := scanPIN(s.db.QueryRow(ctx, selectPIN+"WHERE code = $1"+whoseTokenIsGood, code))
	return p, db.Wrap("finding a PIN by its code", err)
}

// LinkPIN makes a PIN an account's and adds the token, by hash, that its device
// gets. ErrConflict when it is linked, expired or gone by now, or the account
// is disabled or gone: however many try at once, one does it.
func (s *Store) LinkPIN(ctx context.Context, id, account int64, token Hash) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		now := millis(s.now())
		err := tx.ExecOne(ctx, `UPDATE pin SET account_id = $2, token_hash = $3
			WHERE id = $1 AND account_id IS NULL AND expires_at > $4
			AND EXISTS (SELECT 1 FROM account WHERE id = $2 AND NOT disabled)`, id, account, token[:], now)
		if errors.Is(err, ErrNotFound) {
			return ErrConflict
		}
		if err != nil {
			return err
		}
		tx.Touch(PINTopic, db.IDKey(id))
		p, err := scanPIN(tx.QueryRow(ctx, selectPIN+"WHERE id = $1", id))
		if err != nil {
			return err
		}
		device, err := upsertDevice(ctx, tx, account, p.Device, now)
		if err != nil {
			return err
		}
		detail, err := addToken(ctx, tx, token, account, device, now)
		if err != nil {
			return err
		}
		detail += " for " + DescribeDevice(p.Device.Product, p.Device.Device, p.Device.Name)
		return tx.note(ctx, Event{Kind: EventPINLinked, AccountID: account, Detail: detail})
	})
	return db.Wrap(fmt.Sprintf("linking PIN %d", id), err)
}

// RefusePIN ends a PIN that an account does not want linked. ErrNotFound when
// it is linked or gone by now.
func (s *Store) RefusePIN(ctx context.Context, id, account int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		p, err := scanPIN(tx.QueryRow(ctx, selectPIN+"WHERE id = $1", id))
		if err != nil {
			return err
		}
		tx.Touch(PINTopic, db.IDKey(id))
		if err := tx.ExecOne(ctx, "DELETE FROM pin WHERE id = $1 AND account_id IS NULL", id); err != nil {
			return err
		}
		return tx.note(ctx, Event{
			Kind: EventPINRefused, AccountID: account,
			Detail: DescribeDevice(p.Device.Product, p.Device.Device, p.Device.Name),
		})
	})
	return db.Wrap(fmt.Sprintf("refusing PIN %d", id), err)
}
