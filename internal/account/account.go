package account

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/hashing"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// Errors that callers tell apart. What else a method returns is a failure of
// the store or the context's end.
var (
	// ErrExists says that the name or e-mail is taken.
	ErrExists = fault.New(fault.Exists, "an account with this name or e-mail exists already")
	// ErrNotFound says that there is no such account.
	ErrNotFound = fault.New(fault.NotFound, "there is no such account")
	// ErrLastAdmin says that the account is the only admin who can sign in.
	ErrLastAdmin = fault.New(fault.Conflict,
		"this is the last admin: make another account an admin first")
)

// The fields of an account that an invalid error names (see fault.FieldOf).
const (
	Username = "username"
	Email    = "email"
	Password = "password"
)

// Config is what a Service stands on.
type Config struct {
	// Store holds the accounts. Required.
	Store *store.Store
	// Key seals TOTP seeds. Required.
	Key *seal.Key
	// Hashing admits password checks. Nil: no limit.
	Hashing *guard.Admission
	// FailedTries is how many sign-ins to one account from one address may
	// fail in a row before each further one must wait a minute. Zero: no limit.
	FailedTries int
	// Argon2id computes hashes. Nil: hashing.Here.
	Argon2id func(hashing.Input) []byte
	// Cost of new password hashes. Zero: DefaultCost.
	Cost Cost
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Service keeps accounts. It is safe for concurrent use.
type Service struct {
	store   *store.Store
	key     *seal.Key
	hashing *guard.Admission
	hasher  hasher
	now     func() time.Time

	logins, addresses, codes *guard.Failures
}

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{store: cfg.Store, key: cfg.Key, hashing: cfg.Hashing, hasher: hasher{cfg.Cost, cfg.Argon2id}, now: cfg.Now}
	if s.hasher.cost == (Cost{}) {
		s.hasher.cost = DefaultCost
	}
	if s.hasher.argon2id == nil {
		s.hasher.argon2id = hashing.Here
	}
	if s.now == nil {
		s.now = time.Now
	}
	// One address may fail for ten accounts' worth: a household behind one
	// router has several people in it.
	s.logins = &guard.Failures{Burst: cfg.FailedTries, Refill: time.Minute}
	s.codes = &guard.Failures{Burst: cfg.FailedTries, Refill: time.Minute}
	s.addresses = &guard.Failures{Burst: 10 * cfg.FailedTries, Refill: time.Minute / 10}
	return s
}

// New account: what it takes to make one.
type NewAccount struct {
	Username string
	// Email may be empty.
	Email    string
	Password plexauth.Secret
	Admin    bool
}

// MinPassword is the fewest characters a password may have (NIST SP 800-63B,
// section 5.1.1.1).
const MinPassword = 8

// maxPassword bounds the work of normalising one, in bytes.
const maxPassword = 1024

// Add creates an account. fault.Invalid, ErrExists.
func (s *Service) Add(ctx context.Context, n NewAccount) (store.Account, error) {
	return s.add(ctx, n, s.store.AddAccount)
}

// AddFirst is Add when there is no account yet; ErrExists when there is one.
func (s *Service) AddFirst(ctx context.Context, n NewAccount) (store.Account, error) {
	return s.add(ctx, n, s.store.AddFirstAccount)
}

func (s *Service) add(ctx context.Context, n NewAccount, insert func(context.Context, store.Account) (store.Account, error)) (store.Account, error) {
	key, err := usernameKey(n.Username)
	if err != nil {
		return store.Account{}, err
	}
	emailKey, err := emailKey(n.Email)
	if err != nil {
		return store.Account{}, err
	}
	hash, err := s.hash(ctx, n.Password)
	if err != nil {
		return store.Account{}, err
	}
	var uuid [8]byte
	_, _ = rand.Read(uuid[:]) // never fails
	a, err := insert(ctx, store.Account{
		UUID: hex.EncodeToString(uuid[:]), Username: n.Username, UsernameKey: key, Email: n.Email,
		EmailKey: emailKey, Title: n.Username, PasswordHash: hash, Admin: n.Admin,
	})
	return a, named(err)
}

// hash checks and hashes a new password, in its turn.
func (s *Service) hash(ctx context.Context, password plexauth.Secret) (string, error) {
	if n := utf8.RuneCountInString(string(password)); n < MinPassword {
		return "", fault.Invalidf(Password, "the password has %d characters, it must have at least %d", n, MinPassword)
	}
	if len(password) > maxPassword {
		return "", fault.Invalidf(Password, "the password is longer than %d bytes", maxPassword)
	}
	if _, err := precis.OpaqueString.String(string(password)); err != nil {
		return "", fault.Invalidf(Password, "the password has a character that cannot be typed, such as a line break")
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return s.hasher.hash(password), nil
}

func (s *Service) enter(ctx context.Context) (leave func(), err error) {
	if s.hashing == nil {
		return func() {}, nil
	}
	return s.hashing.Enter(ctx)
}

// maxName is the most characters a username may have.
const maxName = 64

// usernameKey checks a username and folds it for comparing (RFC 8265,
// UsernameCaseMapped). An @ would make it look like an e-mail address.
func usernameKey(name string) (string, error) {
	key, err := precis.UsernameCaseMapped.CompareKey(name)
	switch {
	case name == "":
		return "", fault.Invalidf(Username, "the username is empty")
	case utf8.RuneCountInString(name) > maxName:
		return "", fault.Invalidf(Username, "the username is longer than %d characters", maxName)
	case err != nil || strings.Contains(key, "@"): // folding makes one of U+FF20
		return "", fault.Invalidf(Username, "the username has a space, an @ or a character that is no letter, digit or sign")
	}
	return key, nil
}

// emailKey checks an e-mail address and folds it for comparing. Nothing is
// sent to it, so all it needs is the form.
func emailKey(email string) (string, error) {
	if email == "" {
		return "", nil
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > 254 || strings.ContainsFunc(email, unicode.IsSpace) {
		return "", fault.Invalidf(Email, "the e-mail address is not of the form name@example.org")
	}
	return strings.ToLower(email), nil
}

// loginKey folds what was given to sign in, a username or an e-mail. It has no
// errors: what cannot be folded matches nobody.
func loginKey(login string) string {
	login = strings.TrimSpace(login)
	if strings.Contains(login, "@") {
		return strings.ToLower(login)
	}
	if key, err := precis.UsernameCaseMapped.CompareKey(login); err == nil {
		return key
	}
	return strings.ToLower(login)
}

// Find finds an account by username or e-mail, in any case. ErrNotFound.
func (s *Service) Find(ctx context.Context, login string) (store.Account, error) {
	a, err := s.store.AccountByLogin(ctx, loginKey(login))
	return a, named(err)
}

// List lists every account.
func (s *Service) List(ctx context.Context) ([]store.Account, error) { return s.store.Accounts(ctx) }

// SetIdentity gives an account another name and e-mail address. fault.Invalid,
// ErrExists.
func (s *Service) SetIdentity(ctx context.Context, id int64, username, email string) error {
	key, err := usernameKey(username)
	if err != nil {
		return err
	}
	emailKey, err := emailKey(email)
	if err != nil {
		return err
	}
	return named(s.store.SetIdentity(ctx, store.Account{
		ID: id, Username: username, UsernameKey: key, Email: email, EmailKey: emailKey, Title: username,
	}))
}

// SetPassword replaces an account's password. Its tokens stay. fault.Invalid.
func (s *Service) SetPassword(ctx context.Context, id int64, password plexauth.Secret) error {
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	return named(s.store.SetPasswordHash(ctx, id, hash))
}

// SetDisabled keeps an account and its tokens from working, or lets them again.
// ErrLastAdmin.
func (s *Service) SetDisabled(ctx context.Context, id int64, disabled bool) error {
	return named(s.store.SetDisabled(ctx, id, disabled))
}

// Remove removes an account with all that is its own. ErrLastAdmin.
func (s *Service) Remove(ctx context.Context, id int64) error {
	return named(s.store.RemoveAccount(ctx, id))
}

// Enrolment is a second factor that is not in force yet.
type Enrolment struct {
	// Secret is the seed in base32, to be typed into an authenticator.
	Secret plexauth.Secret
	// URL is the same as an otpauth:// URL, to be shown as a QR code.
	URL plexauth.Secret
}

// NewEnrolment draws a seed for an account. issuer names this server in the
// authenticator's list.
func NewEnrolment(issuer, username string) Enrolment {
	return newEnrolment(issuer, username, newSeed())
}

func newEnrolment(issuer, username string, s seed) Enrolment {
	label := url.PathEscape(issuer) + ":" + url.PathEscape(username)
	query := url.Values{"secret": {string(s)}, "issuer": {issuer}}
	return Enrolment{s, plexauth.Secret("otpauth://totp/" + label + "?" + query.Encode())}
}

// ReadEnrolment is the enrolment of a seed that NewEnrolment drew and somebody
// gave back. fault.Invalid when it is malformed.
func ReadEnrolment(issuer, username string, secret plexauth.Secret) (Enrolment, error) {
	if raw, err := base32Text.DecodeString(string(secret)); err != nil || len(raw) != seedSize {
		return Enrolment{}, fault.Invalidf("", "the key is not one that was made here")
	}
	return newEnrolment(issuer, username, secret), nil
}

// Enrol puts a second factor in force, in place of any before it, and returns
// ten backup codes. The code that the authenticator shows confirms that it has
// the seed, and does not work again: ErrCode when it is not the right one. An
// empty code asks for no confirmation.
func (s *Service) Enrol(ctx context.Context, a store.Account, e Enrolment, code plexauth.Secret) ([]plexauth.Secret, error) {
	var step int64
	if code != "" {
		var err error
		if step, err = matchStep(e.Secret, code, s.now(), 0); err != nil {
			return nil, err
		}
		if step == 0 {
			return nil, ErrCode
		}
	}
	sealed, err := s.key.Seal(seedPurpose(a), []byte(e.Secret))
	if err != nil {
		return nil, fmt.Errorf("sealing the seed: %w", err)
	}
	codes := make([]plexauth.Secret, backupCodes)
	hashes := make([]store.Hash, backupCodes)
	for i := range codes {
		codes[i] = newBackupCode()
		hashes[i] = hashBackup(s.key, a.UUID, codes[i])
	}
	return codes, named(s.store.SetSecondFactor(ctx, a.ID, sealed, step, hashes))
}

// RemoveSecondFactor lets an account sign in with its password alone.
func (s *Service) RemoveSecondFactor(ctx context.Context, id int64) error {
	return named(s.store.SetSecondFactor(ctx, id, nil, 0, nil))
}

// LostSecondFactors lists the accounts whose second factor was sealed with
// another key: nobody signs in to them until they get another one, or none. It
// says as well how many accounts have a second factor at all.
func (s *Service) LostSecondFactors(ctx context.Context) (lost []store.Account, sealed int, err error) {
	list, err := s.List(ctx)
	for _, a := range list {
		if a.TOTPSeed == nil {
			continue
		}
		sealed++
		if _, err := s.key.Open(seedPurpose(a), a.TOTPSeed); err != nil {
			lost = append(lost, a)
		}
	}
	return lost, sealed, err
}

func seedPurpose(a store.Account) string { return "totp seed of " + a.UUID }

// named gives the store's errors this package's names.
func named(err error) error {
	switch {
	case errors.Is(err, store.ErrConflict):
		return fmt.Errorf("%w (%w)", ErrExists, err)
	case errors.Is(err, store.ErrLastAdmin):
		return fmt.Errorf("%w (%w)", ErrLastAdmin, err)
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return err
}
