package store

import (
	"context"
	"strings"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
)

// Devices is the table of devices. It implements device.Rows.
type Devices struct{}

// The description of a device is in two tables, device and pin: these columns,
// in this order.
const selfColumns = `client_identifier, product, version, platform, platform_version, device, model, vendor,
	name, address`

// self returns the values of selfColumns.
func self(d device.Device) []any {
	return []any{d.ClientIdentifier, d.Product, d.Version, d.Platform, d.PlatformVersion, d.Device, d.Model,
		d.Vendor, d.Name, d.Address}
}

// selfDest returns where to scan selfColumns.
func selfDest(d *device.Device) []any {
	return []any{&d.ClientIdentifier, &d.Product, &d.Version, &d.Platform, &d.PlatformVersion, &d.Device,
		&d.Model, &d.Vendor, &d.Name, &d.Address}
}

// familiar is the condition that an account knows a device that signs in to it; see
// device.Watcher. A device from before its network was stored is known at its address.
const familiar = `device.product = excluded.product
	AND (device.address = excluded.address OR device.network = excluded.network)
	AND EXISTS (SELECT 1 FROM token WHERE device_id = device.id AND (expires_at = 0 OR expires_at > $2))`

// Upsert implements device.Rows. It counts the sign-ins since the device was new, so that
// no query is needed to find out whether it is.
func (Devices) Upsert(
	ctx context.Context, tx *db.Tx, accountID int64, d device.Device,
) (id int64, isNew bool, err error) {
	var signIns int64
	args := append([]any{accountID, millis(tx.Now())}, self(d)...)
	err = tx.QueryRow(ctx, `INSERT INTO device (account_id, created_at, last_seen_at, `+selfColumns+`, network)
		VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (account_id, client_identifier) DO UPDATE SET product = excluded.product,
		version = excluded.version, platform = excluded.platform, platform_version = excluded.platform_version,
		device = excluded.device, model = excluded.model, vendor = excluded.vendor, name = excluded.name,
		address = excluded.address, network = excluded.network, last_seen_at = excluded.last_seen_at,
		sign_ins = CASE WHEN `+familiar+` THEN device.sign_ins + 1 ELSE 1 END
		RETURNING id, sign_ins`, append(args, d.Network())...).Scan(&id, &signIns)
	return id, signIns == 1, err
}

// Surplus implements device.Rows. It counts first: most accounts have few devices.
func (Devices) Surplus(ctx context.Context, q db.Querier, accountID int64, except int) ([]int64, error) {
	var n int
	err := q.QueryRow(ctx, "SELECT COUNT(*) FROM device WHERE account_id = $1", accountID).Scan(&n)
	if err != nil || n <= except {
		return nil, err
	}
	rows, err := q.Query(ctx, `SELECT id FROM device WHERE account_id = $1
		ORDER BY EXISTS (SELECT 1 FROM token WHERE device_id = device.id) DESC, last_seen_at DESC, id DESC
		LIMIT 1000000 OFFSET $2`, accountID, except)
	return collect(rows, err, scanID)
}

// Absorb implements device.Rows.
func (Devices) Absorb(ctx context.Context, tx *db.Tx, from, into int64) error {
	return db.Wrap("merging devices", tx.ExecOne(ctx, `UPDATE device SET
		created_at = (SELECT MIN(created_at) FROM device WHERE id IN ($1, $2)),
		last_seen_at = (SELECT MAX(last_seen_at) FROM device WHERE id IN ($1, $2)) WHERE id = $2`, from, into))
}

// Delete implements device.Rows.
func (Devices) Delete(ctx context.Context, tx *db.Tx, id int64) error {
	return tx.Exec(ctx, "DELETE FROM device WHERE id = $1", id)
}

// devices are listed with the last seen first.
var devices = listing[device.Device]{
	query: "SELECT id, created_at, last_seen_at, " + selfColumns + " FROM device ", scan: scanDevice,
	order: []string{"last_seen_at", "id"}, start: []any{highest, highest}, desc: true,
	place: func(d device.Device) []any { return []any{millis(d.LastSeenAt), d.ID} },
}

func scanDevice(row scanner) (d device.Device, err error) {
	var created, seen int64
	err = row.Scan(append([]any{&d.ID, &created, &seen}, selfDest(&d)...)...)
	d.CreatedAt, d.LastSeenAt = fromMillis(created), fromMillis(seen)
	return d, err
}

// List implements device.Rows.
func (Devices) List(
	ctx context.Context, q db.Querier, accountID int64, r paging.Request,
) (paging.List[device.Device], error) {
	return devices.page(ctx, q, r, "account_id = $1 AND "+held, accountID)
}

// The devices of one account in other orders. They are sorted when they are read: an
// account has device.PerAccount of them at most.
var (
	devicesByName = listing[device.Device]{
		query: devices.query, scan: scanDevice,
		order: []string{"LOWER(name)", "LOWER(product)", "id"}, start: []any{"", "", lowest},
		place: func(d device.Device) []any { return []any{lower(d.Name), lower(d.Product), d.ID} },
	}
	devicesByProduct = listing[device.Device]{
		query: devices.query, scan: scanDevice,
		order: []string{"LOWER(product)", "product", "LOWER(name)", "id"}, start: []any{"", "", "", lowest},
		place: func(d device.Device) []any { return []any{lower(d.Product), d.Product, lower(d.Name), d.ID} },
	}
)

// held is the condition that a device holds a token.
const held = "EXISTS (SELECT 1 FROM token WHERE device_id = device.id)"

// Search implements device.Rows.
func (Devices) Search(
	ctx context.Context, q db.Querier, accountID int64, query device.Query, r paging.Request,
) (paging.List[device.Device], error) {
	condition, args := "account_id = $1 AND "+held, []any{accountID}
	if query.Text != "" {
		matches := anyContains("name", "product", "platform", "device", "model", "address")
		condition += " AND " + strings.ReplaceAll(matches, "$", "$2")
		args = append(args, containing(query.Text))
	}
	l := devices
	switch query.Order {
	case device.ByName:
		l = devicesByName
	case device.ByProduct:
		l = devicesByProduct
	}
	return l.page(ctx, q, r, condition, args...)
}

// Held implements device.Rows.
func (Devices) Held(ctx context.Context, q db.Querier, accountID, id int64) (d device.Device, tokens int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM token WHERE device_id = $1 AND account_id = $2", id, accountID).
		Scan(&tokens)
	if err == nil && tokens == 0 {
		err = db.ErrNotFound
	}
	if err == nil {
		d, err = scanDevice(q.QueryRow(ctx, devices.query+"WHERE id = $1 AND account_id = $2", id, accountID))
	}
	return d, tokens, db.Wrap("reading a device", err)
}

// Count implements device.Rows.
func (Devices) Count(ctx context.Context, q db.Querier, accountID int64) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM device WHERE account_id = $1 AND "+held, accountID).Scan(&n)
	return n, err
}

// ByIdentifier implements device.Rows.
func (Devices) ByIdentifier(
	ctx context.Context, q db.Querier, accountID int64, clientIdentifier string,
) (id int64, address string, err error) {
	err = q.QueryRow(ctx, "SELECT id, address FROM device WHERE account_id = $1 AND client_identifier = $2",
		accountID, clientIdentifier).Scan(&id, &address)
	return id, address, db.Wrap("reading a device", err)
}
