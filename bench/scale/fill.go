package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// The first account is the admin, whose password all others have, too.
const (
	adminName = "admin"
	password  = "correct horse battery staple"
)

// samples is how many tokens have a known text.
const samples = 400

func sampleToken(i int) string { return fmt.Sprintf("sample%014d", i) }

// fill adds n accounts to the database of a server that has stopped, each with a
// device, three tokens, a browser, a share, and ten events in the log. A hundredth as
// many servers are there to be shared. All of it is made inside SQLite.
func fill(ctx context.Context, data string, n int) (err error) {
	path := (&url.URL{Path: filepath.Join(data, "usher.db")}).EscapedPath()
	d, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-400000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	d.SetMaxOpenConns(1)
	now := time.Now().UnixMilli()
	for _, s := range []struct {
		text string
		args []any
	}{
		{"CREATE TEMP TABLE n (i INTEGER PRIMARY KEY)", nil},
		{`WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < $1)
			INSERT INTO n SELECT i FROM c`, []any{n}},
		{`INSERT INTO account (uuid, username, username_key, email, email_key, title, password_hash, admin, created_at)
			SELECT printf('%032x', i), printf('user%07d', i), printf('user%07d', i), printf('u%07d@example.org', i),
				printf('u%07d@example.org', i), printf('User %d', i), (SELECT password_hash FROM account WHERE id = 1),
				0, $1 FROM n`, []any{now}},
		{`INSERT INTO device (id, account_id, client_identifier, product, version, platform, platform_version, device,
				model, vendor, name, address, created_at, last_seen_at)
			SELECT 1000 + i, 1 + i, printf('client-%d', i), 'Telly', '1', 'Linux', '6', 'PC', '', '', 'Den', '192.0.2.7',
				$1 - i, $1 - i FROM n`, []any{now}},
		{`INSERT INTO token (hash, kind, account_id, device_id, created_at, last_used_at)
			SELECT randomblob(32), 1, 1 + n.i, 1000 + n.i, $1 - n.i, $1 - n.i
			FROM (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3), n`, []any{now}},
		{`INSERT INTO session (hash, account_id, complete, user_agent, address, created_at, last_used_at, expires_at)
			SELECT randomblob(32), 1 + i, 1, 'Firefox', '192.0.2.7', $1 - i, $1 - i, $1 + 1000000000 + i FROM n`, []any{now}},
		{`INSERT INTO source (id, kind, identifier, name, product, product_version, owner_id, created_at)
			SELECT 1000 + i, 'server', printf('server-%d', i), printf('Server %d', i), 'Plex Media Server', '1', 1 + i, $1
			FROM n WHERE i <= 1 + $2 / 100`, []any{now, n}},
		{`INSERT INTO share (source_id, account_id, created_at)
			SELECT 1000 + 1 + i / 100, 1 + i, $1 FROM n WHERE i < $2`, []any{now, n}},
		// The log of 80 days.
		{`INSERT INTO audit (id, at, event, account_id, account, actor, device, address, detail, hash)
			SELECT (SELECT MAX(id) FROM audit) + i, $1 - 6912000000 + i * 6912000000 / $2, 'sign-in', 1 + i,
				printf('user%07d', i), '', 'Telly', '192.0.2.7', '', randomblob(32) FROM n`, []any{now, n}},
	} {
		if _, err := d.ExecContext(ctx, s.text, s.args...); err != nil {
			return fmt.Errorf("%.60s…: %w", s.text, err)
		}
	}
	return errors.Join(fillSamples(ctx, d, n, now), moveHead(ctx, d))
}

// fillSamples gives tokens of accounts everywhere a known text.
func fillSamples(ctx context.Context, d *sql.DB, n int, now int64) error {
	for i := range samples {
		h := sha256.Sum256([]byte(sampleToken(i)))
		owner := 2 + int64(i)*int64(n-2)/samples
		_, err := d.ExecContext(ctx, `INSERT INTO token (hash, kind, account_id, device_id, created_at, last_used_at)
			VALUES ($1, 1, $2, $3, $4, $4)`, h[:], owner, 999+owner, now)
		if err != nil {
			return err
		}
	}
	return nil
}

// moveHead makes the last row of the log the one that the next row follows.
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
