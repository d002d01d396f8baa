package store

import (
	"context"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/friend"
)

// Friends is the tables of friends and invitations. It implements friend.Rows.
type Friends struct{}

// Friends implements friend.Rows.
func (Friends) Friends(ctx context.Context, q db.Querier, accountID int64, limit int) ([]friend.Friendship, error) {
	rows, err := q.Query(ctx, `SELECT friend_id, created_at FROM friend
		WHERE account_id = $1 ORDER BY friend_id LIMIT $2`, accountID, limit)
	list, err := collect(rows, err, func(row scanner) (f friend.Friendship, err error) {
		var created int64
		err = row.Scan(&f.AccountID, &created)
		f.Since = fromMillis(created)
		return f, err
	})
	return list, db.Wrap("reading friends", err)
}

// AreFriends implements friend.Rows.
func (Friends) AreFriends(ctx context.Context, q db.Querier, a, b int64) (are bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM friend WHERE account_id = $1 AND friend_id = $2)", a, b).Scan(&are)
	return are, db.Wrap("looking for a friend", err)
}

// shareExists is a share of a server that account $1 or its admins own with account $2.
const shareExists = `EXISTS (SELECT 1 FROM share h JOIN source s ON s.id = h.source_id WHERE h.account_id = $2 AND
	(s.owner_id = $1 OR s.owner_id IS NULL AND (SELECT admin FROM account WHERE id = $1)))`

// Know implements friend.Rows.
func (Friends) Know(ctx context.Context, q db.Querier, a, b int64) (know bool, err error) {
	for _, pair := range [][2]int64{{a, b}, {b, a}} {
		err = q.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM friend WHERE account_id = $1 AND friend_id = $2)
			OR EXISTS (SELECT 1 FROM home_user m JOIN home_user o ON o.owner_id = m.owner_id
				WHERE m.account_id = $1 AND o.account_id = $2)
			OR `+shareExists, pair[0], pair[1]).Scan(&know)
		if err != nil || know {
			break
		}
	}
	return know, db.Wrap("looking for an acquaintance", err)
}

// Befriend implements friend.Rows.
func (Friends) Befriend(ctx context.Context, tx *db.Tx, a, b int64, at time.Time) error {
	for _, pair := range [][2]int64{{a, b}, {b, a}} {
		err := tx.Exec(ctx, `INSERT INTO friend (account_id, friend_id, created_at) VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING`, pair[0], pair[1], millis(at))
		if err != nil {
			return db.Wrap("adding a friend", err)
		}
	}
	return nil
}

// Unfriend implements friend.Rows.
func (Friends) Unfriend(ctx context.Context, tx *db.Tx, a, b int64) error {
	for _, pair := range [][2]int64{{a, b}, {b, a}} {
		if err := tx.Exec(ctx, "DELETE FROM friend WHERE account_id = $1 AND friend_id = $2", pair[0], pair[1]); err != nil {
			return fmt.Errorf("removing a friend: %w", err)
		}
	}
	return nil
}

const selectInvitation = `SELECT id, inviter_id, COALESCE(account_id, 0), invited, invited_key, COALESCE(source_id, 0),
	chosen, created_at FROM invitation `

func scanInvitation(row scanner) (i friend.Invitation, err error) {
	var created int64
	err = row.Scan(&i.Number, &i.InviterID, &i.AccountID, &i.Invited, &i.Key, &i.SourceID, &i.Chosen, &created)
	i.CreatedAt = fromMillis(created)
	return i, err
}

// Get implements friend.Rows.
func (Friends) Get(ctx context.Context, q db.Querier, number int64) (friend.Invitation, error) {
	i, err := scanInvitation(q.QueryRow(ctx, selectInvitation+"WHERE id = $1", number))
	return i, db.Wrap("reading an invitation", err)
}

// Chosen implements friend.Rows.
func (Friends) Chosen(ctx context.Context, q db.Querier, number int64) ([]int64, error) {
	rows, err := q.Query(ctx, "SELECT section_id FROM invitation_section WHERE invitation_id = $1 ORDER BY section_id", number)
	list, err := collect(rows, err, scanID)
	return list, db.Wrap("reading the sections of an invitation", err)
}

// Sent implements friend.Rows.
func (Friends) Sent(ctx context.Context, q db.Querier, accountID int64, limit int) ([]friend.Invitation, error) {
	rows, err := q.Query(ctx, selectInvitation+"WHERE inviter_id = $1 ORDER BY id LIMIT $2", accountID, limit)
	list, err := collect(rows, err, scanInvitation)
	return list, db.Wrap("reading invitations", err)
}

// Received implements friend.Rows.
func (Friends) Received(ctx context.Context, q db.Querier, accountID int64, limit int) ([]friend.Invitation, error) {
	rows, err := q.Query(ctx, selectInvitation+"WHERE account_id = $1 ORDER BY id LIMIT $2", accountID, limit)
	list, err := collect(rows, err, scanInvitation)
	return list, db.Wrap("reading invitations", err)
}

// Insert implements friend.Rows.
func (f Friends) Insert(ctx context.Context, tx *db.Tx, i friend.Invitation, sections []int64) error {
	err := tx.Exec(ctx, `INSERT INTO invitation (id, inviter_id, account_id, invited, invited_key, source_id, chosen, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		i.Number, i.InviterID, nullID(i.AccountID), i.Invited, i.Key, nullID(i.SourceID), i.Chosen, millis(i.CreatedAt))
	if err != nil {
		return db.Wrap("adding an invitation", err)
	}
	return f.insertSections(ctx, tx, i.Number, sections)
}

func (Friends) insertSections(ctx context.Context, tx *db.Tx, number int64, sections []int64) error {
	for _, id := range sections {
		err := tx.Exec(ctx, `INSERT INTO invitation_section (invitation_id, section_id) VALUES ($1, $2)
			ON CONFLICT DO NOTHING`, number, id)
		if err != nil {
			return db.Wrap("choosing a section", err)
		}
	}
	return nil
}

// Choose implements friend.Rows.
func (f Friends) Choose(ctx context.Context, tx *db.Tx, i friend.Invitation, sections []int64) error {
	if err := tx.ExecOne(ctx, "UPDATE invitation SET chosen = $2 WHERE id = $1", i.Number, i.Chosen); err != nil {
		return db.Wrap("changing an invitation", err)
	}
	if err := tx.Exec(ctx, "DELETE FROM invitation_section WHERE invitation_id = $1", i.Number); err != nil {
		return fmt.Errorf("changing an invitation: %w", err)
	}
	return f.insertSections(ctx, tx, i.Number, sections)
}

// Delete implements friend.Rows.
func (Friends) Delete(ctx context.Context, tx *db.Tx, number int64) error {
	return db.Wrap("removing an invitation", tx.ExecOne(ctx, "DELETE FROM invitation WHERE id = $1", number))
}

// DeleteBetween implements friend.Rows.
func (Friends) DeleteBetween(ctx context.Context, tx *db.Tx, inviterID, accountID int64) error {
	err := tx.Exec(ctx, "DELETE FROM invitation WHERE inviter_id = $1 AND account_id = $2", inviterID, accountID)
	return db.Wrap("removing invitations", err)
}
