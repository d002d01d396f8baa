package store

import (
	"context"
	"errors"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/devicekey"
)

// DeviceKeys is the tables of the keys of devices and of their nonces. It
// implements devicekey.Rows.
type DeviceKeys struct{}

const selectDeviceKey = `SELECT k.token_id, t.hash, k.kid, k.jwk, k.replaces_id, t.account_id, t.device_id,
	COALESCE(NULLIF(k.client_identifier, ''), d.client_identifier), t.created_at, t.expires_at, a.disabled
	FROM device_key k JOIN token t ON t.id = k.token_id JOIN device d ON d.id = t.device_id
	JOIN account a ON a.id = t.account_id `

func scanDeviceKey(row scanner) (k devicekey.Key, err error) {
	var h []byte
	var created, expires int64
	err = row.Scan(&k.TokenID, &h, &k.KID, &k.JWK, &k.ReplacesID, &k.AccountID, &k.DeviceID,
		&k.ClientIdentifier, &created, &expires, &k.Disabled)
	copy(k.Hash[:], h)
	k.CreatedAt, k.ExpiresAt = fromMillis(created), fromMillis(expires)
	return k, db.Wrap("reading a device key", err)
}

// ByKID implements devicekey.Rows.
func (DeviceKeys) ByKID(ctx context.Context, q db.Querier, kid string) (devicekey.Key, error) {
	return scanDeviceKey(q.QueryRow(ctx, selectDeviceKey+"WHERE k.kid = $1", kid))
}

// ByThumbprint implements devicekey.Rows.
func (DeviceKeys) ByThumbprint(ctx context.Context, q db.Querier, thumbprint [32]byte) (devicekey.Key, error) {
	return scanDeviceKey(q.QueryRow(ctx, selectDeviceKey+"WHERE k.thumbprint = $1", thumbprint[:]))
}

// ByToken implements devicekey.Rows.
func (DeviceKeys) ByToken(ctx context.Context, q db.Querier, tokenID int64) (devicekey.Key, error) {
	return scanDeviceKey(q.QueryRow(ctx, selectDeviceKey+"WHERE k.token_id = $1", tokenID))
}

// Client implements devicekey.Rows.
func (DeviceKeys) Client(ctx context.Context, q db.Querier, deviceID int64) (identifier string, err error) {
	err = q.QueryRow(ctx, "SELECT client_identifier FROM device WHERE id = $1", deviceID).Scan(&identifier)
	return identifier, db.Wrap("reading a client identifier", err)
}

// Insert implements devicekey.Rows. No cache holds a key: its token row is
// announced.
func (DeviceKeys) Insert(ctx context.Context, tx *db.Tx, r devicekey.Row) error {
	err := tx.Exec(ctx, `INSERT INTO device_key (token_id, kid, jwk, thumbprint, replaces_id)
		VALUES ($1, $2, $3, $4, $5)`, r.TokenID, r.KID, r.JWK, r.Thumbprint[:], r.ReplacesID)
	return db.Wrap("adding a device key", err)
}

// SetReplaced implements devicekey.Rows. No cache holds a key.
func (DeviceKeys) SetReplaced(ctx context.Context, tx *db.Tx, tokenID int64) error {
	return tx.ExecOne(ctx, "UPDATE device_key SET replaces_id = 0 WHERE token_id = $1", tokenID)
}

// UseNonce implements devicekey.Rows. No cache holds a nonce.
func (DeviceKeys) UseNonce(ctx context.Context, tx *db.Tx, nonce string, until, now time.Time) error {
	if err := tx.Exec(ctx, "DELETE FROM used_nonce WHERE expires_at <= $1", millis(now)); err != nil {
		return db.Wrap("forgetting nonces", err)
	}
	err := tx.ExecOne(ctx, "INSERT INTO used_nonce (nonce, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
		nonce, millis(until))
	if errors.Is(err, db.ErrNotFound) {
		return db.ErrConflict
	}
	return db.Wrap("using a nonce", err)
}
