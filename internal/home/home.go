package home

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// Errors that callers tell apart.
var (
	// ErrNotFound reports that nobody in the home is called so.
	ErrNotFound = fault.New(fault.NotFound, "there is no such user in this home")
	// ErrPIN reports that a switch takes a PIN that was not given, or was wrong.
	ErrPIN = fault.New(fault.Denied, "a valid PIN is required to perform this action")
	// ErrCurrentPIN reports that a change of a PIN takes the present one.
	ErrCurrentPIN = fault.New(fault.Unauthenticated, "the current PIN is not right")
	// ErrLocked reports that too many wrong PINs were given. It has a wait.
	ErrLocked = fault.New(fault.Limited, "too many wrong PINs")
	// ErrNotAdmin reports that only the owner and the admins of a home may do this.
	ErrNotAdmin = fault.New(fault.Denied, "only the owner or an admin of the home can do this")
	// ErrNotOwner reports that only the owner of a home may do this.
	ErrNotOwner = fault.New(fault.Denied, "only the owner of the home can do this")
	// ErrOwner reports that the owner stays in the home.
	ErrOwner = fault.New(fault.Conflict, "this is the owner of the home, who cannot leave it or have another role")
	// ErrFull reports that the home has MaxSize users.
	ErrFull = fault.New(fault.Conflict, "the home has as many users as it can have")
	// ErrExists reports that somebody in the home has a name like it.
	ErrExists = fault.New(fault.Exists, "somebody in the home has this name, or one that looks like it")
	// ErrInHome reports that the account is in a home already.
	ErrInHome = fault.New(fault.Conflict, "this account is in a home already")
	// ErrOwnPIN reports that an account that signs in sets its own PIN.
	ErrOwnPIN = fault.New(fault.Denied, "this user signs in, and sets the PIN by themselves")
	// ErrNotManaged reports that only managed users can be changed so.
	ErrNotManaged = fault.New(fault.Conflict, "this user signs in, and is not a managed user")
)

// The fields that an invalid error names.
const (
	PINField         = "pin"
	RestrictionField = "restrictionProfile"
)

// MaxSize is how many users a home has at most, as the real services say
// (third-party sample).
const MaxSize = 15

// Role is what a user is in a home. The numbers are in the database, and users are
// listed in their order.
type Role uint8

// The roles.
const (
	Owner   Role = 1 // whose home it is
	Admin   Role = 2 // an account that signs in, with the owner's rights over managed users
	Member  Role = 3 // an account that signs in
	Managed Role = 4 // no login
	Guest   Role = 5 // no login, for visitors; there is one at most
)

func (r Role) String() string {
	switch r {
	case Owner:
		return "owner"
	case Admin:
		return "admin"
	case Member:
		return "member"
	case Managed:
		return "managed"
	case Guest:
		return "guest"
	}
	return "unknown"
}

// Restrictions are what a managed user may be restricted to; "" is no restriction. usher only
// says so: media servers decide what it means. The names are from clients' sources.
var Restrictions = []string{"", "little_kid", "older_kid", "teen"}

// User is an account in a home.
type User struct {
	Account account.Account
	OwnerID int64 // whose home it is
	Role    Role
	// PIN is a PHC string, or empty without a PIN. See Protected.
	PIN plexauth.Secret
	// Wrong is how many wrong PINs were given in a row, and LockedUntil until when
	// no other is tried.
	Wrong       int
	LockedUntil time.Time
	// Restriction is one of Restrictions.
	Restriction string
	JoinedAt    time.Time // to the millisecond, UTC
}

// Protected reports whether the user has a PIN. One that cannot be read is one.
func (u User) Protected() bool { return u.PIN != "" }

// Admin reports whether the user has the rights of the home's owner over its
// managed users.
func (u User) Admin() bool { return u.Role == Owner || u.Role == Admin }

// Managed reports whether the user is no login. A role and an account that say
// different things count as a login, which nobody becomes without a PIN.
func (u User) Managed() bool {
	return (u.Role == Managed || u.Role == Guest) && u.Account.OwnerID == u.OwnerID && u.OwnerID != 0
}

// Home is the users of a home, as one of them sees it.
type Home struct {
	OwnerID int64
	Users   []User // the owner first
	// Self is the user who asked.
	Self User
	// Shared is false if the account is alone and has never changed that: there is
	// no home yet, but the account is what its owner would be.
	Shared bool
}

// Find returns the user with an ID or a UUID. ErrNotFound.
func (h Home) Find(who string) (User, error) {
	id, err := strconv.ParseInt(who, 10, 64)
	i := slices.IndexFunc(h.Users, func(u User) bool {
		return err == nil && u.Account.ID == id || u.Account.UUID == who
	})
	if i < 0 {
		return User{}, ErrNotFound
	}
	return h.Users[i], nil
}

// Named is Find for what a person types: a name in any case, an ID or a UUID.
// ErrNotFound.
func (h Home) Named(text string) (User, error) {
	for _, u := range h.Users {
		if strings.EqualFold(u.Account.Title, strings.TrimSpace(text)) {
			return u, nil
		}
	}
	return h.Find(text)
}

// Guest returns the guest, if there is one.
func (h Home) Guest() (User, bool) {
	i := slices.IndexFunc(h.Users, func(u User) bool { return u.Role == Guest })
	if i < 0 {
		return User{}, false
	}
	return h.Users[i], true
}

// Rows is what a Service needs stored. Package store implements it. Every change
// announces the accounts of the whole home.
type Rows interface {
	// User returns an account in its home: db.ErrNotFound if it is in none.
	User(ctx context.Context, q db.Querier, accountID int64) (User, error)
	// Resident returns an account with what it is in its home: db.ErrNotFound if there
	// is no such account.
	Resident(ctx context.Context, q db.Querier, accountID int64) (Resident, error)
	// Users returns everybody in a home, by role and in the order in which the
	// accounts were added.
	Users(ctx context.Context, q db.Querier, ownerID int64) ([]User, error)
	// Size returns how many they are.
	Size(ctx context.Context, q db.Querier, ownerID int64) (int, error)
	// Insert adds an account to a home: db.ErrConflict if it is in one.
	Insert(ctx context.Context, tx *db.Tx, u User) error
	// Update replaces the role, the PIN, its tries and the restriction:
	// db.ErrNotFound.
	Update(ctx context.Context, tx *db.Tx, u User) error
	// SetTries replaces the tries: db.ErrNotFound. It announces nothing.
	SetTries(ctx context.Context, tx *db.Tx, u User) error
	// Delete takes an account out of its home: db.ErrNotFound.
	Delete(ctx context.Context, tx *db.Tx, accountID int64) error
}

// Config is what a Service stands on.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Accounts are who lives in homes, and Tokens what switches lead to. Required.
	Accounts *account.Service
	Tokens   *token.Service
	// Audit is the log of what happens in homes. Required.
	Audit *audit.Log
	// FailedTries is how many wrong PINs may be given for a user before each
	// further one must wait. Zero: no limit.
	FailedTries int
	// Now returns the time. Nil: time.Now.
	Now func() time.Time
}

// Service keeps homes. It is safe for concurrent use.
type Service struct {
	db       *db.DB
	rows     Rows
	accounts *account.Service
	tokens   *token.Service
	audit    *audit.Log
	tries    int
	now      func() time.Time
}

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{cfg.DB, cfg.Rows, cfg.Accounts, cfg.Tokens, cfg.Audit, cfg.FailedTries, cfg.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Of returns the home of an account. account.ErrNotFound.
func (s *Service) Of(ctx context.Context, accountID int64) (Home, error) {
	h, err := s.of(ctx, s.db, accountID)
	return h, named("reading a home", err)
}

func (s *Service) of(ctx context.Context, q db.Querier, accountID int64) (Home, error) {
	self, err := s.rows.User(ctx, q, accountID)
	if errors.Is(err, db.ErrNotFound) {
		a, err := s.accounts.Active(ctx, q, accountID)
		if err != nil {
			return Home{}, err
		}
		self = User{Account: a, OwnerID: a.ID, Role: Owner, JoinedAt: a.CreatedAt}
		return Home{OwnerID: a.ID, Users: []User{self}, Self: self}, nil
	}
	if err != nil {
		return Home{}, err
	}
	users, err := s.rows.Users(ctx, q, self.OwnerID)
	return Home{OwnerID: self.OwnerID, Users: users, Self: self, Shared: true}, err
}

// Facts are what clients can read about an account's home.
type Facts struct {
	Home        bool // it is in one
	Admin       bool // as its owner or an admin
	Size        int  // of the home; 1 without one
	Restricted  bool // it is a managed user or the guest
	Guest       bool
	Protected   bool // it has a PIN
	Restriction string
}

// Facts returns what clients can read about an account's home.
func (s *Service) Facts(ctx context.Context, a account.Account) (Facts, error) {
	_, facts, err := s.AccountFacts(ctx, a.ID)
	if errors.Is(err, account.ErrNotFound) { // it has been removed since
		return Resident{User: User{Account: a}}.facts(), nil
	}
	return facts, err
}

// AccountFacts returns an account, and what answers say of its home.
// account.ErrNotFound.
func (s *Service) AccountFacts(ctx context.Context, id int64) (account.Account, Facts, error) {
	var r Resident
	err := s.db.Ask(ctx, func(ctx context.Context) (err error) {
		r, err = s.rows.Resident(ctx, s.db, id)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return account.Account{}, Facts{}, fmt.Errorf("%w (%w)", account.ErrNotFound, err)
	}
	return r.Account, r.facts(), named("reading a home", err)
}

// Resident is an account as a user of its home, and how many users the home has. If the
// account is in no home, OwnerID and Size are 0.
type Resident struct {
	User // without its tries and the time at which it joined
	Size int
}

func (r Resident) facts() Facts {
	if r.OwnerID == 0 {
		return Facts{Size: 1, Restricted: r.Account.Managed()}
	}
	return Facts{
		Home: true, Admin: r.Admin(), Size: r.Size, Restricted: r.Account.Managed(), Guest: r.Role == Guest,
		Protected: r.Protected(), Restriction: r.Restriction,
	}
}

// named says what was being done, and gives the database's errors this package's
// names.
func named(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, db.ErrConflict):
		return fmt.Errorf("%w (%w)", ErrInHome, err)
	case errors.Is(err, db.ErrNotFound):
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
