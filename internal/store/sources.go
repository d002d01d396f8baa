package store

import (
	"context"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// The kinds of source, as they stand in source strings and in the database.
const (
	ServerSource   = "server"
	ProviderSource = "provider"
)

// Source is a server or provider with the ways to reach it.
type Source struct {
	ID             int64
	Kind           string
	Identifier     string
	Name           string
	Product        string
	ProductVersion string
	// OwnerID is the owner's account; 0: every admin owns it.
	OwnerID   int64
	OwnerName string // the owner's title; filled in by reads
	// Everyone: it is shared with every account.
	Everyone    bool
	Connections []Connection
	CreatedAt   time.Time
}

// Connection is one way to reach a source.
type Connection struct {
	URI          string
	Local, Relay bool
}

const selectSource = `SELECT s.id, s.kind, s.identifier, s.name, s.product, s.product_version,
	COALESCE(s.owner_id, 0), COALESCE(o.title, ''), s.everyone, s.created_at
	FROM source s LEFT JOIN account o ON o.id = s.owner_id `

func scanSource(row scanner) (src Source, err error) {
	var created int64
	err = row.Scan(&src.ID, &src.Kind, &src.Identifier, &src.Name, &src.Product, &src.ProductVersion,
		&src.OwnerID, &src.OwnerName, &src.Everyone, &created)
	src.CreatedAt = fromMillis(created)
	return src, err
}

// sourceEvents are the events of each kind of source.
var sourceEvents = map[string]struct{ added, removed EventKind }{
	ServerSource:   {EventServerAdded, EventServerRemoved},
	ProviderSource: {EventProviderAdded, EventProviderRemoved},
}

// AddSource adds a source with its connections. ErrConflict when one of the
// same kind has the identifier.
func (s *Store) AddSource(ctx context.Context, src Source) (Source, error) {
	src.CreatedAt = s.now()
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO source (kind, identifier, name, product, product_version, owner_id, everyone, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`, src.Kind, src.Identifier, src.Name, src.Product,
			src.ProductVersion, nullID(src.OwnerID), src.Everyone, millis(src.CreatedAt)).Scan(&src.ID)
		if err != nil {
			return err
		}
		tx.Touch(SourceTopic, db.IDKey(src.ID))
		for i, c := range src.Connections {
			if err := tx.Exec(ctx, "INSERT INTO connection (source_id, position, uri, local, relay) VALUES ($1, $2, $3, $4, $5)",
				src.ID, i, c.URI, c.Local, c.Relay); err != nil {
				return err
			}
		}
		return tx.note(ctx, Event{Kind: sourceEvents[src.Kind].added, Detail: src.Name})
	})
	return src, db.Wrap(fmt.Sprintf("adding %s %s", src.Kind, src.Identifier), err)
}

// RemoveSource removes a source with its shares and server tokens.
func (s *Store) RemoveSource(ctx context.Context, id int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		tx.Touch(SourceTopic, db.IDKey(id))
		revoked, err := tx.revoke(ctx, "source_id = $1", id)
		if err != nil {
			return err
		}
		var kind, name string
		if err := tx.QueryRow(ctx, "DELETE FROM source WHERE id = $1 RETURNING kind, name", id).Scan(&kind, &name); err != nil {
			return err
		}
		return tx.note(ctx, Event{Kind: sourceEvents[kind].removed, Detail: name + andTokens(revoked)})
	})
	return db.Wrap("removing a source", err)
}

// Source finds a source by kind and identifier, with its connections.
func (s *Store) Source(ctx context.Context, kind, identifier string) (Source, error) {
	src, err := scanSource(s.db.QueryRow(ctx, selectSource+"WHERE s.kind = $1 AND s.identifier = $2", kind, identifier))
	if err != nil {
		return src, db.Wrap(fmt.Sprintf("finding a %s", kind), err)
	}
	list := []Source{src}
	err = s.addConnections(ctx, list)
	return list[0], err
}

// Sources lists every source of a kind, by name.
func (s *Store) Sources(ctx context.Context, kind string) ([]Source, error) {
	return s.listSources(ctx, "WHERE s.kind = $1 ORDER BY s.name, s.id", kind)
}

// SourcesOf lists the sources of a kind that an account owns or is shared, in
// the order in which they were added.
func (s *Store) SourcesOf(ctx context.Context, kind string, account int64) ([]Source, error) {
	return s.listSources(ctx, "WHERE s.kind = $1 AND "+reachedBy("$2")+" ORDER BY s.id", kind, account)
}

// reachedBy is the condition that an account reaches source s: it is shared
// with everyone or with this account, or the account owns it.
func reachedBy(account string) string {
	return `(s.everyone OR s.owner_id = ` + account + `
		OR (s.owner_id IS NULL AND EXISTS (SELECT 1 FROM account WHERE id = ` + account + ` AND admin))
		OR EXISTS (SELECT 1 FROM share WHERE source_id = s.id AND account_id = ` + account + `))`
}

func (s *Store) listSources(ctx context.Context, where string, args ...any) ([]Source, error) {
	rows, err := s.db.Query(ctx, selectSource+where, args...)
	list, err := collect(rows, err, scanSource)
	if err != nil {
		return nil, db.Wrap("listing sources", err)
	}
	return list, s.addConnections(ctx, list)
}

// addConnections fills in the connections of each source of the list.
func (s *Store) addConnections(ctx context.Context, list []Source) error {
	for i := range list {
		rows, err := s.db.Query(ctx,
			"SELECT uri, local, relay FROM connection WHERE source_id = $1 ORDER BY position", list[i].ID)
		list[i].Connections, err = collect(rows, err, func(row scanner) (c Connection, err error) {
			err = row.Scan(&c.URI, &c.Local, &c.Relay)
			return c, err
		})
		if err != nil {
			return db.Wrap("listing connections", err)
		}
	}
	return nil
}

// Share says that a source may be reached by an account that does not own it.
type Share struct {
	SourceID   int64
	AccountID  int64
	Identifier string // of the source
	SourceName string
	Username   string
	CreatedAt  time.Time
}

// AddShare shares a source with an account. ErrConflict when it is already.
func (s *Store) AddShare(ctx context.Context, sourceID, accountID int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		tx.Touch(SourceTopic, db.IDKey(sourceID))
		err := tx.Exec(ctx, "INSERT INTO share (source_id, account_id, created_at) VALUES ($1, $2, $3)",
			sourceID, accountID, millis(s.now()))
		if err != nil {
			return err
		}
		return tx.noteShare(ctx, EventShareAdded, sourceID, accountID, 0)
	})
	return db.Wrap("adding a share", err)
}

// RemoveShare takes a share back, and ends the tokens with which the account's
// devices reach the server.
func (s *Store) RemoveShare(ctx context.Context, sourceID, accountID int64) error {
	err := s.write(ctx, func(ctx context.Context, tx *tx) error {
		tx.Touch(SourceTopic, db.IDKey(sourceID))
		revoked, err := tx.revoke(ctx, "source_id = $1 AND account_id = $2", sourceID, accountID)
		if err != nil {
			return err
		}
		if err := tx.ExecOne(ctx, "DELETE FROM share WHERE source_id = $1 AND account_id = $2", sourceID, accountID); err != nil {
			return err
		}
		return tx.noteShare(ctx, EventShareRemoved, sourceID, accountID, revoked)
	})
	return db.Wrap("removing a share", err)
}

// noteShare tells of a share that was added or removed, by the source's name.
func (t *tx) noteShare(ctx context.Context, kind EventKind, sourceID, accountID int64, revoked int) error {
	var name string
	if err := t.QueryRow(ctx, "SELECT name FROM source WHERE id = $1", sourceID).Scan(&name); err != nil {
		return err
	}
	return t.note(ctx, Event{Kind: kind, AccountID: accountID, Detail: name + andTokens(revoked)})
}

// andTokens says how many tokens ended with something.
func andTokens(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return ", and one token"
	}
	return fmt.Sprintf(", and %d tokens", n)
}

// Shares lists every share, by server and account.
func (s *Store) Shares(ctx context.Context) ([]Share, error) {
	rows, err := s.db.Query(ctx, `SELECT h.source_id, h.account_id, s.identifier, s.name, a.username, h.created_at
		FROM share h JOIN source s ON s.id = h.source_id JOIN account a ON a.id = h.account_id
		ORDER BY s.name, a.username`)
	list, err := collect(rows, err, func(row scanner) (h Share, err error) {
		var created int64
		err = row.Scan(&h.SourceID, &h.AccountID, &h.Identifier, &h.SourceName, &h.Username, &created)
		h.CreatedAt = fromMillis(created)
		return h, err
	})
	return list, db.Wrap("listing shares", err)
}
