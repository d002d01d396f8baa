package store

import (
	"context"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/paging"
)

// Invitations is the tables of invitations and of their shares. It implements
// invite.Rows.
type Invitations struct{}

const selectJoinLink = `SELECT i.id, COALESCE(i.maker_id, 0), COALESCE(m.username, ''), COALESCE(i.key_id, 0), i.name, i.email, i.admin,
	i.created_at, i.expires_at FROM join_link i LEFT JOIN account m ON m.id = i.maker_id `

func scanJoinLink(row scanner) (i invite.Invitation, err error) {
	var created, expires int64
	err = row.Scan(&i.ID, &i.MakerID, &i.Maker, &i.KeyID, &i.Name, &i.Email, &i.Admin, &created, &expires)
	i.CreatedAt, i.ExpiresAt = fromMillis(created), fromMillis(expires)
	return i, err
}

// joinLinks are listed with the newest first.
var joinLinks = listing[invite.Invitation]{
	query: selectJoinLink, scan: scanJoinLink, order: []string{"i.id"}, start: []any{highest}, desc: true,
	place: func(i invite.Invitation) []any { return []any{i.ID} },
}

// List implements invite.Rows.
func (Invitations) List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[invite.Invitation], error) {
	l, err := joinLinks.page(ctx, q, r, "")
	for i := range l.Rows {
		if err := readInvited(ctx, q, &l.Rows[i]); err != nil {
			return l, err
		}
	}
	return l, err
}

// ByHash implements invite.Rows.
func (Invitations) ByHash(ctx context.Context, q db.Querier, h invite.Hash) (invite.Invitation, error) {
	i, err := scanJoinLink(q.QueryRow(ctx, selectJoinLink+"WHERE i.hash = $1", h[:]))
	if err != nil {
		return i, db.Wrap("reading an invitation", err)
	}
	return i, readInvited(ctx, q, &i)
}

// Get implements invite.Rows.
func (Invitations) Get(ctx context.Context, q db.Querier, id int64) (invite.Invitation, error) {
	i, err := scanJoinLink(q.QueryRow(ctx, selectJoinLink+"WHERE i.id = $1", id))
	if err != nil {
		return i, db.Wrap("reading an invitation", err)
	}
	return i, readInvited(ctx, q, &i)
}

// Open implements invite.Rows.
func (Invitations) Open(ctx context.Context, q db.Querier, at time.Time) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM join_link WHERE expires_at > $1", millis(at)).Scan(&n)
	return n, db.Wrap("counting invitations", err)
}

// readInvited fills in the servers of an invitation. It shares a few.
func readInvited(ctx context.Context, q db.Querier, i *invite.Invitation) error {
	rows, err := q.Query(ctx, `SELECT s.id, s.name FROM join_link_server v JOIN source s ON s.id = v.source_id
		WHERE v.link_id = $1 ORDER BY v.source_id`, i.ID)
	i.Servers, err = collect(rows, err, func(row scanner) (s invite.Server, err error) { return s, row.Scan(&s.ID, &s.Name) })
	if err != nil {
		return fmt.Errorf("reading the servers of an invitation: %w", err)
	}
	return nil
}

// Insert implements invite.Rows. No cache holds invitations.
func (Invitations) Insert(ctx context.Context, tx *db.Tx, i invite.Invitation, h invite.Hash) (id int64, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO join_link (hash, maker_id, key_id, name, email, admin, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
		h[:], nullID(i.MakerID), nullID(i.KeyID), i.Name, i.Email, i.Admin, millis(i.CreatedAt), millis(i.ExpiresAt)).Scan(&id)
	if err != nil {
		return 0, db.Wrap("adding an invitation", err)
	}
	for _, server := range i.Servers {
		err := tx.Exec(ctx, "INSERT INTO join_link_server (link_id, source_id) VALUES ($1, $2)", id, server.ID)
		if err != nil {
			return 0, db.Wrap("adding a server to an invitation", err)
		}
	}
	return id, nil
}

// Delete implements invite.Rows.
func (Invitations) Delete(ctx context.Context, tx *db.Tx, id int64) error {
	return db.Wrap("removing an invitation", tx.ExecOne(ctx, "DELETE FROM join_link WHERE id = $1", id))
}

// DeleteExpired implements invite.Rows.
func (Invitations) DeleteExpired(ctx context.Context, tx *db.Tx, before time.Time) error {
	return tx.Exec(ctx, "DELETE FROM join_link WHERE expires_at < $1", millis(before))
}
