package home

import (
	"context"
	"slices"
	"strconv"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/glyph"
	"github.com/usher-auth/usher/internal/token"
)

// The changes below are made with the rights of a user of the home. The command line
// acts as the owner.

// guestName is the name of the guest.
const guestName = "Guest"

// AddManaged adds a managed user to the home of an account. Errors: fault.Invalid,
// ErrNotAdmin, ErrFull, ErrExists.
func (s *Service) AddManaged(ctx context.Context, by audit.Actor, as int64, name, restriction string) (User, error) {
	return s.add(ctx, by, as, Managed, name, restriction)
}

// AddGuest adds the guest, if the home has none. Errors: ErrNotAdmin, ErrFull,
// ErrExists.
func (s *Service) AddGuest(ctx context.Context, by audit.Actor, as int64) (User, error) {
	return s.add(ctx, by, as, Guest, guestName, "")
}

func (s *Service) add(
	ctx context.Context, by audit.Actor, as int64, role Role, name, restriction string,
) (added User, err error) {
	if err := checkRestriction(restriction); err != nil {
		return User{}, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		h, err := s.adminOf(ctx, tx, by, as)
		if err != nil {
			return err
		}
		if guest, has := h.Guest(); has && role == Guest {
			added = guest
			return nil
		}
		if err := s.found(ctx, tx, by, h); err != nil {
			return err
		}
		a, err := s.accounts.AddManaged(ctx, tx, by, h.OwnerID, name)
		if err != nil {
			return err
		}
		added = User{Account: a, OwnerID: h.OwnerID, Role: role, Restriction: restriction, JoinedAt: tx.Now()}
		return s.join(ctx, tx, by, h, added)
	})
	return added, named("adding a user to a home", err)
}

// Join adds an account that signs in to the home of another. It is not available to
// pages and tokens, because both must consent: the operator asserts that they did.
// Errors: ErrInHome, ErrFull, ErrExists, account.ErrManaged.
func (s *Service) Join(ctx context.Context, by audit.Actor, ownerID, accountID int64, admin bool) error {
	role := Member
	if admin {
		role = Admin
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		h, err := s.of(ctx, tx, ownerID)
		if err == nil {
			err = account.CheckMayChange(by, h.Self.Account)
		}
		if err != nil {
			return err
		}
		if h.Self.Role != Owner {
			return ErrNotOwner
		}
		own, err := s.of(ctx, tx, accountID)
		if err == nil {
			err = account.CheckMayChange(by, own.Self.Account)
		}
		switch {
		case err != nil:
			return err
		case own.Self.Account.Managed():
			return account.ErrManaged
		case len(own.Users) > 1 || own.OwnerID != accountID || accountID == ownerID:
			return ErrInHome
		}
		if own.Shared { // a home of one user, perhaps with a PIN
			if err := s.rows.Delete(ctx, tx, accountID); err != nil {
				return err
			}
		}
		if err := s.found(ctx, tx, by, h); err != nil {
			return err
		}
		u := own.Self
		u.OwnerID, u.Role, u.JoinedAt = ownerID, role, tx.Now()
		return s.join(ctx, tx, by, h, u)
	})
	return named("adding an account to a home", err)
}

// found creates the home of an account that has none, in a transaction.
func (s *Service) found(ctx context.Context, tx *db.Tx, by audit.Actor, h Home) error {
	if h.Shared {
		return nil
	}
	return s.insert(ctx, tx, by, h.Self)
}

// join adds a user to a home, in a transaction. Errors: ErrFull, ErrExists.
func (s *Service) join(ctx context.Context, tx *db.Tx, by audit.Actor, h Home, u User) error {
	if len(h.Users) >= MaxSize {
		return ErrFull
	}
	if err := checkName(h, u.Account.ID, u.Account.Title); err != nil {
		return err
	}
	return s.insert(ctx, tx, by, u)
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, by audit.Actor, u User) error {
	if err := s.rows.Insert(ctx, tx, u); err != nil {
		return err
	}
	return s.record(ctx, tx, by, audit.HomeJoined, u, u.Role.String())
}

// checkName returns ErrExists if another user of a home has the name or one that looks
// like it, because people choose users by name.
func checkName(h Home, accountID int64, name string) error {
	mine := glyph.Skeletons(name)
	for _, u := range h.Users {
		alike := func(skeleton string) bool { return slices.Contains(mine, skeleton) }
		if u.Account.ID != accountID && slices.ContainsFunc(glyph.Skeletons(u.Account.Title), alike) {
			return fault.WithField(ErrExists, account.Title, "")
		}
	}
	return nil
}

func checkRestriction(restriction string) error {
	if !slices.Contains(Restrictions, restriction) {
		return fault.Invalidf(RestrictionField, "a restriction is little_kid, older_kid or teen")
	}
	return nil
}

// Rename changes the name of a managed user. Errors: fault.Invalid, ErrNotAdmin,
// ErrNotManaged, ErrExists, ErrNotFound.
func (s *Service) Rename(ctx context.Context, by audit.Actor, as int64, who, name string) error {
	return s.change(ctx, by, as, who, func(ctx context.Context, tx *db.Tx, h Home, u User) error {
		if !u.Managed() {
			return ErrNotManaged
		}
		if err := checkName(h, u.Account.ID, name); err != nil {
			return err
		}
		return s.accounts.RenameManaged(ctx, tx, by, u.Account, name)
	})
}

// Restrict sets the restriction of a managed user. Errors: fault.Invalid, ErrNotAdmin,
// ErrNotManaged, ErrNotFound.
func (s *Service) Restrict(ctx context.Context, by audit.Actor, as int64, who, restriction string) error {
	if err := checkRestriction(restriction); err != nil {
		return err
	}
	return s.change(ctx, by, as, who, func(ctx context.Context, tx *db.Tx, _ Home, u User) error {
		if !u.Managed() {
			return ErrNotManaged
		}
		if u.Restriction == restriction {
			return nil
		}
		u.Restriction = restriction
		if err := s.rows.Update(ctx, tx, u); err != nil {
			return err
		}
		if restriction == "" {
			restriction = "none"
		}
		return s.record(ctx, tx, by, audit.HomeChanged, u, "restriction "+restriction)
	})
}

// SetAdmin makes a member an admin of the home, or an admin a member, and then revokes
// the tokens of that user's switches. Errors: ErrNotOwner, ErrOwner,
// account.ErrManaged, ErrNotFound.
func (s *Service) SetAdmin(ctx context.Context, by audit.Actor, as int64, who string, admin bool) error {
	role := Member
	if admin {
		role = Admin
	}
	return s.change(ctx, by, as, who, func(ctx context.Context, tx *db.Tx, h Home, u User) error {
		switch {
		case h.Self.Role != Owner:
			return ErrNotOwner
		case u.Role == Owner:
			return ErrOwner
		case u.Role > Member:
			return account.ErrManaged
		case u.Role == role:
			return nil
		}
		u.Role = role
		if err := s.rows.Update(ctx, tx, u); err != nil {
			return err
		}
		revoked, err := 0, error(nil)
		if !admin {
			revoked, err = s.tokens.RevokeSwitched(ctx, tx, u.Account.ID)
		}
		if err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.HomeChanged, u, role.String()+token.AndTokens(revoked))
	})
}

// Remove removes a user from the home. For a managed user or the guest, it removes the
// account. An account that signs in can also remove itself, and the tokens from
// switches from and to it are revoked immediately. Errors: ErrNotAdmin, ErrNotOwner,
// ErrOwner, ErrNotFound.
func (s *Service) Remove(ctx context.Context, by audit.Actor, as int64, who string) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		h, u, err := s.target(ctx, tx, by, as, who)
		switch {
		case err != nil:
			return err
		case u.Role == Owner:
			return ErrOwner
		case u.Managed() && !h.Self.Admin():
			return ErrNotAdmin
		case u.Managed():
			if err := s.record(ctx, tx, by, audit.HomeLeft, u, ""); err != nil {
				return err
			}
			return s.accounts.RemoveManaged(ctx, tx, by, u.Account)
		case h.Self.Role != Owner && u.Account.ID != h.Self.Account.ID:
			return ErrNotOwner
		}
		revoked, err := s.tokens.RevokeSwitched(ctx, tx, u.Account.ID)
		if err != nil {
			return err
		}
		if err := s.rows.Delete(ctx, tx, u.Account.ID); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.HomeLeft, u, u.Role.String()+token.AndTokens(revoked))
	})
	return named("removing a user from a home", err)
}

// change changes a user of a home as one of its admins, in a transaction. Errors:
// ErrNotAdmin, ErrNotFound.
func (s *Service) change(
	ctx context.Context, by audit.Actor, as int64, who string, change func(context.Context, *db.Tx, Home, User) error,
) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		h, u, err := s.target(ctx, tx, by, as, who)
		switch {
		case err != nil:
			return err
		case !h.Self.Admin():
			return ErrNotAdmin
		}
		return change(ctx, tx, h, u)
	})
	return named("changing a user of a home", err)
}

// target returns the home of an account and one of its users, if the actor may change
// both. A key of the admin API that may not change admins cannot change their homes
// either. Errors: ErrNotFound, account.ErrMembersOnly.
func (s *Service) target(ctx context.Context, q db.Querier, by audit.Actor, as int64, who string) (h Home, u User, err error) {
	if h, err = s.of(ctx, q, as); err == nil {
		err = account.CheckMayChange(by, h.Self.Account)
	}
	if err != nil {
		return h, u, err
	}
	if u, err = h.Find(who); err == nil {
		err = account.CheckMayChange(by, u.Account)
	}
	return h, u, err
}

// adminOf returns the home of an account, which must be its owner or an admin. Errors:
// ErrNotAdmin.
func (s *Service) adminOf(ctx context.Context, q db.Querier, by audit.Actor, accountID int64) (Home, error) {
	h, err := s.of(ctx, q, accountID)
	if err == nil {
		err = account.CheckMayChange(by, h.Self.Account)
	}
	if err == nil && !h.Self.Admin() {
		err = ErrNotAdmin
	}
	return h, err
}

// record records an event of a user, in a transaction.
func (s *Service) record(ctx context.Context, tx *db.Tx, by audit.Actor, kind audit.Kind, u User, detail string) error {
	in := "the home of account " + strconv.FormatInt(u.OwnerID, 10)
	if detail != "" {
		in = detail + ", " + in
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: kind, AccountID: u.Account.ID, Account: u.Account.Username, Detail: in,
	})
}
