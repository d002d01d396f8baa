package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/hashing"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/tries"
	"github.com/usher-auth/usher/internal/weak"
	"github.com/usher-auth/usher/plexauth"
)

// Topic is announced for every account that changes or is removed. The key is
// its ID. Its tokens may have gained or lost reach, or be revoked.
const Topic db.Topic = "account"

// Errors that callers distinguish.
var (
	// ErrExists reports that another account has the name or e-mail address.
	ErrExists = fault.New(fault.Exists, "an account with this name or e-mail exists already")
	// ErrNotFound reports that there is no such account.
	ErrNotFound = fault.New(fault.NotFound, "there is no such account")
	// ErrMembersOnly reports that the account is an admin, and the actor can change
	// members only.
	ErrMembersOnly = fault.New(fault.Denied,
		"the account is an admin, or would become one: this requires the scope admins:write as well")
	// ErrLastAdmin reports that the account is the only admin who can sign in.
	ErrLastAdmin = fault.New(fault.Conflict,
		"this is the last admin: make another account an admin first")
	// ErrManaged reports that the account is managed, and can never sign in.
	ErrManaged = fault.New(fault.Conflict, "this is a managed user of a home: it does not sign in")
)

// The fields of an account that an invalid error names (see fault.FieldOf).
const (
	Username = "username"
	Email    = "email"
	Password = "password"
)

// Account is a user account. IDs are below 2^31 as long as fewer
// than two billion accounts are added: clients read them as 32 bits.
type Account struct {
	ID   int64  // counts up from 1
	UUID string // 16 hexadecimal digits
	// Username and Email are in their original case. Email can be empty.
	Username string
	Email    string // can be empty
	// UsernameKey and EmailKey are the folded forms that logins are compared
	// with. EmailKey is empty when Email is.
	UsernameKey string
	EmailKey    string // empty when Email is
	// ConfirmedEmail is the e-mail address that an admin set or confirmed last. It
	// can differ from Email: see EmailConfirmed.
	ConfirmedEmail string
	// Title is the name that programs show.
	Title string
	// OwnerID is the account whose home a managed account belongs to; 0 for an
	// account of its own. See package home.
	OwnerID int64
	// PasswordHash is a PHC string; empty if the account has no password.
	PasswordHash plexauth.Secret
	Admin        bool // can administer this usher
	Disabled     bool // cannot sign in
	// TOTPSeed is sealed; nil without a second factor.
	TOTPSeed []byte
	// TOTPStep is the last time step whose code was used.
	TOTPStep int64
	// BackupCodes is how many backup codes are left. It is read only.
	BackupCodes int
	// Rules are how the account signs in, as an admin has set it.
	Rules
	// AdminSince is when the account became an admin. It is zero if it is not an admin, or
	// became one before this was stored.
	AdminSince time.Time
	// Revision counts the changes of the password, of the second factor and of the
	// rules. A proof of an earlier revision is invalid.
	Revision  int64
	CreatedAt time.Time // to the millisecond, UTC
}

// EmailConfirmed reports whether an admin set or confirmed the e-mail address. It
// is the address by which programs can identify users.
func (a Account) EmailConfirmed() bool { return a.Email != "" && a.ConfirmedEmail == a.Email }

// Managed reports whether the account cannot sign in: a managed user or the guest of a
// home. Its Username is its name in the home, and is not unique.
func (a Account) Managed() bool { return a.OwnerID != 0 }

// CanSignIn reports whether the account can sign in at all.
func (a Account) CanSignIn() bool { return !a.Disabled && !a.Managed() }

// HasSecondFactor reports whether signing in requires a verification code.
func (a Account) HasSecondFactor() bool { return a.TOTPSeed != nil }

// Profile is the part of an account that responses contain. It has no secrets.
type Profile struct {
	ID              int64
	UUID            string
	Username        string
	Title           string
	Email           string // can be empty
	EmailConfirmed  bool
	Managed         bool
	HasPassword     bool
	HasSecondFactor bool
	HasBackupCodes  bool
	CreatedAt       time.Time // to the millisecond, UTC
}

// Profile returns what responses say about the account.
func (a Account) Profile() Profile {
	return Profile{
		ID: a.ID, UUID: a.UUID, Username: a.Username, Title: a.Title, Email: a.Email,
		EmailConfirmed: a.EmailConfirmed(), Managed: a.Managed(), HasPassword: a.PasswordHash != "",
		HasSecondFactor: a.HasSecondFactor(), HasBackupCodes: a.BackupCodes > 0, CreatedAt: a.CreatedAt,
	}
}

// Counts is how many accounts there are.
type Counts struct{ Accounts, Admins, Disabled int }

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// Get returns an account by ID, and ByLogin by a folded name or e-mail address, or
	// db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, id int64) (Account, error)
	ByLogin(ctx context.Context, q db.Querier, key string) (Account, error)
	// ByUUID returns an account by UUID, or db.ErrNotFound.
	ByUUID(ctx context.Context, q db.Querier, uuid string) (Account, error)
	// FirstAdmin returns the admin with the lowest ID who is not disabled, or
	// db.ErrNotFound.
	FirstAdmin(ctx context.Context, q db.Querier) (Account, error)
	// List reads the accounts in the order in which they were added, and Sealed
	// those of them with a second factor.
	List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[Account], error)
	Sealed(ctx context.Context, q db.Querier, r paging.Request) (paging.List[Account], error)
	// Newest reads the accounts with the one that was added last first.
	Newest(ctx context.Context, q db.Querier, r paging.Request) (paging.List[Account], error)
	// Search reads the accounts whose folded name begins with a text, by that name, and
	// then the others whose e-mail address begins with another, by that. An empty address
	// finds none.
	Search(ctx context.Context, q db.Querier, name, email string, r paging.Request) (paging.List[Account], error)
	// Any reports whether there is an account.
	Any(ctx context.Context, q db.Querier) (bool, error)
	// Count counts the accounts, as far as paging.Counted.
	Count(ctx context.Context, q db.Querier) (Counts, error)
	// Taken reports whether another account than id has a folded name or e-mail
	// address.
	Taken(ctx context.Context, q db.Querier, id int64, key string) (bool, error)
	// Alike reports whether another account than id has a skeleton.
	Alike(ctx context.Context, q db.Querier, id int64, skeleton string) (bool, error)
	// SetSkeletons replaces the skeletons of an account's names, computed by a version of
	// the rules.
	SetSkeletons(ctx context.Context, tx *db.Tx, id int64, version int, skeletons []string) error
	// OldSkeletons returns accounts whose skeletons are of an earlier version, or
	// were never computed, at most limit.
	OldSkeletons(ctx context.Context, q db.Querier, version, limit int) ([]Account, error)
	// HasOtherAdmin reports whether another account than id is an admin who is
	// not disabled.
	HasOtherAdmin(ctx context.Context, q db.Querier, id int64) (bool, error)
	// Insert adds an account and returns its ID.
	Insert(ctx context.Context, tx *db.Tx, a Account) (id int64, err error)
	// Update replaces everything of an account but its ID, UUID, backup codes
	// and time of creation.
	Update(ctx context.Context, tx *db.Tx, a Account) error
	// Managed returns the accounts that an account's home manages.
	Managed(ctx context.Context, q db.Querier, ownerID int64) ([]Account, error)
	// Delete removes an account with its devices, tokens, sessions, passkeys and
	// shares, the accounts that its home manages, and the tokens of others that its
	// tokens led to. The servers that it owned then belong to the admins.
	Delete(ctx context.Context, tx *db.Tx, id int64) error
	// RevokeSwitched revokes the tokens of other accounts that descend from an account's
	// tokens, and returns their number.
	RevokeSwitched(ctx context.Context, tx *db.Tx, id int64) (int, error)
	// RevokeAdminKeys removes the keys of the admin API that an account created, and
	// returns their number.
	RevokeAdminKeys(ctx context.Context, tx *db.Tx, id int64) (int, error)
	// SetBackupCodes replaces an account's backup codes.
	SetBackupCodes(ctx context.Context, tx *db.Tx, id int64, codes []signin.Hash) error
	// OptOuts returns an account's choices about online media, and SetOptOut stores
	// one choice.
	OptOuts(ctx context.Context, q db.Querier, id int64) ([]OptOut, error)
	SetOptOut(ctx context.Context, tx *db.Tx, id int64, o OptOut) error
	CodeRows
	EnrolmentRows
	ResetRows
	RuleRows
}

// Devices looks up the devices that have signed in. Package device implements it.
type Devices interface {
	// Known returns the device of an account with a client identifier, and the
	// address that it last signed in from. The ID is 0 if there is no such device.
	Known(ctx context.Context, accountID int64, clientIdentifier string) (id int64, address string, err error)
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its tables. Required.
	DB   *db.DB
	Rows Rows
	// Tries is the table of failed tries, which all nodes of a database count
	// together. If nil, each process counts its own.
	Tries tries.Rows
	// Audit is the audit log. Required.
	Audit *audit.Log
	// Key seals TOTP seeds. Required.
	Key *seal.Key
	// Proofs spends the proofs for changes of the second factor. Required
	// for those.
	Proofs *signin.Spender
	// Devices are those that have signed in before. If nil, none is known.
	Devices Devices
	// Hashing admits password checks. If nil, there is no limit.
	Hashing *guard.Admission
	// Outbox gets the e-mails with reset links. If nil, none is sent.
	Outbox mail.Queue
	// FailedTries is how many sign-ins to one account from one address can
	// fail in a row before each further one must wait a minute. The other limits
	// are multiples of it. If zero, there is no limit.
	FailedTries int
	// MembersSetEmail lets members change their own e-mail address, which
	// is then not confirmed. Admins always can.
	MembersSetEmail bool
	// SignUp lets users sign up.
	SignUp bool
	// Argon2id computes hashes. If nil, it is hashing.Here.
	Argon2id func(hashing.Input) []byte
	// Cost is the cost of new password hashes. Zero: DefaultCost.
	Cost Cost
	// Random is the source of the bits of accounts and backup codes. Nil:
	// crypto/rand.Reader. Anything else makes them predictable, and is for tests.
	Random io.Reader
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service manages accounts. It is safe for concurrent use.
type Service struct {
	db      *db.DB
	rows    Rows
	audit   *audit.Log
	key     *seal.Key
	proofs  *signin.Spender
	devices Devices
	marks   [32]byte // authenticates the marks of browsers
	pins    [32]byte // keys the PINs of homes
	hashing *guard.Admission
	outbox  mail.Queue // nil: no e-mail is sent
	hasher  hasher
	now     func() time.Time
	random  io.Reader

	membersSetEmail, signUp bool

	logins, addresses *guard.Failures // wrong passwords
	everywhere        *tries.Failures // logins on all nodes; nil: there is one node
	signIns           *guard.Failures // right ones
	signUps           *tries.Failures // by network
	wrongCodes        int             // in a row, before the lock; 0: no limit
	resets            *guard.Failures // reset links that do not exist
	askers            *guard.Failures // requests for reset links by e-mail
	resetMails        *tries.Failures // reset links by e-mail to an account
}

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{
		db: cfg.DB, rows: cfg.Rows, audit: cfg.Audit, key: cfg.Key, proofs: cfg.Proofs, devices: cfg.Devices,
		marks: cfg.Key.Derive("known browsers"), pins: cfg.Key.Derive("home pins"), hashing: cfg.Hashing,
		outbox: cfg.Outbox,
		hasher: hasher{cfg.Cost, cfg.Argon2id}, now: cfg.Now, random: cfg.Random, wrongCodes: cfg.FailedTries,
		membersSetEmail: cfg.MembersSetEmail, signUp: cfg.SignUp,
	}
	if s.hasher.cost == (Cost{}) {
		s.hasher.cost = DefaultCost
	}
	if s.hasher.argon2id == nil {
		s.hasher.argon2id = hashing.Here
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	// One address can fail ten times as often: a household behind one
	// router has several users.
	s.logins = &guard.Failures{Burst: cfg.FailedTries, Refill: time.Minute}
	if cfg.Tries != nil && cfg.DB.Shared() {
		s.everywhere = tries.New(tries.Config{
			DB: cfg.DB, Rows: cfg.Tries, Key: cfg.Key, Name: "sign-in", Burst: cfg.FailedTries, Refill: time.Minute,
		})
	}
	s.signUps = tries.New(tries.Config{
		DB: cfg.DB, Rows: cfg.Tries, Key: cfg.Key, Name: "sign-up", Burst: cfg.FailedTries, Refill: signUpRefill,
	})
	s.addresses = &guard.Failures{Burst: 10 * cfg.FailedTries, Refill: time.Minute / 10}
	s.askers = &guard.Failures{Burst: cfg.FailedTries, Refill: time.Minute}
	// The limits of an account are those of its inbox.
	mails := 0
	if cfg.FailedTries > 0 {
		mails = MaxMailedResets
	}
	s.resetMails = tries.New(tries.Config{
		DB: cfg.DB, Rows: cfg.Tries, Key: cfg.Key, Name: "reset by e-mail", Burst: mails, Refill: mailedResetsEvery,
	})
	s.resets = &guard.Failures{Burst: cfg.FailedTries, Refill: time.Minute}
	// This limits floods, and must not limit test suites, which sign in often.
	s.signIns = &guard.Failures{Burst: 10 * cfg.FailedTries, Refill: time.Second}
	return s
}

// Get returns an account by ID. Errors: ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Account, error) {
	a, err := s.rows.Get(ctx, s.db, id)
	return a, named("finding an account", err)
}

// Active returns an account, in a transaction, if it is not disabled. Errors:
// ErrNotFound.
func (s *Service) Active(ctx context.Context, q db.Querier, id int64) (Account, error) {
	a, err := s.rows.Get(ctx, q, id)
	if err == nil && a.Disabled {
		err = ErrNotFound
	}
	return a, named("finding an account", err)
}

// GetIn is Get in a transaction. Errors: ErrNotFound.
func (s *Service) GetIn(ctx context.Context, q db.Querier, id int64) (Account, error) {
	a, err := s.rows.Get(ctx, q, id)
	return a, named("finding an account", err)
}

// FindIn is Find in a transaction. It also returns the normalized login. Errors:
// ErrNotFound.
func (s *Service) FindIn(ctx context.Context, q db.Querier, login string) (a Account, key string, err error) {
	key = loginKey(login)
	a, err = s.rows.ByLogin(ctx, q, key)
	return a, key, named("finding an account", err)
}

// Find returns an account by username or e-mail address, in any case. Errors:
// ErrNotFound.
func (s *Service) Find(ctx context.Context, login string) (Account, error) {
	a, err := s.rows.ByLogin(ctx, s.db, loginKey(login))
	return a, named("finding an account", err)
}

// ByUUID returns an account by UUID. Errors: ErrNotFound.
func (s *Service) ByUUID(ctx context.Context, uuid string) (Account, error) {
	a, err := s.rows.ByUUID(ctx, s.db, uuid)
	return a, named("finding an account", err)
}

// FirstAdmin returns the oldest admin account that is not disabled: the owner of this
// server, for clients that expect one owner. Errors: ErrNotFound.
func (s *Service) FirstAdmin(ctx context.Context) (Account, error) {
	a, err := s.rows.FirstAdmin(ctx, s.db)
	return a, named("finding an admin", err)
}

// List reads the accounts in the order in which they were added.
func (s *Service) List(ctx context.Context, r paging.Request) (paging.List[Account], error) {
	list, err := s.rows.List(ctx, s.db, r)
	return list, named("listing accounts", err)
}

// Newest reads the accounts with the one that was added last first.
func (s *Service) Newest(ctx context.Context, r paging.Request) (paging.List[Account], error) {
	list, err := s.rows.Newest(ctx, s.db, r)
	return list, named("listing accounts", err)
}

// Search reads the accounts whose username begins with a text, in any case, by username,
// and then the others whose e-mail address does, by that.
func (s *Service) Search(ctx context.Context, prefix string, r paging.Request) (paging.List[Account], error) {
	email := strings.ToLower(strings.TrimSpace(prefix))
	list, err := s.rows.Search(ctx, s.db, loginKey(prefix), email, r)
	return list, named("searching accounts", err)
}

// Any reports whether there is an account.
func (s *Service) Any(ctx context.Context) (bool, error) {
	exists, err := s.rows.Any(ctx, s.db)
	return exists, named("looking for an account", err)
}

// Count counts the accounts, as far as paging.Counted.
func (s *Service) Count(ctx context.Context) (Counts, error) {
	c, err := s.rows.Count(ctx, s.db)
	return c, named("counting accounts", err)
}

// NewAccount describes an account to add.
type NewAccount struct {
	Username string // required
	// Email can be empty.
	Email string
	// Password can be empty if Managed or Passwordless is set.
	Password plexauth.Secret
	Admin    bool // can administer this usher
	// Managed means that the account has no password, and cannot sign in.
	Managed bool
	// Passwordless means that the account has no password, because it signs in with a
	// passkey that is added with it (AddWith).
	Passwordless bool
	// UUID is the UUID of the account. If empty, one is generated.
	UUID string
}

// takesPassword reports whether the account has a password.
func (n NewAccount) takesPassword() bool { return !n.Managed && !n.Passwordless }

// Check validates the form of each field, without looking at other accounts. The error
// lists every invalid field. Errors: fault.Invalid.
func (n NewAccount) Check() error {
	_, err := newNames(n.Username, n.Email)
	if n.takesPassword() {
		err = fault.Join(err, CheckPassword(n.Password))
	}
	return err
}

// Add adds an account. Errors: fault.Invalid, ErrExists.
func (s *Service) Add(ctx context.Context, by audit.Actor, n NewAccount) (Account, error) {
	a, err := s.prepare(ctx, by, n)
	if err != nil {
		return Account{}, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.insert(ctx, tx, by, &a, "") })
	return a, named("adding account "+n.Username, err)
}

// AddFirst is Add if there is no account yet, however many processes try at
// once; ErrExists otherwise. It also returns the proof that the caller, who has
// just chosen the password, is that account.
func (s *Service) AddFirst(ctx context.Context, by audit.Actor, n NewAccount) (Verified, error) {
	none := func(ctx context.Context, tx *db.Tx) error {
		exists, err := s.rows.Any(ctx, tx)
		if err == nil && exists {
			err = ErrExists
		}
		return err
	}
	return s.AddWith(ctx, by, n, none, func(context.Context, *db.Tx, Account) error { return nil })
}

// AddWith is Add in a transaction with the writes of before and after: all of them or
// nothing. It also returns the proof that the caller, who has just chosen the credentials,
// is that account.
func (s *Service) AddWith(
	ctx context.Context, by audit.Actor, n NewAccount,
	before func(context.Context, *db.Tx) error, after func(context.Context, *db.Tx, Account) error,
) (Verified, error) {
	prepared, err := s.prepare(ctx, by, n)
	if err != nil {
		return Verified{}, err
	}
	var a Account
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := before(ctx, tx); err != nil {
			return err
		}
		a = prepared
		if err := s.insert(ctx, tx, by, &a, ""); err != nil {
			return err
		}
		return after(ctx, tx, a)
	})
	if err != nil {
		return Verified{}, named("adding account "+n.Username, err)
	}
	return s.verified(a, signin.Claim{}), nil
}

// prepare validates a new account, and hashes its password.
func (s *Service) prepare(ctx context.Context, by audit.Actor, n NewAccount) (Account, error) {
	if err := n.Check(); err != nil {
		return Account{}, err
	}
	a, err := newNames(n.Username, n.Email)
	if err != nil {
		return Account{}, err
	}
	if n.takesPassword() {
		if a.PasswordHash, err = s.hash(ctx, by, n.Password); err != nil {
			return Account{}, err
		}
	}
	if a.UUID, a.Admin = n.UUID, n.Admin; a.UUID == "" {
		a.UUID = s.NewUUID()
	}
	return a, nil
}

// insert adds an account, in a transaction, and fills in its ID and CreatedAt. detail
// is the origin of the account in the audit log, unless an admin adds it.
func (s *Service) insert(ctx context.Context, tx *db.Tx, by audit.Actor, a *Account, detail string) error {
	err := s.checkNames(ctx, tx, *a)
	if err != nil {
		return err
	}
	if a.CreatedAt = tx.Now(); a.Admin {
		a.AdminSince = a.CreatedAt
	}
	if a.ID, err = s.rows.Insert(ctx, tx, *a); err != nil {
		return err
	}
	if err := s.storeSkeletons(ctx, tx, *a); err != nil {
		return err
	}
	e := audit.Event{Kind: audit.AccountAdded, AccountID: a.ID, Account: a.Username, Detail: detail}
	if a.Admin {
		e.Detail = "admin"
	}
	return s.audit.Record(ctx, tx, by, e)
}

// SetPassword replaces an account's password. Its tokens stay valid. Proofs of the old
// password, and sessions that still wait for the second factor, are invalid. Errors:
// fault.Invalid, ErrNotFound.
func (s *Service) SetPassword(ctx context.Context, by audit.Actor, id int64, password plexauth.Secret) error {
	hash, err := s.hash(ctx, by, password)
	if err != nil {
		return err
	}
	return s.change(ctx, by, id, audit.PasswordChanged, func(_ context.Context, _ *db.Tx, a *Account) (bool, error) {
		a.PasswordHash = hash
		a.Revision++
		return true, nil
	})
}

// Disable prevents an account, and the accounts that its home manages, from signing in,
// and their tokens from working. The tokens themselves stay, but descendants that
// belong to other accounts are revoked. A disabled account is not changed. Errors:
// ErrLastAdmin, ErrNotFound.
func (s *Service) Disable(ctx context.Context, by audit.Actor, id int64) error {
	return s.setDisabled(ctx, by, id, audit.AccountDisabled, true)
}

// Enable undoes Disable. Errors: ErrNotFound.
func (s *Service) Enable(ctx context.Context, by audit.Actor, id int64) error {
	return s.setDisabled(ctx, by, id, audit.AccountEnabled, false)
}

func (s *Service) setDisabled(
	ctx context.Context, by audit.Actor, id int64, kind audit.Kind, disabled bool,
) error {
	return s.change(ctx, by, id, kind, func(ctx context.Context, tx *db.Tx, a *Account) (bool, error) {
		if a.Disabled == disabled {
			return false, nil
		}
		if disabled {
			if err := s.checkLastAdmin(ctx, tx, *a); err != nil {
				return false, err
			}
			if _, err := s.rows.RevokeSwitched(ctx, tx, id); err != nil {
				return false, err
			}
		}
		a.Disabled = disabled
		return true, nil
	})
}

// Promote makes an account an admin. An admin is not changed. Errors: ErrNotFound.
func (s *Service) Promote(ctx context.Context, by audit.Actor, id int64) error {
	return s.change(ctx, by, id, audit.AccountPromoted, func(_ context.Context, tx *db.Tx, a *Account) (bool, error) {
		if a.Admin {
			return false, nil
		}
		a.Admin, a.AdminSince = true, tx.Now()
		return true, nil
	})
}

// Reach looks up the servers that accounts can reach. Package source implements it.
type Reach interface {
	// RevokeUnreached revokes an account's tokens for servers that it does not
	// reach any more, in the transaction that changed the account. It returns how
	// many there were.
	RevokeUnreached(ctx context.Context, tx *db.Tx, a Account) (int, error)
}

// Demote makes an admin a member, and revokes the tokens for servers that it reached as
// an admin only and the keys of the admin API that it created. A member is not changed.
// Errors: ErrLastAdmin, ErrNotFound.
func (s *Service) Demote(ctx context.Context, by audit.Actor, id int64, reach Reach) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.rows.Get(ctx, tx, id)
		if err != nil || !a.Admin {
			return err
		}
		if err := CheckMayChange(by, a); err != nil {
			return err
		}
		if err := s.checkLastAdmin(ctx, tx, a); err != nil {
			return err
		}
		a.Admin, a.AdminSince = false, time.Time{}
		if err := s.rows.Update(ctx, tx, a); err != nil {
			return err
		}
		revoked, err := reach.RevokeUnreached(ctx, tx, a)
		if err != nil {
			return err
		}
		keys, err := s.rows.RevokeAdminKeys(ctx, tx, id)
		if err != nil {
			return err
		}
		e := audit.Event{Kind: audit.AccountDemoted, AccountID: id, Account: a.Username}
		if revoked > 0 {
			e.Detail = fmt.Sprintf("tokens for servers: %d", revoked)
		}
		if keys > 0 {
			e.Detail = strings.TrimPrefix(fmt.Sprintf("%s, keys of the admin API: %d", e.Detail, keys), ", ")
		}
		return s.audit.Record(ctx, tx, by, e)
	})
	return named("demoting an account", err)
}

// change applies a change to an account, in a transaction, unless change
// reports that there is nothing to do.
func (s *Service) change(
	ctx context.Context, by audit.Actor, id int64, kind audit.Kind,
	change func(context.Context, *db.Tx, *Account) (bool, error),
) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.changeIn(ctx, tx, by, id, audit.Event{Kind: kind}, change)
	})
	return named("changing an account", err)
}

// changeIn is change in an open transaction, with the event to record.
func (s *Service) changeIn(
	ctx context.Context, tx *db.Tx, by audit.Actor, id int64, e audit.Event,
	change func(context.Context, *db.Tx, *Account) (bool, error),
) error {
	a, err := s.rows.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := CheckMayChange(by, a); err != nil {
		return err
	}
	if a.Managed() && e.Kind != audit.AccountDisabled && e.Kind != audit.AccountEnabled {
		return ErrManaged
	}
	e.AccountID, e.Account = id, a.Username // by its old name
	before := a
	if changed, err := change(ctx, tx, &a); err != nil || !changed {
		return err
	}
	switch e.Kind {
	case audit.AccountChanged:
		e.Detail = whatChanged(before, a)
	case audit.RulesChanged:
		e.Detail = a.Rules.String()
	}
	if before.EmailConfirmed() && before.Email != a.Email {
		e.FormerEmail = before.Email
	}
	if err := s.rows.Update(ctx, tx, a); err != nil {
		return err
	}
	return s.audit.Record(ctx, tx, by, e)
}

// Remove removes an account with its devices, tokens and shares, and the accounts that
// its home manages. The servers that it owned belong to the admins then. Errors:
// ErrLastAdmin, ErrNotFound.
func (s *Service) Remove(ctx context.Context, by audit.Actor, id int64) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.rows.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := CheckMayChange(by, a); err != nil {
			return err
		}
		if err := s.checkLastAdmin(ctx, tx, a); err != nil {
			return err
		}
		managed, err := s.rows.Managed(ctx, tx, id)
		if err != nil {
			return err
		}
		keys, err := s.rows.RevokeAdminKeys(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, removed := range append(managed, a) {
			e := audit.Event{Kind: audit.AccountRemoved, AccountID: removed.ID, Account: removed.Username}
			if removed.ID == id && keys > 0 {
				e.Detail = fmt.Sprintf("keys of the admin API: %d", keys)
			}
			if err := s.audit.Record(ctx, tx, by, e); err != nil {
				return err
			}
		}
		return s.rows.Delete(ctx, tx, id)
	})
	return named("removing an account", err)
}

// CheckMayChange returns an error unless an actor can change an account in its current
// state. It is called in the transaction that changes it: an account that was a member
// when the request arrived can be an admin by then. Errors: ErrMembersOnly.
func CheckMayChange(by audit.Actor, a Account) error {
	if a.Admin && by.MembersOnly {
		return ErrMembersOnly
	}
	return nil
}

// CheckMayChangeID is CheckMayChange for the account with an ID, in an open
// transaction. It is for changes to an account's objects, such as a token. It returns nil if
// there is no such account.
func (s *Service) CheckMayChangeID(ctx context.Context, tx *db.Tx, by audit.Actor, id int64) error {
	if !by.MembersOnly {
		return nil
	}
	a, err := s.rows.Get(ctx, tx, id)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return named("finding out whether an account is an admin", err)
	}
	return CheckMayChange(by, a)
}

// checkLastAdmin returns ErrLastAdmin if an account is the only admin who can
// sign in. It is called in the transaction that removes the account: if two
// admins remove each other at the same time, one stays.
func (s *Service) checkLastAdmin(ctx context.Context, tx *db.Tx, a Account) error {
	if !a.Admin || a.Disabled {
		return nil
	}
	other, err := s.rows.HasOtherAdmin(ctx, tx, a.ID)
	if err == nil && !other {
		err = ErrLastAdmin
	}
	return err
}

// MinPassword is the minimum length of a password, in characters (NIST SP 800-63B,
// section 5.1.1.1).
const MinPassword = 8

// maxPassword is the maximum length of a password, in bytes. It limits the work of
// normalising one.
const maxPassword = 1024

// CheckPassword checks a new password. Errors: fault.Invalid.
func CheckPassword(password plexauth.Secret) error {
	if n := utf8.RuneCountInString(string(password)); n < MinPassword {
		return fault.Invalidf(Password, "the password has %d characters, it must have at least %d", n, MinPassword)
	}
	if len(password) > maxPassword {
		return fault.Invalidf(Password, "the password is longer than %d bytes", maxPassword)
	}
	if _, err := precis.OpaqueString.String(string(password)); err != nil {
		return fault.Invalidf(Password, "the password has a character that cannot be typed, such as a line break")
	}
	if weak.Common(string(password)) {
		return fault.Invalidf(Password, "the password is one of the commonest, which are tried first: choose another")
	}
	return nil
}

// hash validates a new password and hashes it, after waiting for a turn.
func (s *Service) hash(ctx context.Context, by audit.Actor, password plexauth.Secret) (plexauth.Secret, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	leave, err := s.enter(ctx, guard.Claim{Network: guard.Network(by.Address), Account: "a new password"})
	if err != nil {
		return "", err
	}
	defer leave()
	return s.hasher.hash(password), nil
}

// enter waits for a turn to hash.
func (s *Service) enter(ctx context.Context, c guard.Claim) (leave func(), err error) {
	if s.hashing == nil {
		return func() {}, nil
	}
	return s.hashing.Enter(ctx, c)
}

// named adds what was being done to an error, and translates the database's errors to this
// package's.
func named(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case fault.KindOf(err) == fault.Invalid:
		return err // its text is complete, and it has the field
	case errors.Is(err, db.ErrConflict):
		return fmt.Errorf("%w (%w)", ErrExists, err)
	case errors.Is(err, db.ErrNotFound):
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
