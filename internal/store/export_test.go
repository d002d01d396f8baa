package store

import (
	"context"

	"github.com/usher-auth/usher/internal/audit"
)

// SetSchemaVersion makes the database look like that of another release.
func (s *Store) SetSchemaVersion(ctx context.Context, version int) error {
	return s.write(ctx, func(ctx context.Context, tx *tx) error {
		return tx.Exec(ctx, "INSERT INTO schema_version (version) VALUES ($1)", version)
	})
}

// AuditSum is the hash of a row of the audit log, after the one before it.
func AuditSum(e AuditEntry, before audit.Hash) audit.Hash { return e.Sum(before) }
