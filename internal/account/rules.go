package account

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
)

// Errors of the rules for how an account signs in.
var (
	// ErrOnlyWay reports that a rule would leave the account without a way to sign in,
	// because it has no passkey for this server.
	ErrOnlyWay = fault.New(fault.Conflict, "the account has no passkey that works here, and would have no way to sign in: it needs one first")
	// ErrPasskeyOnly reports that signing in to the account requires a passkey, which
	// is not possible here. It is returned only if the password is correct.
	ErrPasskeyOnly = fault.New(fault.Unauthenticated,
		"this account signs in with a passkey: link this device by its code, on the pages of this server")
	// ErrFactorDue reports that an admin must set up a second factor first. It is
	// returned only if the password is correct.
	ErrFactorDue = fault.New(fault.Unauthenticated,
		"admins of this server need a second factor: sign in on its pages to set one up")
)

// Rules are an admin's rules for how an account signs in.
type Rules struct {
	// PasswordOff rejects the password. A passkey alone signs in.
	PasswordOff bool
	// PasskeyRequired requires a passkey, alone or after the password. A code of the
	// second factor is not sufficient.
	PasskeyRequired bool
}

// TakePasskey reports whether signing in requires a passkey.
func (r Rules) TakePasskey() bool { return r.PasswordOff || r.PasskeyRequired }

// String describes the rules for the audit log.
func (r Rules) String() string {
	var words []string
	if r.PasswordOff {
		words = append(words, "password off")
	}
	if r.PasskeyRequired {
		words = append(words, "passkey required")
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// TakesPassword reports whether the account has a password that its rules accept.
func (a Account) TakesPassword() bool { return a.PasswordHash != "" && !a.PasswordOff }

// PasswordAlone reports whether the password alone is sufficient to sign in.
func (a Account) PasswordAlone() bool {
	return a.TakesPassword() && !a.PasskeyRequired && !a.HasSecondFactor()
}

// ByPasskeyOnly reports whether only a passkey can prove the identity of the account's
// owner.
func (a Account) ByPasskeyOnly() bool { return a.PasswordHash == "" || a.TakePasskey() }

// Passkeys counts passkeys. Package passkey implements it.
type Passkeys interface {
	// CountOf counts the passkeys with which an account can sign in, in a transaction.
	CountOf(ctx context.Context, q db.Querier, accountID int64) (int, error)
}

// SetRules changes the rules for how an account signs in. A nil rule stays as it is.
// Existing sessions and tokens stay valid. Earlier proofs, sessions that still wait for
// the second factor, and reset links become invalid. Errors: ErrOnlyWay, ErrManaged,
// ErrMembersOnly, ErrNotFound.
func (s *Service) SetRules(
	ctx context.Context, by audit.Actor, id int64, passwordOff, passkeyRequired *bool, keys Passkeys,
) error {
	return s.change(ctx, by, id, audit.RulesChanged, func(ctx context.Context, tx *db.Tx, a *Account) (bool, error) {
		old := a.Rules
		if passwordOff != nil {
			a.PasswordOff = *passwordOff
		}
		if passkeyRequired != nil {
			a.PasskeyRequired = *passkeyRequired
		}
		if a.Rules == old {
			return false, nil
		}
		a.Revision++
		if !a.TakePasskey() {
			return true, nil
		}
		n, err := keys.CountOf(ctx, tx, id)
		if err == nil && n == 0 {
			err = ErrOnlyWay
		}
		return err == nil, err
	})
}

// The default and the maximum time that admins have to set up a second factor.
const (
	DefaultGrace = 7 * 24 * time.Hour
	MaxGrace     = 90 * 24 * time.Hour
)

// AdminRule is the rule whether admins need a second factor.
type AdminRule struct {
	On    bool
	Since time.Time // when it was turned on
	// Grace is the time that an admin has to set one up, counted from Since or from
	// when they became an admin, whichever is later.
	Grace time.Duration
}

// due returns the deadline for an admin to set up a second factor. It is zero if the
// admin has one or needs none.
func (r AdminRule) due(a Account) time.Time {
	if !r.On || !a.Admin || !a.PasswordAlone() {
		return time.Time{}
	}
	since := r.Since
	if a.AdminSince.After(since) {
		since = a.AdminSince
	}
	return since.Add(r.Grace)
}

// describe describes the rule for the audit log.
func (r AdminRule) describe() string {
	if !r.On {
		return "off"
	}
	return fmt.Sprintf("on, with a grace of %s", r.Grace)
}

// storedRule is an AdminRule as it is stored.
type storedRule struct {
	Since int64 // in milliseconds
	Grace int64 // in seconds
}

// RuleRows is the storage of the rule for admins. Package store implements it.
type RuleRows interface {
	// AdminRule returns the stored rule, or "".
	AdminRule(ctx context.Context, q db.Querier) ([]byte, error)
	// SetAdminRule replaces it.
	SetAdminRule(ctx context.Context, tx *db.Tx, rule []byte) error
}

// AdminRule returns the rule whether admins need a second factor.
func (s *Service) AdminRule(ctx context.Context) (AdminRule, error) { return s.adminRule(ctx, s.db) }

func (s *Service) adminRule(ctx context.Context, q db.Querier) (AdminRule, error) {
	text, err := s.rows.AdminRule(ctx, q)
	if err != nil || len(text) == 0 {
		return AdminRule{}, named("reading whether admins need a second factor", err)
	}
	var stored storedRule
	if err := json.Unmarshal(text, &stored); err != nil {
		return AdminRule{}, fmt.Errorf("reading whether admins need a second factor: %w", err)
	}
	return AdminRule{true, time.UnixMilli(stored.Since).UTC(), time.Duration(stored.Grace) * time.Second}, nil
}

// SetAdminRule sets whether admins need a second factor, and how long they have to set
// one up. If the rule is already on, Since stays. Errors: fault.Invalid, ErrNotAdmin.
func (s *Service) SetAdminRule(ctx context.Context, by audit.Actor, on bool, grace time.Duration) error {
	if on && (grace < 0 || grace > MaxGrace) {
		return fault.Invalidf("grace", "admins have 90 days at most to set up a second factor")
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, err := s.adminRule(ctx, tx)
		if err != nil {
			return err
		}
		next := AdminRule{On: on, Since: now.Since}
		if on {
			next.Grace = grace.Truncate(time.Second)
		}
		if !now.On || !on {
			next.Since = time.Time{}
		}
		if next == now {
			return nil
		}
		if next.Since.IsZero() {
			next.Since = tx.Now()
		}
		text, err := next.Stored()
		if err != nil {
			return err
		}
		if err := s.rows.SetAdminRule(ctx, tx, text); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, by, audit.Event{Kind: audit.AdminRuleChanged, Detail: next.describe()})
	})
	return named("changing whether admins need a second factor", err)
}

// Stored returns the stored form of the rule, for a new database. It is empty if the
// rule is off.
func (r AdminRule) Stored() ([]byte, error) {
	if !r.On {
		return nil, nil
	}
	return json.Marshal(storedRule{r.Since.UnixMilli(), int64(r.Grace / time.Second)})
}

// FactorDue returns the deadline for an account to set up a second factor. After that,
// it can sign in only to do so. It is zero if the account has one or needs none. For an
// account that cannot need one, there is no query.
func (s *Service) FactorDue(ctx context.Context, q db.Querier, a Account) (time.Time, error) {
	if !a.Admin || !a.PasswordAlone() {
		return time.Time{}, nil
	}
	r, err := s.adminRule(ctx, q)
	return r.due(a), err
}

// DueOf is FactorDue outside of a transaction. overdue reports whether the deadline has
// passed.
func (s *Service) DueOf(ctx context.Context, a Account) (due time.Time, overdue bool, err error) {
	due, err = s.FactorDue(ctx, s.db, a)
	return due, !due.IsZero() && !due.After(s.now()), err
}

// Closed reports, in a transaction, whether signing in to an account requires more than
// a PIN of its home may replace. That applies to an account whose rules require a
// passkey. If admins need a second factor, it also applies to an admin who has one,
// because the PIN would bypass it, and to an admin without one after the deadline.
func (s *Service) Closed(ctx context.Context, q db.Querier, a Account) (bool, error) {
	if a.TakePasskey() || !a.Admin {
		return a.TakePasskey(), nil
	}
	r, err := s.adminRule(ctx, q)
	return r.On && !r.due(a).After(s.now()), err
}

// complete returns an error if the correct password alone is not sufficient to sign in,
// for callers that cannot ask for more. Errors: ErrPasskeyOnly, ErrCode, ErrFactorDue.
func (s *Service) complete(ctx context.Context, by audit.Actor, v Verified) error {
	switch {
	case !v.Complete && v.Account.PasskeyRequired:
		return s.failed(ctx, by, v.Account, passkeyMissing, ErrPasskeyOnly)
	case !v.Complete:
		return s.failed(ctx, by, v.Account, codeMissing, ErrCode)
	}
	// It continues even if the client disconnects.
	_, overdue, err := s.DueOf(context.WithoutCancel(ctx), v.Account)
	if err == nil && overdue {
		err = s.failed(ctx, by, v.Account, factorDue, ErrFactorDue)
	}
	return err
}
