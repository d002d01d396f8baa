package store

import (
	"context"
	"database/sql"
	"errors"
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
	place, known, back := shares.from(r)
	if !known {
		return shares.page(ctx, q, r, "")
	}
	// First the rest of the same source, then other sources. PostgreSQL estimates one
	// condition on both columns by the first, and would read and sort a source of which
	// there are many shares.
	rows, err := q.Query(ctx, sharesOfSource.statement("h.source_id = $1", 1, back), place[0], place[1], r.Max()+1)
	list, err := collect(rows, err, scanShare)
	if err == nil && len(list) <= r.Max() {
		compare, direction := ">", "ASC"
		if back {
			compare, direction = "<", "DESC"
		}
		text := fmt.Sprintf(selectShare+"WHERE h.source_id %[1]s $1 ORDER BY h.source_id %[2]s, h.account_id %[2]s LIMIT $2", compare, direction)
		rows, err = q.Query(ctx, text, place[0], r.Max()+1-len(list))
		var others []source.Share
		others, err = collect(rows, err, scanShare)
		list = append(list, others...)
	}
	if err != nil {
		return paging.List[source.Share]{}, err
	}
	return shares.cut(list, r, known, back), nil
}

// OfSource implements source.ShareRows.
func (Shares) OfSource(
	ctx context.Context, q db.Querier, sourceID int64, prefix string, r paging.Request,
) (paging.List[source.Share], error) {
	if prefix == "" {
		return sharesOfSource.page(ctx, q, r, "h.source_id = $1", sourceID)
	}
	found, err := searchShares(ctx, q, sourceID, prefix, r)
	list := paging.List[source.Share]{Next: found.Next, Previous: found.Previous, Restarted: found.Restarted}
	for _, f := range found.Rows {
		list.Rows = append(list.Rows, f.Share)
	}
	return list, db.Wrap("searching shares", err)
}

// foundShare is a share that was found by the name of its account.
type foundShare struct {
	source.Share
	key string
}

// fewShares is how many shares of a source are searched for names. Of a source that has
// more, the names with the prefix are searched for shares, so many at a time.
const (
	fewShares   = 1000
	searchNames = 10_000
)

// sharesFound are listed by name. Both queries read a bounded number of rows, and then
// look for what belongs to each. Neither engine may choose to begin with the other table:
// CROSS JOIN prevents SQLite from that, and the LIMIT PostgreSQL.
var (
	sharesFound = listing[foundShare]{
		order: []string{"a.username_key"}, start: []any{""}, place: func(f foundShare) []any { return []any{f.key} },
		scan: func(row scanner) (f foundShare, err error) {
			f.Share, err = scanShare(after{row, &f.key})
			return f, err
		},
	}
	foundColumns   = "SELECT a.username_key, " + strings.TrimPrefix(strings.SplitN(selectShare, "FROM", 2)[0], "SELECT ")
	searchByShares = foundColumns + fmt.Sprintf(`FROM (SELECT source_id, account_id FROM share WHERE source_id = $3 ORDER BY account_id LIMIT %d) AS few
		CROSS JOIN account a CROSS JOIN share h CROSS JOIN source s
		WHERE a.id = few.account_id AND a.username_key %%[1]s $1 AND a.username_key < $2
			AND h.source_id = few.source_id AND h.account_id = a.id AND s.id = h.source_id
		ORDER BY a.username_key %%[2]s LIMIT $4`, fewShares)
	searchByNames = foundColumns + fmt.Sprintf(`FROM (SELECT id, username_key FROM account
			WHERE username_key %%[1]s $1 AND username_key < $2 ORDER BY username_key %%[2]s LIMIT %d) AS n
		CROSS JOIN share h CROSS JOIN source s CROSS JOIN account a
		WHERE h.source_id = $3 AND h.account_id = n.id AND s.id = h.source_id AND a.id = n.id
		ORDER BY n.username_key %%[2]s LIMIT $4`, searchNames)
	// By the source alone, PostgreSQL may read all of its shares and sort them.
	countShares = fmt.Sprintf(`SELECT COUNT(*) <= %[1]d FROM (SELECT source_id FROM share
		WHERE (source_id, account_id) > ($1, $2) ORDER BY source_id, account_id LIMIT %[1]d + 1) AS few WHERE source_id = $1`, fewShares)
	lastSearched = fmt.Sprintf(`SELECT username_key FROM account WHERE username_key %%[1]s $1 AND username_key < $2
		ORDER BY username_key %%[2]s LIMIT 1 OFFSET %d`, searchNames-1)
)

// searchShares reads a page of the shares of a source with accounts whose name begins with
// a prefix. If many do, and few of them share, it reads a part of them only: there can be
// fewer rows than asked for, or none, before a next page.
func searchShares(
	ctx context.Context, q db.Querier, sourceID int64, prefix string, r paging.Request,
) (found paging.List[foundShare], err error) {
	var few bool
	if err = q.QueryRow(ctx, countShares, sourceID, lowest).Scan(&few); err != nil {
		return found, err
	}
	text := searchByNames
	if few {
		text = searchByShares
	}
	in := sharesFound.within(r, prefix)
	found, err = sharesFound.read(ctx, q, r, in.known, in.back, fmt.Sprintf(text, in.compare, in.direction), in.first, in.end, sourceID)
	further := &found.Next
	if in.back {
		further = &found.Previous
	}
	if err != nil || few || *further != "" {
		return found, err
	}
	var last string
	err = q.QueryRow(ctx, fmt.Sprintf(lastSearched, in.compare, in.direction), in.first, in.end).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return found, nil
	}
	*further = paging.NewCursor(last)
	return found, err
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
