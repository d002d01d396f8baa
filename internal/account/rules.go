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
	// ErrOnlyWay reports that the account has no passkey that signs in, which a rule would
	// make the only way to do so.
	ErrOnlyWay = fault.New(fault.Conflict, "the account has no passkey that works here, and would have no way to sign in: it needs one first")
	// ErrPasskeyOnly says that signing in to the account takes a passkey, which cannot be
	// given here. It is returned only if the password is right.
	ErrPasskeyOnly = fault.New(fault.Unauthenticated,
		"this account signs in with a passkey: link this device by its code, on the pages of this server")
	// ErrFactorDue says that an admin must set up a second factor first. It is returned
	// only if the password is right.
	ErrFactorDue = fault.New(fault.Unauthenticated,
		"admins of this server need a second factor: sign in on its pages to set one up")
)

// Rules are how an account signs in, as an admin has set it.
type Rules struct {
	// PasswordOff: the password is rejected. A passkey does, alone.
	PasswordOff bool
	// PasskeyRequired: a passkey signs in alone, or after the password. A code of the
	// second factor does not.
	PasskeyRequired bool
}

// TakePasskey reports whether signing in takes a passkey.
func (r Rules) TakePasskey() bool { return r.PasswordOff || r.PasskeyRequired }

// String is the rules in a few words, for the audit log.
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

// PasswordAlone reports whether the password alone signs in.
func (a Account) PasswordAlone() bool {
	return a.TakesPassword() && !a.PasskeyRequired && !a.HasSecondFactor()
}

// ByPasskeyOnly reports whether only a passkey proves that the visitor is the owner of
// the account.
func (a Account) ByPasskeyOnly() bool { return a.PasswordHash == "" || a.TakePasskey() }

// Passkeys is what a Service needs to know of passkeys. Package passkey implements
// it.
type Passkeys interface {
	// CountOf counts the passkeys of an account that sign in, in a transaction.
	CountOf(ctx context.Context, q db.Querier, accountID int64) (int, error)
}

// SetRules changes how an account signs in; nil leaves a rule as it is. What is signed in
// stays signed in. Earlier proofs, sessions that still wait for the second factor, and
// reset links become invalid. ErrOnlyWay, ErrManaged, ErrMembersOnly, ErrNotFound.
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

// How long admins have to set up a second factor, unless somebody says otherwise, and
// how long they may be given.
const (
	DefaultGrace = 7 * 24 * time.Hour
	MaxGrace     = 90 * 24 * time.Hour
)

// AdminRule is whether admins need a second factor.
type AdminRule struct {
	On    bool
	Since time.Time // when it was turned on
	// Grace is how long an admin has to set one up, counted from Since or from when they
	// became an admin, whichever is later.
	Grace time.Duration
}

// due returns when the time ends in which an admin must set up a second factor. Zero:
// they have one, or need none.
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

// describe is the rule in a few words, for the audit log.
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

// RuleRows is what a Service needs stored of the rule for admins. Package store
// implements it.
type RuleRows interface {
	// AdminRule returns the stored rule, or "".
	AdminRule(ctx context.Context, q db.Querier) ([]byte, error)
	// SetAdminRule replaces it.
	SetAdminRule(ctx context.Context, tx *db.Tx, rule []byte) error
}

// AdminRule returns whether admins need a second factor.
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

// SetAdminRule says whether admins need a second factor, and how long they have to set
// one up. If the rule is on already, Since stays. fault.Invalid, ErrNotAdmin.
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

// Stored returns the rule as it is stored; empty: it is off. A new database may begin
// with it.
func (r AdminRule) Stored() ([]byte, error) {
	if !r.On {
		return nil, nil
	}
	return json.Marshal(storedRule{r.Since.UnixMilli(), int64(r.Grace / time.Second)})
}

// FactorDue returns when the time ends in which an account must set up a second factor:
// after that, it signs in only to do so. Zero: it has one, or needs none. An account that
// cannot need one costs no query.
func (s *Service) FactorDue(ctx context.Context, q db.Querier, a Account) (time.Time, error) {
	if !a.Admin || !a.PasswordAlone() {
		return time.Time{}, nil
	}
	r, err := s.adminRule(ctx, q)
	return r.due(a), err
}

// DueOf is FactorDue outside of a transaction. overdue reports whether the time has ended.
func (s *Service) DueOf(ctx context.Context, a Account) (due time.Time, overdue bool, err error) {
	due, err = s.FactorDue(ctx, s.db, a)
	return due, !due.IsZero() && !due.After(s.now()), err
}

// Closed reports, in a transaction, whether an account takes more to be signed in to
// than a PIN of its home. That of an admin does where admins need a second factor: if it
// has one, or more than a password, the PIN would be the way around it, and if not, from
// when it is due.
func (s *Service) Closed(ctx context.Context, q db.Querier, a Account) (bool, error) {
	if a.TakePasskey() || !a.Admin {
		return a.TakePasskey(), nil
	}
	r, err := s.adminRule(ctx, q)
	return r.On && !r.due(a).After(s.now()), err
}

// complete returns an error if the right password alone does not sign in: its caller can
// take nothing else. ErrPasskeyOnly, ErrCode, ErrFactorDue.
func (s *Service) complete(ctx context.Context, by audit.Actor, v Verified) error {
	switch {
	case !v.Complete && v.Account.PasskeyRequired:
		return s.failed(ctx, by, v.Account, passkeyMissing, ErrPasskeyOnly)
	case !v.Complete:
		return s.failed(ctx, by, v.Account, codeMissing, ErrCode)
	}
	// It goes on, also if the caller hangs up.
	_, overdue, err := s.DueOf(context.WithoutCancel(ctx), v.Account)
	if err == nil && overdue {
		err = s.failed(ctx, by, v.Account, factorDue, ErrFactorDue)
	}
	return err
}
