package store

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/audit"
)

// Names that move to package audit with the packages that use them.
type (
	Actor            = audit.Actor
	Event            = audit.Event
	EventKind        = audit.Kind
	EventMeaning     = audit.Meaning
	AuditEntry       = audit.Entry
	AuditQuery       = audit.Query
	BrokenChainError = audit.BrokenChainError
	Count            = audit.Count
)

const (
	TallyTokenChecks = audit.TokenChecks

	EventSignIn              = audit.SignIn
	EventSignInRefused       = audit.SignInRefused
	EventSignInUnfinished    = audit.SignInUnfinished
	EventSignOut             = audit.SignOut
	EventTokenMade           = audit.TokenMade
	EventTokenRevoked        = audit.TokenRevoked
	EventAccountAdded        = audit.AccountAdded
	EventAccountChanged      = audit.AccountChanged
	EventAccountRemoved      = audit.AccountRemoved
	EventAccountDisabled     = audit.AccountDisabled
	EventAccountEnabled      = audit.AccountEnabled
	EventPasswordChanged     = audit.PasswordChanged
	EventSecondFactorAdded   = audit.SecondFactorAdded
	EventSecondFactorRemoved = audit.SecondFactorRemoved
	EventBackupCodeUsed      = audit.BackupCodeUsed
	EventPasskeyAdded        = audit.PasskeyAdded
	EventPasskeyRemoved      = audit.PasskeyRemoved
	EventPasskeyUsed         = audit.PasskeyUsed
	EventPINLinked           = audit.PINLinked
	EventPINRefused          = audit.PINRefused
	EventSessionStarted      = audit.SessionStarted
	EventSessionEnded        = audit.SessionEnded
	EventOriginAllowed       = audit.OriginAllowed
	EventOriginRemoved       = audit.OriginRemoved
	EventServerAdded         = audit.ServerAdded
	EventServerRemoved       = audit.ServerRemoved
	EventProviderAdded       = audit.ProviderAdded
	EventProviderRemoved     = audit.ProviderRemoved
	EventShareAdded          = audit.ShareAdded
	EventShareRemoved        = audit.ShareRemoved
)

// EventMeanings is audit.Meanings.
func EventMeanings() []EventMeaning { return audit.Meanings() }

// actorKey is the key of the actor in a context.
type actorKey struct{}

// WithActor returns a context in which everything is done by a.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

func actorOf(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

// note records an event by the actor of the context.
func (t *tx) note(ctx context.Context, e Event) error {
	return t.store.log.Record(ctx, t.Tx, t.actor, e)
}

// Log is the audit log.
func (s *Store) Log() *audit.Log { return s.log }

// Note is audit.Log's RecordFailure, by the actor of the context.
func (s *Store) Note(ctx context.Context, e Event) error {
	return s.log.RecordFailure(ctx, actorOf(ctx), e)
}

// Audit reads the audit log, the newest rows first.
func (s *Store) Audit(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	return s.log.List(ctx, q)
}

// AuditForward reads the audit log, the oldest rows first.
func (s *Store) AuditForward(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	q.OldestFirst = true
	return s.log.List(ctx, q)
}

// VerifyAudit is audit.Log's Verify.
func (s *Store) VerifyAudit(ctx context.Context) (int64, error) { return s.log.Verify(ctx) }

// PruneAudit is audit.Log's Prune.
func (s *Store) PruneAudit(ctx context.Context, before time.Time) (int64, error) {
	return s.log.Prune(ctx, before)
}

// KeepAudit is audit.Log's Retain.
func (s *Store) KeepAudit(ctx context.Context, keep time.Duration) { s.log.Retain(ctx, keep) }

// Tally is audit.Log's Tally.
func (s *Store) Tally(ctx context.Context, what string, n int64) error {
	return s.log.Tally(ctx, what, n)
}

// Tallies is audit.Log's Tallies.
func (s *Store) Tallies(ctx context.Context, since time.Time) ([]Count, error) {
	return s.log.Tallies(ctx, since)
}

// AuditCounts is audit.Log's Counts.
func (s *Store) AuditCounts(ctx context.Context, since time.Time) ([]Count, error) {
	return s.log.Counts(ctx, since)
}
