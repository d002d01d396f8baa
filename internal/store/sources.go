package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
)

// Sources is the tables of sources and connections. It implements source.Rows.
type Sources struct{}

const sourceColumns = `s.id, s.kind, s.identifier, s.name, s.product, s.product_version, s.platform,
	s.platform_version, s.device, COALESCE(s.owner_id, 0), COALESCE(o.title, ''), s.everyone, s.created_at`

const selectSource = "SELECT " + sourceColumns + " FROM source s LEFT JOIN account o ON o.id = s.owner_id "

// selectCandidate also reads whether the source is shared with account $1.
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

// sources are listed by name.
var sources = listing[source.Source]{
	query: selectSource, scan: scanSource, order: []string{"s.name", "s.id"}, start: []any{"", lowest},
	place: func(s source.Source) []any { return []any{s.Name, s.ID} },
}

// List implements source.Rows.
func (Sources) List(
	ctx context.Context, q db.Querier, kind source.Kind, text string, r paging.Request,
) (paging.List[source.Source], error) {
	condition, args := "s.kind = $1", []any{kind}
	if text != "" { // it reads all of a kind at most, and these are few
		condition += " AND " + strings.ReplaceAll(anyContains("s.name", "s.product", "s.identifier"), "$", "$2")
		args = append(args, containing(text))
	}
	l, err := sources.page(ctx, q, r, condition, args...)
	for i := range l.Rows {
		if err := readConnections(ctx, q, &l.Rows[i]); err != nil {
			return l, err
		}
	}
	return l, err
}

// owned are the sources of an owner, in the order in which they were added.
var owned = listing[source.Source]{
	query: selectSource, scan: scanSource, order: []string{"s.id"}, start: []any{lowest},
	place: func(s source.Source) []any { return []any{s.ID} },
}

// Owned implements source.Rows. It leaves out the connections.
func (Sources) Owned(
	ctx context.Context, q db.Querier, kind source.Kind, ownerID int64, r paging.Request,
) (paging.List[source.Source], error) {
	return owned.page(ctx, q, r, "s.owner_id = $1 AND s.kind = $2", ownerID, kind)
}

// selectCandidates reads the sources that account $1 can possibly reach: those of each reason
// have an index, of which the next $4 after source $3 are read.
const selectCandidates = "SELECT " + sourceColumns + `,
	EXISTS (SELECT 1 FROM share WHERE source_id = s.id AND account_id = $1)
	FROM (
		SELECT id FROM (SELECT id FROM source WHERE everyone AND kind = $2 AND id > $3 ORDER BY id LIMIT $4) AS everyones
		UNION SELECT id FROM (
			SELECT id FROM source WHERE owner_id = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4) AS owned
		UNION SELECT id FROM (
			SELECT id FROM source WHERE owner_id IS NULL AND kind = $2 AND id > $3 ORDER BY id LIMIT $4) AS admins
		UNION SELECT source_id FROM (
			SELECT h.source_id FROM share h JOIN source k ON k.id = h.source_id
			WHERE h.account_id = $1 AND k.kind = $2 AND h.source_id > $3 ORDER BY h.source_id LIMIT $4) AS shared
	) AS found JOIN source s ON s.id = found.id LEFT JOIN account o ON o.id = s.owner_id
	ORDER BY s.id LIMIT $4`

// Candidates implements source.Rows.
func (Sources) Candidates(
	ctx context.Context, q db.Querier, kind source.Kind, accountID, after int64, limit int,
) ([]source.Candidate, error) {
	rows, err := q.Query(ctx, selectCandidates, accountID, kind, after, limit)
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
	err = q.QueryRow(ctx, "SELECT "+count("source", "kind = $1")+", "+count("source", "kind = $2")+", "+
		count("share", "source_id > 0"), source.Server, source.Provider).Scan(&c.Servers, &c.Providers, &c.Shares)
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

const selectShare = `SELECT COALESCE(h.id, 0), h.source_id, h.account_id, s.identifier, s.name, a.username, h.chosen, h.created_at
	FROM share h JOIN source s ON s.id = h.source_id JOIN account a ON a.id = h.account_id `

func scanShare(row scanner) (h source.Share, err error) {
	var created int64
	err = row.Scan(&h.Number, &h.SourceID, &h.AccountID, &h.Identifier, &h.SourceName, &h.Username, &h.Chosen, &created)
	h.CreatedAt = fromMillis(created)
	return h, err
}

// The shares are listed by source and account, in the order in which these were
// added; those of one account by source.
var (
	shares = listing[source.Share]{
		query: selectShare, scan: scanShare, order: []string{"h.source_id", "h.account_id"},
		start: []any{lowest, lowest}, place: func(h source.Share) []any { return []any{h.SourceID, h.AccountID} },
	}
	sharesOfSource = listing[source.Share]{
		query: selectShare, scan: scanShare, order: []string{"h.account_id"},
		start: []any{lowest}, place: func(h source.Share) []any { return []any{h.AccountID} },
	}
	sharesOfAccount = listing[source.Share]{
		query: selectShare, scan: scanShare, order: []string{"h.source_id"},
		start: []any{lowest}, place: func(h source.Share) []any { return []any{h.SourceID} },
	}
)

// List implements source.ShareRows.
func (Shares) List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[source.Share], error) {
	return shares.page(ctx, q, r, "")
}

// OfSource implements source.ShareRows.
func (Shares) OfSource(
	ctx context.Context, q db.Querier, sourceID int64, prefix string, r paging.Request,
) (paging.List[source.Share], error) {
	if prefix == "" {
		return sharesOfSource.page(ctx, q, r, "h.source_id = $1", sourceID)
	}
	return sharesOfSource.page(ctx, q, r, "h.source_id = $1 AND a.username_key >= $2 AND a.username_key < $3",
		sourceID, prefix, prefix+lastRune)
}

// OfAccount implements source.ShareRows.
func (Shares) OfAccount(
	ctx context.Context, q db.Querier, accountID int64, r paging.Request,
) (paging.List[source.Share], error) {
	return sharesOfAccount.page(ctx, q, r, "h.account_id = $1", accountID)
}

// Of implements source.ShareRows.
func (Shares) Of(ctx context.Context, q db.Querier, sourceID, accountID int64) (source.Share, error) {
	h, err := scanShare(q.QueryRow(ctx, selectShare+"WHERE h.source_id = $1 AND h.account_id = $2", sourceID, accountID))
	return h, db.Wrap("reading a share", err)
}

// Get implements source.ShareRows.
func (Shares) Get(ctx context.Context, q db.Querier, number int64) (source.Share, error) {
	h, err := scanShare(q.QueryRow(ctx, selectShare+"WHERE h.id = $1", number))
	return h, db.Wrap("reading a share", err)
}

// Taken implements source.ShareRows.
func (Shares) Taken(ctx context.Context, q db.Querier, number int64) (taken bool, err error) {
	err = q.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM share WHERE id = $1)
		OR EXISTS (SELECT 1 FROM invitation WHERE id = $1)`, number).Scan(&taken)
	return taken, db.Wrap("looking for a number", err)
}

// Chosen implements source.ShareRows.
func (Shares) Chosen(ctx context.Context, q db.Querier, number int64) ([]int64, error) {
	rows, err := q.Query(ctx, "SELECT section_id FROM share_section WHERE share_id = $1 ORDER BY section_id", number)
	list, err := collect(rows, err, scanID)
	return list, db.Wrap("reading the sections of a share", err)
}

// Insert implements source.ShareRows.
func (Shares) Insert(ctx context.Context, tx *db.Tx, h source.Share) error {
	tx.Touch(source.Topic, db.IDKey(h.SourceID))
	err := tx.Exec(ctx, "INSERT INTO share (id, source_id, account_id, chosen, created_at) VALUES ($1, $2, $3, $4, $5)",
		nullID(h.Number), h.SourceID, h.AccountID, h.Chosen, millis(h.CreatedAt))
	return db.Wrap("adding a share", err)
}

// SetNumber implements source.ShareRows. No cache holds it.
func (Shares) SetNumber(ctx context.Context, tx *db.Tx, h source.Share) error {
	err := tx.ExecOne(ctx, "UPDATE share SET id = $3 WHERE source_id = $1 AND account_id = $2 AND id IS NULL",
		h.SourceID, h.AccountID, h.Number)
	return db.Wrap("numbering a share", err)
}

// Choose implements source.ShareRows.
func (Shares) Choose(ctx context.Context, tx *db.Tx, h source.Share, sections []int64) error {
	tx.Touch(source.Topic, db.IDKey(h.SourceID))
	if err := tx.ExecOne(ctx, "UPDATE share SET chosen = $2 WHERE id = $1", h.Number, h.Chosen); err != nil {
		return db.Wrap("changing a share", err)
	}
	if err := tx.Exec(ctx, "DELETE FROM share_section WHERE share_id = $1", h.Number); err != nil {
		return fmt.Errorf("changing a share: %w", err)
	}
	for _, id := range sections {
		err := tx.Exec(ctx, "INSERT INTO share_section (share_id, section_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", h.Number, id)
		if err != nil {
			return db.Wrap("choosing a section", err)
		}
	}
	return nil
}

// Delete implements source.ShareRows.
func (Shares) Delete(ctx context.Context, tx *db.Tx, sourceID, accountID int64) error {
	tx.Touch(source.Topic, db.IDKey(sourceID))
	err := tx.ExecOne(ctx, "DELETE FROM share WHERE source_id = $1 AND account_id = $2", sourceID, accountID)
	return db.Wrap("removing a share", err)
}
