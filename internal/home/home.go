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

// Errors that callers distinguish.
var (
	// ErrNotFound reports that the home has no such user.
	ErrNotFound = fault.New(fault.NotFound, "there is no such user in this home")
	// ErrPIN reports that the switch requires a PIN, which was missing or wrong.
	ErrPIN = fault.New(fault.Denied, "a valid PIN is required to perform this action")
	// ErrCurrentPIN reports that the current PIN, which a change requires, was missing
	// or wrong.
	ErrCurrentPIN = fault.New(fault.Unauthenticated, "the current PIN is wrong")
	// ErrLocked reports that too many wrong PINs were entered. It contains the time to
	// wait.
	ErrLocked = fault.New(fault.Limited, "too many wrong PINs")
	// ErrNotAdmin reports that only the owner and the admins of a home may do this.
	ErrNotAdmin = fault.New(fault.Denied, "only the owner or an admin of the home can do this")
	// ErrNotOwner reports that only the owner of a home may do this.
	ErrNotOwner = fault.New(fault.Denied, "only the owner of the home can do this")
	// ErrOwner reports that the owner can neither leave the home nor change role.
	ErrOwner = fault.New(fault.Conflict, "this is the owner of the home, who cannot leave it or have another role")
	// ErrFull reports that the home has MaxSize users.
	ErrFull = fault.New(fault.Conflict, "the home has as many users as it can have")
	// ErrExists reports that another user of the home has the name, or one that looks
	// like it.
	ErrExists = fault.New(fault.Exists, "somebody in the home has this name, or one that looks like it")
	// ErrInHome reports that the account is in a home already.
	ErrInHome = fault.New(fault.Conflict, "this account is in a home already")
	// ErrOwnPIN reports that only the user can set this PIN, because the account signs
	// in.
	ErrOwnPIN = fault.New(fault.Denied, "this user signs in, and sets the PIN by themselves")
	// ErrNotManaged reports that the change is possible for managed users only.
	ErrNotManaged = fault.New(fault.Conflict, "this user signs in, and is not a managed user")
)

// The fields that an invalid error names.
const (
	PINField         = "pin"
	RestrictionField = "restrictionProfile"
)

// MaxSize is the maximum number of users of a home, as with the real services
// (third-party sample).
const MaxSize = 15

// Role is the role of a user in a home. The numbers are stored, and users are listed in
// their order.
type Role uint8

// The roles.
const (
	Owner   Role = 1 // the home belongs to this account
	Admin   Role = 2 // an account that signs in, with the owner's rights over managed users
	Member  Role = 3 // an account that signs in
	Managed Role = 4 // cannot sign in
	Guest   Role = 5 // cannot sign in; for visitors, at most one in a home
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

// admin reports whether the role has the rights of the home's owner over its managed
// users.
func (r Role) admin() bool { return r == Owner || r == Admin }

// Restrictions are the restrictions of managed users; "" means none. usher only reports
// them: media servers decide what they mean. The names are from clients' sources.
var Restrictions = []string{"", "little_kid", "older_kid", "teen"}

// User is an account in a home.
type User struct {
	Account account.Account
	OwnerID int64 // the owner of the home
	Role    Role
	// PIN is the hash of the PIN as a PHC string, or empty without a PIN. See
	// Protected.
	PIN plexauth.Secret
	// Wrong is the number of consecutive wrong PINs. Until LockedUntil, no PIN is
	// checked.
	Wrong       int
	LockedUntil time.Time
	// Restriction is one of Restrictions.
	Restriction string
	JoinedAt    time.Time // to the millisecond, UTC
}

// Protected reports whether the user has a PIN, even if the stored hash cannot be
// decoded.
func (u User) Protected() bool { return u.PIN != "" }

// Admin reports whether the user has the rights of the home's owner over its
// managed users.
func (u User) Admin() bool { return u.Role.admin() }

// Managed reports whether the user cannot sign in. If role and account disagree, it
// returns false, so that nobody can switch to the user without a PIN.
func (u User) Managed() bool {
	return (u.Role == Managed || u.Role == Guest) && u.Account.OwnerID == u.OwnerID && u.OwnerID != 0
}

// Home holds the users of a home, from the point of view of one of them.
type Home struct {
	OwnerID int64
	Users   []User // the owner first
	// Self is the user from whose point of view it is.
	Self User
	// Shared is false if the account has never added a user or a PIN: no home is
	// stored, and Self is what its owner would be.
	Shared bool
}

// Find returns the user with an ID or a UUID. Errors: ErrNotFound.
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

// Named is Find for a text that a person typed: a name in any case, an ID or a UUID.
// Errors: ErrNotFound.
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

// Rows is the storage of a Service. Package store implements it. Unless stated
// otherwise, a change announces all accounts of the home.
type Rows interface {
	// User returns an account in its home: db.ErrNotFound if it is in none.
	User(ctx context.Context, q db.Querier, accountID int64) (User, error)
	// Resident returns what responses say about an account and its home. The error is
	// db.ErrNotFound if there is no such account.
	Resident(ctx context.Context, q db.Querier, accountID int64) (Resident, error)
	// Users returns the users of a home, by role and in the order in which the accounts
	// were added.
	Users(ctx context.Context, q db.Querier, ownerID int64) ([]User, error)
	// Size returns the number of users.
	Size(ctx context.Context, q db.Querier, ownerID int64) (int, error)
	// Insert adds an account to a home. The error is db.ErrConflict if it is in one
	// already.
	Insert(ctx context.Context, tx *db.Tx, u User) error
	// Update replaces the role, the PIN, its tries and the restriction. The error is
	// db.ErrNotFound if the account is in no home.
	Update(ctx context.Context, tx *db.Tx, u User) error
	// SetTries replaces the tries. It announces nothing. The error is db.ErrNotFound if
	// the account is in no home.
	SetTries(ctx context.Context, tx *db.Tx, u User) error
	// Delete removes an account from its home. The error is db.ErrNotFound if it is in
	// none.
	Delete(ctx context.Context, tx *db.Tx, accountID int64) error
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Accounts manages the accounts, and Tokens issues the tokens of switches.
	// Required.
	Accounts *account.Service
	Tokens   *token.Service
	// Audit is the audit log. Required.
	Audit *audit.Log
	// FailedTries is the number of wrong PINs for a user after which each further
	// attempt must wait. If zero, there is no limit.
	FailedTries int
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service manages homes. It is safe for concurrent use.
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

// Of returns the home of an account. Errors: account.ErrNotFound.
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

// Facts is what clients can read about an account's home.
type Facts struct {
	Home       bool // the account is in a home
	Admin      bool // as its owner or an admin
	Size       int  // of the home; 1 without one
	Restricted bool // a managed user or the guest
	Guest      bool
	Protected  bool // has a PIN
}

// Facts returns what clients can read about an account's home.
func (s *Service) Facts(ctx context.Context, a account.Account) (Facts, error) {
	_, facts, err := s.ProfileAndFacts(ctx, a.ID)
	if errors.Is(err, account.ErrNotFound) { // it has been removed since
		return Resident{Profile: a.Profile()}.facts(), nil
	}
	return facts, err
}

// ProfileAndFacts returns what clients can read about an account and about its home.
// Errors: account.ErrNotFound.
func (s *Service) ProfileAndFacts(ctx context.Context, id int64) (account.Profile, Facts, error) {
	var r Resident
	err := s.db.Ask(ctx, func(ctx context.Context) (err error) {
		r, err = s.rows.Resident(ctx, s.db, id)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return account.Profile{}, Facts{}, fmt.Errorf("%w (%w)", account.ErrNotFound, err)
	}
	return r.Profile, r.facts(), named("reading a home", err)
}

// Resident is the part of an account and its home that responses contain. Token checks read it for
// each account that is not cached, so it has nothing else. If the account is in no home,
// Role and Size are 0.
type Resident struct {
	account.Profile
	Role      Role
	Protected bool // has a PIN; see [User.Protected]
	Size      int  // users of the home
}

func (r Resident) facts() Facts {
	if r.Role == 0 {
		return Facts{Size: 1, Restricted: r.Managed}
	}
	return Facts{
		Home: true, Admin: r.Role.admin(), Size: r.Size, Restricted: r.Managed, Guest: r.Role == Guest,
		Protected: r.Protected,
	}
}

// named wraps an error with what was being done, and replaces errors of the database
// with those of this package.
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
