package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// TokenKind is what a stored token is good for.
type TokenKind uint8

// The kinds that are stored; the numbers are in the database.
const (
	AccessToken TokenKind = 1 // acts for its account
	ServerToken TokenKind = 2 // reaches one server
)

// TokensPerDevice is how many access tokens a device holds; the least recently
// used one goes when it signs in once more.
const TokensPerDevice = 10

// Device is a program on a machine, as its client identifier names it, with
// what it last said of itself.
type Device struct {
	ID               int64
	ClientIdentifier string
	Product          string
	Version          string
	Platform         string
	PlatformVersion  string
	Device           string
	Model            string
	Vendor           string
	Name             string
	// Address is where its last sign-in came from.
	Address string
}

// Grant is a token with what decides its reach.
type Grant struct {
	TokenID   int64
	Hash      Hash
	Kind      TokenKind
	AccountID int64
	DeviceID  int64
	// SourceID is the one server a server token reaches; 0 otherwise.
	SourceID int64
	// ExpiresAt is zero for a token that lives until it is revoked.
	ExpiresAt time.Time
	// Admin and Disabled are the account's.
	Admin, Disabled bool
}

// GrantByHash finds a token. The caller decides whether it is still good.
func (s *Store) GrantByHash(ctx context.Context, hash Hash) (Grant, error) {
	g := Grant{Hash: hash}
	var expires int64
	err := s.db.QueryRow(ctx, `SELECT t.id, t.kind, t.account_id, t.device_id,
		COALESCE(t.source_id, 0), t.expires_at, a.admin, a.disabled
		FROM token t JOIN account a ON a.id = t.account_id
		WHERE t.hash = $1`, hash[:]).
		Scan(&g.TokenID, &g.Kind, &g.AccountID, &g.DeviceID, &g.SourceID, &expires, &g.Admin, &g.Disabled)
	g.ExpiresAt = fromMillis(expires)
	return g, db.Wrap("finding a token", err)
}

// SignIn is all that one sign-in changes, in one transaction.
type SignIn struct {
	AccountID int64
	// PasswordHash is the hash that the password was checked against. When it
	// is no longer the account's, or the account is disabled by now, the
	// sign-in fails with ErrConflict.
	PasswordHash string
	// NewPasswordHash replaces it, when hashing has become stronger. Empty: no.
	NewPasswordHash string
	// TOTPStep is the time step of the code that was used; 0: none was. A step
	// that is not later than the last one used fails with ErrConflict.
	TOTPStep int64
	// BackupCode is the hash of the backup code that was used, if UsedBackup.
	// One that is gone fails with ErrConflict.
	BackupCode Hash
	UsedBackup bool
	// Passkey is the passkey that was used.
	Passkey PasskeyUse
	// Device signs in; the ID is ignored.
	Device Device
	// Token is the hash of the new access token.
	Token Hash
	// Used are uses of the account's tokens that the store has not been told
	// of: which token was used least recently depends on them.
	Used map[Hash]time.Time
}

// SignIn adds the device's token and uses up the code that came with it: both
// or neither, whatever else happens at the same time.
func (s *Store) SignIn(ctx context.Context, in SignIn) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		username, err := spendProof(ctx, tx, in)
		if err != nil {
			return err
		}
		now := millis(s.now())
		device, err := upsertDevice(ctx, tx, in.AccountID, in.Device, now)
		if err != nil {
			return err
		}
		if err := tx.touch(ctx, in.Used); err != nil {
			return err
		}
		detail, err := addToken(ctx, tx, in.Token, in.AccountID, device, now)
		if err != nil {
			return err
		}
		return noteSignIn(ctx, tx, EventSignIn, in, username, detail)
	})
	return db.Wrap("signing in", err)
}

// noteSignIn tells of a sign-in: the code that it used up, the tokens that it
// ended and the one that it made.
func noteSignIn(ctx context.Context, tx *tx, kind EventKind, in SignIn, username, detail string) error {
	about := Event{Kind: EventBackupCodeUsed, AccountID: in.AccountID, Account: username}
	if in.UsedBackup {
		if err := tx.note(ctx, about); err != nil {
			return err
		}
	}
	about.Kind, about.Detail = kind, detail
	if in.TOTPStep > 0 {
		about.Detail += ", with a verification code"
	}
	return tx.note(ctx, about)
}

// spendProof checks that what the sign-in rests on still holds, and uses up
// what works once. It returns the account's name.
func spendProof(ctx context.Context, tx *tx, in SignIn) (username string, err error) {
	hash := cmp.Or(in.NewPasswordHash, in.PasswordHash)
	if hash == in.PasswordHash && in.TOTPStep == 0 {
		// An update that changes nothing would still write a page.
		err = tx.QueryRow(ctx, "SELECT username FROM account WHERE id = $1 AND password_hash = $2 AND NOT disabled",
			in.AccountID, in.PasswordHash).Scan(&username)
	} else {
		err = tx.QueryRow(ctx, `UPDATE account SET password_hash = $3, totp_step = CASE WHEN $4 = 0 THEN totp_step ELSE $4 END
			WHERE id = $1 AND password_hash = $2 AND NOT disabled AND ($4 = 0 OR totp_step < $4) RETURNING username`,
			in.AccountID, in.PasswordHash, hash, in.TOTPStep).Scan(&username)
	}
	if err == nil && in.UsedBackup {
		tx.Touch(AccountTopic, db.IDKey(in.AccountID)) // it says whether codes are left
		err = tx.ExecOne(ctx, "DELETE FROM backup_code WHERE account_id = $1 AND hash = $2", in.AccountID, in.BackupCode[:])
	}
	if err == nil && in.Passkey.ID != 0 {
		err = spendPasskey(ctx, tx, in.AccountID, username, in.Passkey)
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, sql.ErrNoRows) {
		return "", ErrConflict
	}
	return username, err
}

func upsertDevice(ctx context.Context, tx *tx, account int64, d Device, now int64) (id int64, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO device (account_id, client_identifier, product, version, platform,
		platform_version, device, model, vendor, name, address, created_at, last_seen_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
		ON CONFLICT (account_id, client_identifier) DO UPDATE SET product = excluded.product,
		version = excluded.version, platform = excluded.platform, platform_version = excluded.platform_version,
		device = excluded.device, model = excluded.model, vendor = excluded.vendor, name = excluded.name,
		address = excluded.address, last_seen_at = excluded.last_seen_at RETURNING id`,
		account, d.ClientIdentifier, d.Product, d.Version, d.Platform, d.PlatformVersion, d.Device, d.Model,
		d.Vendor, d.Name, d.Address, now).Scan(&id)
	return id, err
}

// addToken gives a device one more access token, and makes room for it. It
// returns which token it is, for the audit log.
func addToken(ctx context.Context, tx *tx, token Hash, account, device, now int64) (detail string, err error) {
	ended, err := makeRoom(ctx, tx, device)
	if err == nil && ended > 0 {
		err = tx.note(ctx, Event{
			Kind: EventTokenRevoked, AccountID: account,
			Detail: fmt.Sprintf("%d of the device's, the least recently used, to make room", ended),
		})
	}
	if err != nil {
		return "", err
	}
	var id int64
	err = tx.QueryRow(ctx, `INSERT INTO token (hash, kind, account_id, device_id, created_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, $5) RETURNING id`, token[:], AccessToken, account, device, now).Scan(&id)
	return fmt.Sprintf("token %d", id), err
}

// makeRoom ends a device's least recently used access tokens until one more
// fits, and returns how many tokens that were.
func makeRoom(ctx context.Context, tx *tx, device int64) (ended int, err error) {
	return tx.revoke(ctx, `id IN (SELECT id FROM token WHERE device_id = $1 AND kind = $2
		ORDER BY last_used_at DESC, id DESC LIMIT 1000000 OFFSET $3)`, device, AccessToken, TokensPerDevice-1)
}

// revoke deletes the tokens that match a condition, and their children, and
// announces all of them. The children are found by hand: a cascade would
// delete them without saying which they were. It returns how many there were.
func (t *tx) revoke(ctx context.Context, condition string, args ...any) (int, error) {
	rows, err := t.Query(ctx, "DELETE FROM token WHERE parent_id IN (SELECT id FROM token WHERE "+condition+") RETURNING hash", args...)
	children, err := collect(rows, err, scanHash)
	if err != nil {
		return 0, err
	}
	rows, err = t.Query(ctx, "DELETE FROM token WHERE "+condition+" RETURNING hash", args...)
	parents, err := collect(rows, err, scanHash)
	for _, h := range append(children, parents...) {
		t.Touch(TokenTopic, string(h[:]))
	}
	return len(children) + len(parents), err
}

func scanHash(row scanner) (h Hash, err error) {
	var b []byte
	err = row.Scan(&b)
	copy(h[:], b)
	return h, err
}

// RevokeToken ends a token and its children. ErrNotFound when there is none.
func (s *Store) RevokeToken(ctx context.Context, id int64) error {
	return s.endToken(ctx, id, EventTokenRevoked)
}

// SignOut is RevokeToken by the one who has the token.
func (s *Store) SignOut(ctx context.Context, id int64) error {
	return s.endToken(ctx, id, EventSignOut)
}

func (s *Store) endToken(ctx context.Context, id int64, kind EventKind) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		e := Event{Kind: kind}
		var product, device, name string
		err := tx.QueryRow(ctx, `SELECT a.id, a.username, d.product, d.device, d.name
			FROM token t JOIN account a ON a.id = t.account_id JOIN device d ON d.id = t.device_id WHERE t.id = $1`, id).
			Scan(&e.AccountID, &e.Account, &product, &device, &name)
		if err != nil {
			return err
		}
		ended, err := tx.revoke(ctx, "id = $1", id)
		if err != nil {
			return err
		}
		e.Detail = fmt.Sprintf("token %d", id)
		if d := DescribeDevice(product, device, name); d != "" {
			e.Detail += " of " + d
		}
		e.Detail += andTokens(ended - 1)
		return tx.note(ctx, e)
	})
	return db.Wrap(fmt.Sprintf("revoking token %d", id), err)
}

// DescribeDevice names a device for people, by what it says of itself.
func DescribeDevice(product, device, name string) string {
	if name == "" {
		name = device
	}
	if product != "" && name != "" {
		return product + " on " + name
	}
	return product + name
}

// AddServerToken adds the token with which a device reaches one server, unless
// it is there already. ErrNotFound when the parent is gone or its account does
// not reach the server any more.
func (s *Store) AddServerToken(ctx context.Context, hash Hash, parentID, sourceID int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		now := millis(s.now())
		var have int
		err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM token WHERE hash = $1", hash[:]).Scan(&have)
		if err != nil || have > 0 {
			return err
		}
		e := Event{Kind: EventTokenMade}
		var id int64
		err = tx.QueryRow(ctx, `INSERT INTO token (hash, kind, account_id, device_id, parent_id, source_id, created_at, last_used_at)
			SELECT $1, $2, t.account_id, t.device_id, t.id, s.id, $5, $5
			FROM token t, source s WHERE t.id = $3 AND s.id = $4 AND `+reachedBy("t.account_id")+` RETURNING id, account_id`,
			hash[:], ServerToken, parentID, sourceID, now).Scan(&id, &e.AccountID)
		if err != nil {
			return err
		}
		var server string
		if err := tx.QueryRow(ctx, "SELECT name FROM source WHERE id = $1", sourceID).Scan(&server); err != nil {
			return err
		}
		e.Detail = fmt.Sprintf("token %d for %s", id, server)
		return tx.note(ctx, e)
	})
	return db.Wrap("adding a server token", err)
}

// Touch writes when tokens, by hash, were last used, and with them their
// devices. A token that has gone since is passed over.
func (s *Store) Touch(ctx context.Context, used map[Hash]time.Time) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error { return tx.touch(ctx, used) })
	return db.Wrap("noting when tokens were used", err)
}

func (t *tx) touch(ctx context.Context, used map[Hash]time.Time) error {
	for hash, at := range used {
		err := t.Exec(ctx, "UPDATE token SET last_used_at = $2 WHERE hash = $1 AND last_used_at < $2", hash[:], millis(at))
		if err != nil {
			return err
		}
		if err := t.Exec(ctx, `UPDATE device SET last_seen_at = $2
			WHERE last_seen_at < $2 AND id = (SELECT device_id FROM token WHERE hash = $1)`, hash[:], millis(at)); err != nil {
			return err
		}
	}
	return nil
}

// TokenInfo is what may be shown of a live token.
type TokenInfo struct {
	ID         int64
	Kind       TokenKind
	Username   string
	Device     Device
	Source     string // the server's name, for a server token
	CreatedAt  time.Time
	LastUsedAt time.Time
	ExpiresAt  time.Time
}

// Tokens lists the live tokens of one account, or of all when account is 0, the
// most recently used first.
func (s *Store) Tokens(ctx context.Context, account int64) ([]TokenInfo, error) {
	rows, err := s.db.Query(ctx, `SELECT t.id, t.kind, a.username, d.id, d.client_identifier, d.product,
		d.version, d.platform, d.platform_version, d.device, d.model, d.vendor, d.name, d.address,
		COALESCE(s.name, ''), t.created_at, t.last_used_at, t.expires_at
		FROM token t JOIN account a ON a.id = t.account_id JOIN device d ON d.id = t.device_id
		LEFT JOIN source s ON s.id = t.source_id
		WHERE $1 = 0 OR t.account_id = $1 ORDER BY t.last_used_at DESC, t.id DESC`, account)
	list, err := collect(rows, err, scanTokenInfo)
	return list, db.Wrap("listing tokens", err)
}

func scanTokenInfo(row scanner) (t TokenInfo, err error) {
	d := &t.Device
	var created, used, expires int64
	err = row.Scan(&t.ID, &t.Kind, &t.Username, &d.ID, &d.ClientIdentifier, &d.Product, &d.Version, &d.Platform,
		&d.PlatformVersion, &d.Device, &d.Model, &d.Vendor, &d.Name, &d.Address, &t.Source, &created, &used, &expires)
	t.CreatedAt, t.LastUsedAt, t.ExpiresAt = fromMillis(created), fromMillis(used), fromMillis(expires)
	return t, err
}

// DeviceInfo is a device with what the device list shows of it.
type DeviceInfo struct {
	Device
	CreatedAt, LastSeenAt time.Time
}

// Devices lists an account's devices that hold a token, the latest seen first.
func (s *Store) Devices(ctx context.Context, account int64) ([]DeviceInfo, error) {
	rows, err := s.db.Query(ctx, `SELECT id, client_identifier, product, version, platform,
		platform_version, device, model, vendor, name, address, created_at, last_seen_at FROM device d
		WHERE account_id = $1 AND EXISTS (SELECT 1 FROM token WHERE device_id = d.id)
		ORDER BY last_seen_at DESC, id DESC`, account)
	list, err := collect(rows, err, scanDeviceInfo)
	return list, db.Wrap("listing devices", err)
}

func scanDeviceInfo(row scanner) (d DeviceInfo, err error) {
	var created, seen int64
	err = row.Scan(&d.ID, &d.ClientIdentifier, &d.Product, &d.Version, &d.Platform, &d.PlatformVersion,
		&d.Device.Device, &d.Model, &d.Vendor, &d.Name, &d.Address, &created, &seen)
	d.CreatedAt, d.LastSeenAt = fromMillis(created), fromMillis(seen)
	return d, err
}

// nullID keeps an absent reference NULL.
func nullID(id int64) sql.NullInt64 { return sql.NullInt64{Int64: id, Valid: id != 0} }
