package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/paging"
)

// Notices is the tables of notices to accounts. It implements notify.Rows.
type Notices struct{}

// Recipient implements notify.Rows.
func (Notices) Recipient(ctx context.Context, q db.Querier, accountID int64) (r notify.Recipient, err error) {
	var confirmed string
	err = q.QueryRow(ctx, `SELECT email, confirmed_email, owner_id IS NOT NULL,
		COALESCE((SELECT quiet FROM notice_setting WHERE account_id = account.id), FALSE) FROM account WHERE id = $1`,
		accountID).Scan(&r.Email, &confirmed, &r.Managed, &r.Quiet)
	if confirmed != r.Email {
		r.Email = ""
	}
	return r, db.Wrap("reading whom to tell", err)
}

// Username implements notify.Rows.
func (Notices) Username(ctx context.Context, q db.Querier, accountID int64) (string, error) {
	return Audit{}.Username(ctx, q, accountID)
}

// Insert implements notify.Rows.
func (Notices) Insert(ctx context.Context, tx *db.Tx, n notify.Notice, email string) error {
	err := tx.Exec(ctx, `INSERT INTO notice (account_id, kind, at, actor, by_link, device, address, tries, seen, email)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, n.AccountID, string(n.Kind), millis(n.At), n.Actor, n.ByLink, n.Device,
		n.Address, n.Tries, n.Seen, email)
	if err == nil && email != "" {
		tx.Touch(notify.Topic, "")
	}
	return db.Wrap("adding a notice", err)
}

// DeleteOld implements notify.Rows.
func (Notices) DeleteOld(ctx context.Context, tx *db.Tx, newest notify.Notice, email string, except int, since time.Time) error {
	err := tx.Exec(ctx, `DELETE FROM notice WHERE account_id = $1 AND kind = $2 AND id <= (SELECT id FROM notice
		WHERE account_id = $1 AND kind = $2 ORDER BY id DESC LIMIT 1 OFFSET $3) AND (email IN ('', $4) OR at < $5)`,
		newest.AccountID, string(newest.Kind), except, email, millis(since))
	return db.Wrap("removing old notices", err)
}

// Since implements notify.Rows.
func (Notices) Since(
	ctx context.Context, q db.Querier, accountID int64, kind notify.Kind, since time.Time,
) (found bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM notice WHERE account_id = $1 AND kind = $2 AND at >= $3)",
		accountID, string(kind), millis(since)).Scan(&found)
	return found, db.Wrap("looking for a notice", err)
}

// latestEvents is how many events of an account are searched for failed ones.
const latestEvents = 200

// Refused implements notify.Rows.
func (Notices) Refused(ctx context.Context, q db.Querier, accountID int64, since time.Time) (n int, err error) {
	err = q.QueryRow(ctx, `SELECT COUNT(*) FROM (SELECT event, at FROM audit WHERE account_id = $1 ORDER BY id DESC LIMIT $4) AS found
		WHERE event = $2 AND at >= $3`, accountID, string(audit.SignInRefused), millis(since), latestEvents).Scan(&n)
	return n, db.Wrap("counting sign-ins that failed", err)
}

const noticeColumns = "id, account_id, kind, at, actor, by_link, device, address, tries, seen"

// notices are listed with the newest first.
var notices = listing[notify.Notice]{
	query: "SELECT " + noticeColumns + " FROM notice ", scan: scanNotice, order: []string{"id"}, start: []any{highest}, desc: true,
	place: func(n notify.Notice) []any { return []any{n.ID} },
}

func noticeDest(n *notify.Notice, at *int64) []any {
	return []any{&n.ID, &n.AccountID, &n.Kind, at, &n.Actor, &n.ByLink, &n.Device, &n.Address, &n.Tries, &n.Seen}
}

func scanNotice(row scanner) (n notify.Notice, err error) {
	var at int64
	err = row.Scan(noticeDest(&n, &at)...)
	n.At = fromMillis(at)
	return n, err
}

// List implements notify.Rows.
func (Notices) List(
	ctx context.Context, q db.Querier, accountID int64, r paging.Request,
) (paging.List[notify.Notice], error) {
	return notices.page(ctx, q, r, "account_id = $1", accountID)
}

// Unseen implements notify.Rows. An account has few notices.
func (Notices) Unseen(ctx context.Context, q db.Querier, accountID int64) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM notice WHERE account_id = $1 AND NOT seen", accountID).Scan(&n)
	return n, db.Wrap("counting notices", err)
}

// SetSeen implements notify.Rows.
func (Notices) SetSeen(ctx context.Context, tx *db.Tx, accountID, upTo int64) error {
	err := tx.Exec(ctx, "UPDATE notice SET seen = TRUE WHERE account_id = $1 AND id <= $2 AND NOT seen", accountID, upTo)
	return db.Wrap("marking notices as seen", err)
}

// Setting implements notify.Rows.
func (Notices) Setting(ctx context.Context, q db.Querier, accountID int64) (s notify.Setting, err error) {
	var next int64
	err = q.QueryRow(ctx, "SELECT quiet, language, next_mail_at FROM notice_setting WHERE account_id = $1", accountID).
		Scan(&s.Quiet, &s.Language, &next)
	if errors.Is(err, sql.ErrNoRows) {
		return notify.Setting{}, nil
	}
	s.NextMailAt = fromMillis(next)
	return s, db.Wrap("reading how notices are sent", err)
}

// SetSetting implements notify.Rows. No cache holds it.
func (Notices) SetSetting(ctx context.Context, tx *db.Tx, accountID int64, s notify.Setting) error {
	err := tx.Exec(ctx, `INSERT INTO notice_setting (account_id, quiet, language, next_mail_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id) DO UPDATE SET quiet = excluded.quiet, language = excluded.language,
		next_mail_at = excluded.next_mail_at`, accountID, s.Quiet, s.Language, millis(s.NextMailAt))
	return db.Wrap("changing how notices are sent", err)
}

// Due implements notify.Rows.
func (Notices) Due(ctx context.Context, q db.Querier, since, at time.Time, limit int) ([]int64, error) {
	rows, err := q.Query(ctx, `SELECT n.account_id FROM notice n LEFT JOIN notice_setting s ON s.account_id = n.account_id
		WHERE n.email <> '' AND n.at >= $1 AND COALESCE(s.next_mail_at, 0) <= $2
		ORDER BY n.at LIMIT $3`, millis(since), millis(at), limit)
	list, err := collect(rows, err, scanID)
	return list, db.Wrap("reading which notices are to be sent", err)
}

// Unsent implements notify.Rows.
func (Notices) Unsent(ctx context.Context, q db.Querier, accountID int64) ([]notify.Unsent, error) {
	rows, err := q.Query(ctx, "SELECT "+noticeColumns+", email FROM notice WHERE account_id = $1 AND email <> '' ORDER BY id", accountID)
	list, err := collect(rows, err, func(row scanner) (n notify.Unsent, err error) {
		var at int64
		err = row.Scan(append(noticeDest(&n.Notice, &at), &n.Email)...)
		n.At = fromMillis(at)
		return n, err
	})
	return list, db.Wrap("reading notices to send", err)
}

// SetEmail implements notify.Rows.
func (Notices) SetEmail(ctx context.Context, tx *db.Tx, id int64, email string) error {
	return db.Wrap("changing where a notice is sent", tx.ExecOne(ctx, "UPDATE notice SET email = $2 WHERE id = $1", id, email))
}

// Stale implements notify.Rows.
func (Notices) Stale(ctx context.Context, q db.Querier, before time.Time) (stale bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM notice WHERE email <> '' AND at < $1)", millis(before)).Scan(&stale)
	return stale, db.Wrap("looking for old notices", err)
}

// DropStale implements notify.Rows.
func (Notices) DropStale(ctx context.Context, tx *db.Tx, before time.Time) error {
	return db.Wrap("giving up old notices", tx.Exec(ctx, "UPDATE notice SET email = '' WHERE email <> '' AND at < $1", millis(before)))
}
