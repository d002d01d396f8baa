package store

import (
	"context"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/source"
)

// Sources is the tables of sources and connections. It implements source.Rows.
type Sources struct{}

const sourceColumns = `s.id, s.kind, s.identifier, s.name, s.product, s.product_version, s.platform,
	s.platform_version, s.device, COALESCE(s.owner_id, 0), COALESCE(o.title, ''), s.everyone, s.created_at`

const selectSource = "SELECT " + sourceColumns + " FROM source s LEFT JOIN account o ON o.id = s.owner_id "

// selectCandidate also says whether the source is shared with account $1.
const selectCandidate = "SELECT " + sourceColumns + `,
	EXISTS (SELECT 1 FROM share WHERE source_id = s.id AND account_id = $1)
	FROM source s LEFT JOIN account o ON o.id = s.owner_id `

func scanSource(row scanner) (s source.Source, err error) { return scanSourceAnd(row) }

func scanCandidate(row scanner) (c source.Candidate, err error) {
	c.Source, err = scanSourceAnd(row, &c.Shared)
	return c, err
}

// scanSourceAnd scans the columns of a source, and those that follow them.
func scanSourceAnd(row scanner, more ...any) (s source.Source, err error) {
	var created int64
	dest := []any{&s.ID, &s.Kind, &s.Identifier, &s.Name, &s.Product, &s.ProductVersion,
		&s.Platform, &s.PlatformVersion, &s.Device, &s.OwnerID, &s.OwnerName, &s.Everyone, &created}
	err = row.Scan(append(dest, more...)...)
	s.CreatedAt = fromMillis(created)
	return s, err
}

// Get implements source.Rows.
func (Sources) Get(ctx context.Context, q db.Querier, kind source.Kind, identifier string) (source.Source, error) {
	s, err := scanSource(q.QueryRow(ctx, selectSource+"WHERE s.kind = $1 AND s.identifier = $2", kind, identifier))
	if err != nil {
		return s, db.Wrap("reading a source", err)
	}
	return s, readConnections(ctx, q, &s)
}

// List implements source.Rows.
func (Sources) List(ctx context.Context, q db.Querier, kind source.Kind) ([]source.Source, error) {
	rows, err := q.Query(ctx, selectSource+"WHERE s.kind = $1 ORDER BY s.name, s.id", kind)
	list, err := collect(rows, err, scanSource)
	for i := range list {
		if err := readConnections(ctx, q, &list[i]); err != nil {
			return nil, err
		}
	}
	return list, err
}

// Candidates implements source.Rows.
func (Sources) Candidates(
	ctx context.Context, q db.Querier, kind source.Kind, accountID int64,
) ([]source.Candidate, error) {
	rows, err := q.Query(ctx, selectCandidate+`WHERE s.kind = $2 AND (s.everyone OR s.owner_id = $1
		OR s.owner_id IS NULL OR EXISTS (SELECT 1 FROM share WHERE source_id = s.id AND account_id = $1))
		ORDER BY s.id`, accountID, kind)
	list, err := collect(rows, err, scanCandidate)
	for i := range list {
		if err := readConnections(ctx, q, &list[i].Source); err != nil {
			return nil, err
		}
	}
	return list, err
}

// Candidate implements source.Rows. It leaves out the connections.
func (Sources) Candidate(ctx context.Context, q db.Querier, id, accountID int64) (source.Candidate, error) {
	c, err := scanCandidate(q.QueryRow(ctx, selectCandidate+"WHERE s.id = $2", accountID, id))
	return c, db.Wrap("reading a source", err)
}

// readConnections fills in the connections of a source.
func readConnections(ctx context.Context, q db.Querier, s *source.Source) error {
	rows, err := q.Query(ctx, "SELECT uri, local, relay FROM connection WHERE source_id = $1 ORDER BY position", s.ID)
	s.Connections, err = collect(rows, err, func(row scanner) (c source.Connection, err error) {
		err = row.Scan(&c.URI, &c.Local, &c.Relay)
		return c, err
	})
	if err != nil {
		return fmt.Errorf("reading connections: %w", err)
	}
	return nil
}

// Count implements source.Rows.
func (Sources) Count(ctx context.Context, q db.Querier) (c source.Counts, err error) {
	err = q.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM source WHERE kind = $1),
		(SELECT COUNT(*) FROM source WHERE kind = $2), (SELECT COUNT(*) FROM share)`,
		source.Server, source.Provider).Scan(&c.Servers, &c.Providers, &c.Shares)
	return c, err
}

// Insert implements source.Rows.
func (Sources) Insert(ctx context.Context, tx *db.Tx, s source.Source) (id int64, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO source
		(kind, identifier, name, product, product_version, platform, platform_version, device, owner_id,
			everyone, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`, s.Kind, s.Identifier, s.Name, s.Product,
		s.ProductVersion, s.Platform, s.PlatformVersion, s.Device, nullID(s.OwnerID), s.Everyone, millis(s.CreatedAt)).Scan(&id)
	if err != nil {
		return 0, db.Wrap("adding a source", err)
	}
	tx.Touch(source.Topic, db.IDKey(id))
	for i, c := range s.Connections {
		err := tx.Exec(ctx, `INSERT INTO connection (source_id, position, uri, local, relay)
			VALUES ($1, $2, $3, $4, $5)`, id, i, c.URI, c.Local, c.Relay)
		if err != nil {
			return 0, fmt.Errorf("adding a connection: %w", err)
		}
	}
	return id, nil
}

// Delete implements source.Rows.
func (Sources) Delete(ctx context.Context, tx *db.Tx, id int64) error {
	tx.Touch(source.Topic, db.IDKey(id))
	return db.Wrap("removing a source", tx.ExecOne(ctx, "DELETE FROM source WHERE id = $1", id))
}

// Shares is the table of shares. It implements source.ShareRows.
type Shares struct{}

// List implements source.ShareRows.
func (Shares) List(ctx context.Context, q db.Querier) ([]source.Share, error) {
	rows, err := q.Query(ctx, `SELECT h.source_id, h.account_id, s.identifier, s.name, a.username, h.created_at
		FROM share h JOIN source s ON s.id = h.source_id JOIN account a ON a.id = h.account_id
		ORDER BY s.name, a.username`)
	return collect(rows, err, func(row scanner) (h source.Share, err error) {
		var created int64
		err = row.Scan(&h.SourceID, &h.AccountID, &h.Identifier, &h.SourceName, &h.Username, &created)
		h.CreatedAt = fromMillis(created)
		return h, err
	})
}

// Insert implements source.ShareRows.
func (Shares) Insert(ctx context.Context, tx *db.Tx, sourceID, accountID int64, at time.Time) error {
	tx.Touch(source.Topic, db.IDKey(sourceID))
	err := tx.Exec(ctx, "INSERT INTO share (source_id, account_id, created_at) VALUES ($1, $2, $3)",
		sourceID, accountID, millis(at))
	return db.Wrap("adding a share", err)
}

// Delete implements source.ShareRows.
func (Shares) Delete(ctx context.Context, tx *db.Tx, sourceID, accountID int64) error {
	tx.Touch(source.Topic, db.IDKey(sourceID))
	err := tx.ExecOne(ctx, "DELETE FROM share WHERE source_id = $1 AND account_id = $2", sourceID, accountID)
	return db.Wrap("removing a share", err)
}
