package account

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/text/unicode/norm"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/glyph"
)

// Errors of a name or an e-mail address.
var (
	// ErrAlike reports that another account has a name or an e-mail address that
	// looks like the given one. The error names the field.
	ErrAlike = fault.New(fault.Exists, "another account has a name or an e-mail address that looks like it")
	// ErrEmailDenied reports that members cannot change their e-mail address.
	ErrEmailDenied = fault.New(fault.Denied, "the e-mail address can be changed by an admin only")
	// ErrNotAdmin reports that only admins confirm e-mail addresses.
	ErrNotAdmin = fault.New(fault.Denied, "only an admin can confirm an e-mail address")
	// ErrEmailChanged reports that the e-mail address is another one by now.
	ErrEmailChanged = fault.New(fault.Conflict, "the e-mail address has changed meanwhile: look at it again")
	// ErrNoEmail reports that there is no e-mail address to confirm.
	ErrNoEmail = fault.New(fault.Conflict, "this account has no e-mail address")
)

// CheckNames validates the form of a name and an e-mail address, without looking at
// other accounts. The error lists every invalid field. Errors: fault.Invalid.
func CheckNames(username, email string) error {
	_, err := newNames(username, email)
	return err
}

// CheckNew returns the error that Add would return for a name and an e-mail address
// now. Errors: fault.Invalid, ErrExists, ErrAlike.
func (s *Service) CheckNew(ctx context.Context, username, email string) error {
	a, err := newNames(username, email)
	if err != nil {
		return err
	}
	return named("checking a new name", s.checkNames(ctx, s.db, a))
}

// CheckInvited is CheckNew for a name that is only suggested and an e-mail address,
// each of which can be empty.
func (s *Service) CheckInvited(ctx context.Context, username, email string) error {
	if username != "" {
		return s.CheckNew(ctx, username, email)
	}
	var a Account
	err := a.setEmail(norm.NFC.String(email))
	if err != nil || email == "" {
		return err
	}
	return named("checking a new e-mail address", s.checkEmailName(ctx, s.db, a))
}

// newNames returns an account with a name and a confirmed e-mail address, and their
// folded forms. Errors: fault.Invalid.
func newNames(username, email string) (a Account, err error) {
	err = fault.Join(a.setUsername(username), a.setEmail(norm.NFC.String(email)))
	a.ConfirmedEmail = a.Email
	return a, err
}

// setUsername changes the name of an account. Errors: fault.Invalid.
func (a *Account) setUsername(name string) error {
	key, err := checkUsername(name)
	if err == nil {
		a.Username, a.UsernameKey, a.Title = name, key, name
	}
	return err
}

// setEmail changes the e-mail address of an account. Errors: fault.Invalid.
func (a *Account) setEmail(email string) error {
	key, err := checkEmail(email)
	if err == nil {
		a.Email, a.EmailKey = email, key
	}
	return err
}

// SetIdentity sets the name and e-mail address of an account. Unchanged values are not
// validated: an account can keep a name that would not be accepted now. An e-mail
// address that an admin sets is confirmed; a member's own is not. Errors:
// fault.Invalid, ErrExists, ErrAlike, ErrEmailDenied, ErrNotFound.
func (s *Service) SetIdentity(ctx context.Context, by audit.Actor, id int64, username, email string) error {
	return s.changeNames(ctx, by, id, &username, &email)
}

// Rename changes the username of an account. It does nothing if the account already has
// it. Errors: fault.Invalid, ErrExists, ErrAlike, ErrNotFound.
func (s *Service) Rename(ctx context.Context, by audit.Actor, id int64, username string) error {
	return s.changeNames(ctx, by, id, &username, nil)
}

// SetEmail changes the e-mail address of an account, or removes it if email is empty.
// It is confirmed if an admin sets it. Errors: fault.Invalid, ErrExists, ErrAlike,
// ErrEmailDenied, ErrNotFound.
func (s *Service) SetEmail(ctx context.Context, by audit.Actor, id int64, email string) error {
	return s.changeNames(ctx, by, id, nil, &email)
}

// ConfirmEmail confirms the e-mail address of an account, if it is still the one that
// the admin saw: ErrEmailChanged. It does nothing if the address is already confirmed.
// Errors: ErrNoEmail, ErrNotAdmin, ErrNotFound.
func (s *Service) ConfirmEmail(ctx context.Context, by audit.Actor, id int64, email string) error {
	return s.change(ctx, by, id, audit.EmailConfirmed, func(ctx context.Context, tx *db.Tx, a *Account) (bool, error) {
		admin, err := s.isAdmin(ctx, tx, by)
		switch {
		case err != nil:
			return false, err
		case !admin:
			return false, ErrNotAdmin
		case a.Email == "":
			return false, ErrNoEmail
		case a.Email != email:
			return false, ErrEmailChanged
		}
		changed := !a.EmailConfirmed()
		a.ConfirmedEmail = a.Email
		return changed, nil
	})
}

// MaySetEmail reports whether an account can change its own e-mail address.
func (s *Service) MaySetEmail(a Account) bool { return a.Admin || s.membersSetEmail }

// changeNames changes the username, the e-mail address, or both; nil means
// unchanged.
func (s *Service) changeNames(ctx context.Context, by audit.Actor, id int64, username, email *string) error {
	return s.change(ctx, by, id, audit.AccountChanged, func(ctx context.Context, tx *db.Tx, a *Account) (bool, error) {
		old := *a
		if username != nil && (*username != a.Username || *username != a.Title) {
			if err := a.setUsername(*username); err != nil {
				return false, err
			}
			if err := s.checkName(ctx, tx, a.ID, Username, a.UsernameKey, glyph.Skeletons(a.Username)); err != nil {
				return false, err
			}
		}
		if email != nil {
			if err := s.changeEmail(ctx, tx, by, a, *email); err != nil {
				return false, err
			}
		}
		if a.Username == old.Username && a.Title == old.Title && a.Email == old.Email {
			return a.ConfirmedEmail != old.ConfirmedEmail, nil
		}
		return true, s.storeSkeletons(ctx, tx, *a)
	})
}

// whatChanged describes which of an account's names have changed, for the audit log.
func whatChanged(before, after Account) string {
	name, email := before.Username != after.Username || before.Title != after.Title, before.Email != after.Email
	switch {
	case name && email:
		return audit.OfNameEmail
	case name:
		return audit.OfName
	case email:
		return audit.OfEmail
	}
	return audit.OfConfirming
}

// changeEmail changes the e-mail address if the actor can, and sets whether it is
// confirmed.
func (s *Service) changeEmail(ctx context.Context, tx *db.Tx, by audit.Actor, a *Account, email string) error {
	admin, err := s.isAdmin(ctx, tx, by)
	if err != nil {
		return err
	}
	email = norm.NFC.String(email)
	if email != a.Email {
		if !admin && !s.membersSetEmail {
			return ErrEmailDenied
		}
		if err := a.setEmail(email); err != nil {
			return err
		}
		if err := s.checkEmailName(ctx, tx, *a); err != nil {
			return err
		}
		a.ConfirmedEmail = ""
		// Attack: an attacker who reads the former mailbox opens a link in it.
		if err := s.rows.DeleteMailedResets(ctx, tx, a.ID); err != nil {
			return err
		}
	}
	if admin {
		a.ConfirmedEmail = a.Email
	}
	return nil
}

// IsAdmin reports whether an account exists, is an admin and is not disabled, in a
// transaction. It is for links that an admin has created.
func (s *Service) IsAdmin(ctx context.Context, q db.Querier, id int64) (bool, error) {
	admin, err := s.isAdmin(ctx, q, audit.Actor{AccountID: id})
	return id != 0 && admin, named("finding an admin", err)
}

// isAdmin reports whether an actor is an admin now, or the command line.
func (s *Service) isAdmin(ctx context.Context, q db.Querier, by audit.Actor) (bool, error) {
	if by.AccountID == 0 {
		return by.Name != "", nil
	}
	a, err := s.rows.Get(ctx, q, by.AccountID)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	return a.Admin && !a.Disabled, err
}

// checkNames returns an error if another account has a name or an e-mail address that
// is the same or looks alike. Errors: ErrExists, ErrAlike.
func (s *Service) checkNames(ctx context.Context, q db.Querier, a Account) error {
	err := s.checkName(ctx, q, a.ID, Username, a.UsernameKey, glyph.Skeletons(a.Username))
	if err == nil {
		err = s.checkEmailName(ctx, q, a)
	}
	return err
}

func (s *Service) checkEmailName(ctx context.Context, q db.Querier, a Account) error {
	if a.Email == "" {
		return nil
	}
	return s.checkName(ctx, q, a.ID, Email, a.EmailKey, emailSkeletons(a.Email))
}

// checkName checks a name of account id. The name of one account must not be the
// e-mail address of another either: both are logins.
func (s *Service) checkName(
	ctx context.Context, q db.Querier, id int64, field, key string, skeletons []string,
) error {
	taken, err := s.rows.Taken(ctx, q, id, key)
	if err != nil {
		return err
	}
	if taken {
		return fault.WithField(ErrExists, field, "")
	}
	for _, skeleton := range skeletons {
		alike, err := s.rows.Alike(ctx, q, id, skeleton)
		if err != nil {
			return err
		}
		if alike {
			return fault.WithField(ErrAlike, field, fmt.Sprintf(
				"another account has a name or an e-mail address that looks like this %s", fieldNames[field]))
		}
	}
	return nil
}

var fieldNames = map[string]string{Username: "username", Email: "e-mail address"}

func (s *Service) storeSkeletons(ctx context.Context, tx *db.Tx, a Account) error {
	return s.rows.SetSkeletons(ctx, tx, a.ID, glyph.Version, skeletons(a))
}

// skeletonBatch is how many accounts are given skeletons in one transaction.
const skeletonBatch = 500

// FillSkeletons computes skeletons for the accounts without any, or with those of
// earlier rules: accounts from before an upgrade. It is fast if there are no such accounts.
func (s *Service) FillSkeletons(ctx context.Context) error {
	for n := skeletonBatch; n == skeletonBatch; {
		list, err := s.rows.OldSkeletons(ctx, s.db, glyph.Version, skeletonBatch)
		if n = len(list); err != nil || n == 0 {
			return named("finding accounts without skeletons", err)
		}
		err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			for _, a := range list {
				// The account may have been changed or removed since the list was read.
				a, err := s.rows.Get(ctx, tx, a.ID)
				if errors.Is(err, db.ErrNotFound) {
					continue
				}
				if err == nil {
					err = s.storeSkeletons(ctx, tx, a)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return named("storing what names look like", err)
		}
	}
	return nil
}
