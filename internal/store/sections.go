package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/source"
)

// Sections is the table of the sections of servers. It implements
// source.SectionRows.
type Sections struct{}

func scanSection(row scanner) (s source.Section, err error) {
	var created int64
	err = row.Scan(&s.ID, &s.Number, &s.Title, &s.Kind, &created)
	s.CreatedAt = fromMillis(created)
	return s, err
}

// List implements source.SectionRows. A server has few sections.
func (Sections) List(ctx context.Context, q db.Querier, sourceID int64) ([]source.Section, error) {
	rows, err := q.Query(ctx, `SELECT id, number, title, kind, created_at FROM section
		WHERE source_id = $1 ORDER BY number`, sourceID)
	list, err := collect(rows, err, scanSection)
	if err != nil {
		return nil, fmt.Errorf("reading sections: %w", err)
	}
	return list, nil
}

// Insert implements source.SectionRows.
func (Sections) Insert(ctx context.Context, tx *db.Tx, sourceID int64, s source.Section) (id int64, err error) {
	tx.Touch(source.Topic, db.IDKey(sourceID))
	err = tx.QueryRow(ctx, `INSERT INTO section (source_id, number, title, title_key, kind, created_at)
		VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		sourceID, s.Number, s.Title, strings.ToLower(s.Title), s.Kind, millis(s.CreatedAt)).Scan(&id)
	return id, db.Wrap("adding a section", err)
}

// Delete implements source.SectionRows.
func (Sections) Delete(ctx context.Context, tx *db.Tx, sourceID, id int64) error {
	tx.Touch(source.Topic, db.IDKey(sourceID))
	return db.Wrap("removing a section", tx.ExecOne(ctx, "DELETE FROM section WHERE source_id = $1 AND id = $2", sourceID, id))
}
