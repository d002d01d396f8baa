package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/glyph"
)

// The first account is the admin. All other accounts have the same password.
const (
	adminName = "admin"
	password  = "correct horse battery staple"
)

// samples is how many tokens have a known text: most are checked, and the others are signed
// out.
const samples = 4 * many

func sampleToken(i int) string { return fmt.Sprintf("sample%014d", i) }

// statement is a statement of fill, with placeholders for the words of an engine. Its
// arguments begin with the number of accounts and the time, if it has any.
type statement struct {
	text string
	args []any
}

// The account that has many devices.
const (
	busyID      = 3
	busyName    = "user0000002"
	busyDevices = 400
)

// statements add n accounts, each with a device, three tokens, a browser, a share, and an
// event in the log. One of them has many more devices. There is one shared server for every
// hundred accounts. All rows are generated inside the database.
//
// Every device has a unique name, and nearly all are the same program.
func statements(n int, now int64) []statement {
	return []statement{
		{"CREATE TEMP TABLE n (i BIGINT PRIMARY KEY)", nil},
		{"INSERT INTO n {numbers}", []any{n}},
		{`INSERT INTO account (uuid, username, username_key, email, email_key, title, password_hash, admin, created_at,
				skeleton_version)
			SELECT {i:32}, 'user' || {i:7}, 'user' || {i:7}, 'u' || {i:7} || '@example.org',
				'u' || {i:7} || '@example.org', 'User ' || {i}, (SELECT password_hash FROM account WHERE id = 1),
				FALSE, $1, $2 FROM n ORDER BY i`, []any{now, glyph.Version}},
		// The skeletons of these names are the names themselves.
		{`INSERT INTO account_skeleton (skeleton, account_id)
			SELECT username_key, id FROM account WHERE id > 1 UNION SELECT email_key, id FROM account WHERE id > 1`, nil},
		{`INSERT INTO device (id, account_id, client_identifier, product, version, platform, platform_version, device,
				model, vendor, name, address, created_at, last_seen_at)
			SELECT 1000 + i, 1 + i, 'client-' || {i}, 'Telly', '1', 'Linux', '6', 'PC', '', '', 'Den ' || {i:7}, '192.0.2.7',
				$1 - i, $1 - i FROM n ORDER BY i`, []any{now}},
		{`INSERT INTO device (id, account_id, client_identifier, product, version, platform, platform_version, device,
				model, vendor, name, address, created_at, last_seen_at)
			SELECT 1000 + $2 + i, $3, 'more-' || {i}, CASE WHEN i % 3 = 0 THEN 'Plex Web' ELSE 'Telly' END, '1', 'Linux', '6',
				'PC', '', '', 'Room ' || {i}, '192.0.2.8', $1 - i, $1 - i FROM n WHERE i <= $4 ORDER BY i`,
			[]any{now, n, busyID, busyDevices}},
		{`INSERT INTO token (hash, kind, account_id, device_id, created_at, last_used_at)
			SELECT {random}, 1, 1 + n.i, 1000 + n.i, $1 - n.i, $1 - n.i
			FROM (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) AS three, n`, []any{now}},
		{`INSERT INTO token (hash, kind, account_id, device_id, created_at, last_used_at)
			SELECT {random}, 1, $3, 1000 + $2 + i, $1 - i, $1 - i FROM n WHERE i <= $4`, []any{now, n, busyID, busyDevices}},
		{`INSERT INTO session (hash, account_id, complete, user_agent, address, created_at, last_used_at, expires_at)
			SELECT {random}, 1 + i, TRUE, 'Firefox', '192.0.2.7', $1 - i, $1 - i, $1 + 1000000000 + i FROM n`, []any{now}},
		{`INSERT INTO source (id, kind, identifier, name, product, product_version, owner_id, created_at)
			SELECT 1000 + i, 'server', 'server-' || {i}, 'Server ' || {i}, 'Plex Media Server', '1', 1 + i, $1
			FROM n WHERE i <= 1 + $2 / 100`, []any{now, n}},
		{`INSERT INTO share (source_id, account_id, created_at)
			SELECT 1000 + 1 + i / 100, 1 + i, $1 FROM n WHERE i < $2`, []any{now, n}},
		// A server that is shared with all accounts, and one that is shared with the last
		// accounts by name.
		{`INSERT INTO share (source_id, account_id, created_at)
			SELECT 1001, 1 + i, $1 FROM n WHERE i < $2 ON CONFLICT DO NOTHING`, []any{now, n}},
		{`INSERT INTO share (source_id, account_id, created_at)
			SELECT 1002, 1 + i, $1 FROM n WHERE i < $2 AND i > $2 - 2000 ON CONFLICT DO NOTHING`, []any{now, n}},
		// The audit log of 80 days.
		{`INSERT INTO audit (id, at, event, account_id, account, actor, device, address, detail, hash)
			SELECT (SELECT MAX(id) FROM audit) + i, $1 - 6912000000 + i * 6912000000 / $2, 'sign-in', 1 + i,
				'user' || {i:7}, '', 'Telly', '192.0.2.7', '', {random} FROM n ORDER BY i`, []any{now, n}},
	}
}

// fill adds n accounts to the database of a stopped server.
func (e engine) fill(ctx context.Context, d *sql.DB, n int) (err error) {
	d.SetMaxOpenConns(1) // for the temporary table
	now := time.Now().UnixMilli()
	for _, text := range e.before {
		if _, err := d.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	for _, s := range statements(n, now) {
		if _, err := d.ExecContext(ctx, e.words.Replace(s.text), s.args...); err != nil {
			return fmt.Errorf("%.60s…: %w", s.text, err)
		}
	}
	if err := errors.Join(fillSamples(ctx, d, n, now), moveHead(ctx, d)); err != nil {
		return err
	}
	for _, text := range e.after {
		if _, err := d.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// fillSamples gives a known text to tokens of accounts across the table. It adds those that
// an earlier run has signed out.
func fillSamples(ctx context.Context, d *sql.DB, n int, now int64) error {
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	insert, err := tx.PrepareContext(ctx, `INSERT INTO token (hash, kind, account_id, device_id, created_at, last_used_at)
		VALUES ($1, 1, $2, $3, $4, $4) ON CONFLICT (hash) DO NOTHING`)
	if err != nil {
		return err
	}
	for i := range samples {
		h := sha256.Sum256([]byte(sampleToken(i)))
		owner := 2 + int64(i*7919%samples)*int64(n-2)/samples // not in the order of their accounts
		if _, err := insert.ExecContext(ctx, h[:], owner, 999+owner, now); err != nil {
			return err
		}
	}
	return errors.Join(insert.Close(), tx.Commit())
}

// moveHead sets the last row of the log as the one that the next row follows.
func moveHead(ctx context.Context, d *sql.DB) error {
	var id int64
	var hash []byte
	err := d.QueryRowContext(ctx, "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").Scan(&id, &hash)
	if err != nil {
		return err
	}
	head := append(binary.BigEndian.AppendUint64(nil, uint64(id)), hash...)
	_, err = d.ExecContext(ctx, "UPDATE setting SET value = $1 WHERE name = 'audit head'", head)
	return err
}
