package passkey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/glyph"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/signin"
)

// Errors of the ceremonies.
var (
	// ErrChallenge reports that there is no challenge for the browser: it did not
	// request one, has answered it already, or took too long.
	ErrChallenge = fault.New(fault.Unauthenticated, "that took too long, or was done before: try once more")
	// ErrRejected reports that the response was rejected: the passkey is unknown or
	// belongs to another account, the account is disabled, or the signature is invalid.
	ErrRejected = fault.New(fault.Unauthenticated, "this passkey was not accepted")
	// ErrCloned reports that the passkey's signature counter went back.
	ErrCloned = fault.New(fault.Unauthenticated,
		"this passkey was not accepted, because a copy of it may exist: sign in another way and remove it")
	// ErrNoPasskey reports that the account has no passkey for this site.
	ErrNoPasskey = fault.New(fault.Conflict, "your account has no passkey for this address")
	// ErrExists reports that the passkey was already added.
	ErrExists = fault.New(fault.Exists, "this passkey was added already")
	// ErrFull reports that the account has the maximum number of passkeys.
	ErrFull = fault.New(fault.Conflict, "your account has the maximum number of passkeys: remove one first")
	// ErrLast reports that the account signs in with this passkey only.
	ErrLast = fault.New(fault.Conflict, "this is the only way to sign in to the account: add another passkey first, or have an admin allow a password")
	// ErrNotFound reports that there is no such passkey.
	ErrNotFound = fault.New(fault.NotFound, "there is no such passkey")
	// ErrRateLimited reports that too many sign-ins were started. It contains the time
	// to wait.
	ErrRateLimited = fault.New(fault.Limited, "too many sign-ins by passkey from this address")
)

// Config has the dependencies and limits of a Service.
type Config struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Challenges is the table of challenges, for nodes that share a database. If nil,
	// challenges are stored in memory.
	Challenges ChallengeRows
	// Accounts manages the accounts of the passkeys. Required.
	Accounts *account.Service
	// Audit is the audit log. Required.
	Audit *audit.Log
	// PublicURL is the URL of the pages. Passkeys for another host cannot sign in. If
	// it is empty, the pages may be at any address.
	PublicURL string
	// Begins is the number of sign-ins that one address may begin in a row. After that,
	// it may begin one each second. If zero, there is no limit.
	Begins int
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// List returns an account's passkeys in the order in which they were added.
	List(ctx context.Context, q db.Querier, accountID int64) ([]Passkey, error)
	// ByCredential returns a passkey by the ID that its authenticator gave it, or
	// db.ErrNotFound.
	ByCredential(ctx context.Context, q db.Querier, credentialID []byte) (Passkey, error)
	// Insert adds a passkey and returns its ID: db.ErrConflict if the credential
	// is known.
	Insert(ctx context.Context, tx *db.Tx, p Passkey) (id int64, err error)
	// Delete removes a passkey of an account and returns its name, or db.ErrNotFound.
	Delete(ctx context.Context, tx *db.Tx, accountID, id int64) (name string, err error)
}

// Service manages passkeys. It is safe for concurrent use.
type Service struct {
	db       *db.DB
	rows     Rows
	accounts *account.Service
	audit    *audit.Log
	now      func() time.Time
	// publicURL is where the pages are; empty: anywhere.
	publicURL string
	begins    *guard.Failures
	adding    *challenges
	joining   *challenges
	alone     *challenges
	seconds   *challenges
	settings  webauthn.Config
}

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{
		db: cfg.DB, rows: cfg.Rows, accounts: cfg.Accounts, audit: cfg.Audit, now: cfg.Now, publicURL: cfg.PublicURL,
		begins: &guard.Failures{Burst: cfg.Begins, Refill: time.Second},
	}
	if s.now == nil {
		s.now = time.Now
	}
	var stored ChallengeRows
	if cfg.Challenges != nil && cfg.DB.Shared() {
		stored = cfg.Challenges
	}
	s.adding = &challenges{kind: "adding", db: cfg.DB, rows: stored}
	s.joining = &challenges{kind: "joining", db: cfg.DB, rows: stored}
	s.alone = &challenges{kind: "alone", db: cfg.DB, rows: stored}
	s.seconds = &challenges{kind: "second", db: cfg.DB, rows: stored}
	timeout := webauthn.TimeoutConfig{Timeout: challengeLife, TimeoutUVD: challengeLife}
	s.settings = webauthn.Config{
		RPDisplayName: "usher",
		// usher accepts authenticators of every manufacturer.
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		// Password managers return extensions that were not requested.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	}
	return s
}

// at configures the library for one site.
func (s *Service) at(party Party) (*webauthn.WebAuthn, error) {
	settings := s.settings
	settings.RPID, settings.RPOrigins = party.ID, party.Origins
	w, err := webauthn.New(&settings)
	if err != nil {
		return nil, fmt.Errorf("preparing passkeys for %q: %w", party.ID, err)
	}
	return w, nil
}

// Passkey is a key pair of which an account stored the public half.
type Passkey struct {
	ID        int64 // 0 before it is stored
	AccountID int64 // the account that it belongs to
	// CredentialID is the ID that its authenticator gave it.
	CredentialID []byte
	// Credential is the public key and the other data for verifying, as a record.
	Credential []byte
	// Party is the ID of the site that it is for. Only List sets it.
	Party string
	// Name is the display name.
	Name      string
	CreatedAt time.Time // to the millisecond, UTC
	// LastUsedAt is zero until the first use.
	LastUsedAt time.Time
}

func (p Passkey) describe() string { return fmt.Sprintf("passkey %d, %s", p.ID, p.Name) }

// record is the stored form of a Credential.
type record struct {
	// Party is the ID of the site that it is for.
	Party string              `json:"rpId"`
	Key   webauthn.Credential `json:"credential"`
}

// newRecord encodes a record, without the attestation, which was not requested.
func newRecord(party Party, key webauthn.Credential) ([]byte, error) {
	key.Attestation = webauthn.CredentialAttestation{}
	return json.Marshal(record{party.ID, key})
}

func readRecord(p Passkey) (r record, err error) {
	if err = json.Unmarshal(p.Credential, &r); err != nil {
		err = fmt.Errorf("reading passkey %d: %w", p.ID, err)
	}
	return r, err
}

// user is an account with its passkeys for one site, as the library needs it.
type user struct {
	account  account.Account
	passkeys []Passkey
	keys     []webauthn.Credential
}

// WebAuthnID implements webauthn.User. Authenticators keep it, so it says
// nothing about the person.
func (u *user) WebAuthnID() []byte { return []byte(u.account.UUID) }

// WebAuthnName implements webauthn.User.
func (u *user) WebAuthnName() string { return u.account.Username }

// WebAuthnDisplayName implements webauthn.User.
func (u *user) WebAuthnDisplayName() string { return u.account.Username }

// WebAuthnCredentials implements webauthn.User.
func (u *user) WebAuthnCredentials() []webauthn.Credential { return u.keys }

func (s *Service) user(ctx context.Context, party Party, a account.Account) (*user, error) {
	list, err := s.rows.List(ctx, s.db, a.ID)
	if err != nil {
		return nil, fmt.Errorf("listing passkeys: %w", err)
	}
	u := &user{account: a}
	for _, p := range list {
		r, err := readRecord(p)
		if err != nil {
			return nil, err
		}
		if r.Party == party.ID {
			u.passkeys, u.keys = append(u.passkeys, p), append(u.keys, r.Key)
		}
	}
	return u, nil
}

// List returns an account's passkeys for all sites.
func (s *Service) List(ctx context.Context, accountID int64) ([]Passkey, error) {
	list, err := s.rows.List(ctx, s.db, accountID)
	if err != nil {
		return nil, fmt.Errorf("listing passkeys: %w", err)
	}
	for i := range list {
		r, err := readRecord(list[i])
		if err != nil {
			return nil, err
		}
		list[i].Party = r.Party
	}
	return list, nil
}

// Has reports whether an account has a passkey for a site.
func (s *Service) Has(ctx context.Context, party Party, accountID int64) (bool, error) {
	u, err := s.user(ctx, party, account.Account{ID: accountID})
	return err == nil && len(u.keys) > 0, err
}

// CountOf counts the passkeys with which an account can sign in, in a transaction:
// those for the host of the pages. It implements account.Passkeys.
func (s *Service) CountOf(ctx context.Context, q db.Querier, accountID int64) (int, error) {
	n, _, err := s.count(ctx, q, accountID)
	return n, err
}

// count counts the passkeys with which an account can sign in, and all passkeys of the
// account.
func (s *Service) count(ctx context.Context, q db.Querier, accountID int64) (signIn, all int, err error) {
	list, err := s.rows.List(ctx, q, accountID)
	if err != nil {
		return 0, 0, fmt.Errorf("counting passkeys: %w", err)
	}
	for _, p := range list {
		works, err := s.signsIn(p)
		if err != nil {
			return 0, 0, err
		}
		if works {
			signIn++
		}
	}
	return signIn, len(list), nil
}

// signsIn reports whether a passkey can be used to sign in: it is for the host of the
// pages.
func (s *Service) signsIn(p Passkey) (bool, error) {
	if s.publicURL == "" {
		return true, nil
	}
	r, err := readRecord(p)
	at, ok := NewParty(s.publicURL, "", false)
	return err == nil && ok && r.Party == at.ID, err
}

// Remove removes a passkey of an account, but not the last one of an account that signs
// in with passkeys only, by its rules or because it has no password. Errors: ErrLast,
// ErrNotFound.
func (s *Service) Remove(ctx context.Context, by audit.Actor, accountID, id int64) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.accounts.GetIn(ctx, tx, accountID)
		if err == nil {
			err = account.CheckMayChange(by, a)
		}
		if err != nil {
			return err
		}
		before, err := s.CountOf(ctx, tx, accountID)
		if err != nil {
			return err
		}
		name, err := s.rows.Delete(ctx, tx, accountID, id)
		if err != nil {
			return err
		}
		// A passkey for another host can be removed, but not if it is the last one,
		// because the host may change back.
		n, all, err := s.count(ctx, tx, accountID)
		if err != nil || a.ByPasskeyOnly() && n == 0 && (before > 0 || all == 0) {
			return errors.Join(err, ErrLast)
		}
		return s.audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.PasskeyRemoved, AccountID: accountID, Detail: Passkey{ID: id, Name: name}.describe(),
		})
	})
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return err
}

// maxPasskeys is the maximum number of passkeys of an account.
const maxPasskeys = 25

// BeginAdd returns the argument of navigator.credentials.create, in JSON. The caller
// must have checked that the request is from the account's owner, and that only its
// session knows browser.
func (s *Service) BeginAdd(ctx context.Context, party Party, a account.Account, browser string) ([]byte, error) {
	lib, err := s.at(party)
	if err != nil {
		return nil, err
	}
	u, err := s.user(ctx, party, a)
	if err != nil {
		return nil, err
	}
	known := make([]protocol.CredentialDescriptor, len(u.keys))
	for i, key := range u.keys {
		known[i] = key.Descriptor()
	}
	options, session, err := lib.BeginRegistration(u, webauthn.WithExclusions(known))
	if err != nil {
		return nil, fmt.Errorf("beginning to add a passkey: %w", err)
	}
	return s.begin(ctx, s.adding, browser, a.ID, session, options)
}

// begin stores a challenge and returns what the browser needs.
func (s *Service) begin(
	ctx context.Context, c *challenges, browser string, accountID int64, session *webauthn.SessionData, options any,
) ([]byte, error) {
	now := s.now()
	if err := c.put(ctx, browser, ceremony{accountID, *session, now.Add(challengeLife)}, now); err != nil {
		return nil, err
	}
	return json.Marshal(options)
}

// FinishAdd adds the passkey that a browser created. Errors: ErrChallenge, ErrRejected,
// ErrExists, ErrFull.
func (s *Service) FinishAdd(
	ctx context.Context, by audit.Actor, party Party, a account.Account, browser, name string, answer []byte,
) error {
	begun, err := s.adding.take(ctx, browser, s.now())
	if err != nil {
		return err
	}
	if begun.Account != a.ID {
		return ErrChallenge
	}
	lib, err := s.at(party)
	if err != nil {
		return err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	key, err := lib.CreateCredential(&user{account: a}, begun.Session, parsed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	credential, err := newRecord(party, *key)
	if err != nil {
		return err
	}
	return s.add(ctx, by, Passkey{
		AccountID: a.ID, CredentialID: key.ID, Credential: credential, Name: cleanName(name),
	})
}

// add stores a passkey. Errors: ErrExists, ErrFull.
func (s *Service) add(ctx context.Context, by audit.Actor, p Passkey) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.addIn(ctx, tx, by, p) })
}

func (s *Service) addIn(ctx context.Context, tx *db.Tx, by audit.Actor, p Passkey) error {
	have, err := s.rows.List(ctx, tx, p.AccountID)
	if err != nil {
		return err
	}
	if len(have) >= maxPasskeys {
		return ErrFull
	}
	p.CreatedAt = tx.Now()
	p.ID, err = s.rows.Insert(ctx, tx, p)
	if errors.Is(err, db.ErrConflict) {
		return ErrExists
	}
	if err != nil {
		return err
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.PasskeyAdded, AccountID: p.AccountID, Detail: p.describe(),
	})
}

// maxName is the maximum length of a passkey's name, in characters.
const maxName = 64

// cleanName makes a name short and printable.
func cleanName(name string) string {
	name = glyph.Visible(strings.Join(strings.Fields(strings.ToValidUTF8(name, "")), " "))
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name))
	if name = string(runes[:min(len(runes), maxName)]); name == "" {
		return "Passkey"
	}
	return name
}

// BeginSignIn returns the argument of navigator.credentials.get, for an unknown
// visitor. browser is a secret that only this browser has, and address is the address
// of the browser. Errors: ErrRateLimited.
func (s *Service) BeginSignIn(ctx context.Context, party Party, browser, address string) ([]byte, error) {
	if wait := s.begins.Take(guard.Network(address), s.now()); wait > 0 {
		return nil, fault.WithWait(ErrRateLimited, wait)
	}
	lib, err := s.at(party)
	if err != nil {
		return nil, err
	}
	options, session, err := lib.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, fmt.Errorf("beginning a sign-in by passkey: %w", err)
	}
	return s.begin(ctx, s.alone, browser, 0, session, options)
}

// FinishSignIn checks the response of a passkey that replaces password and second
// factor. Errors: ErrChallenge, ErrRejected, ErrCloned.
func (s *Service) FinishSignIn(
	ctx context.Context, by audit.Actor, party Party, browser string, answer []byte,
) (account.Verified, error) {
	begun, err := s.alone.take(ctx, browser, s.now())
	if err != nil {
		return account.Verified{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return account.Verified{}, s.failed(ctx, by, account.Account{}, unreadable, fmt.Errorf("%w: %w", ErrRejected, err))
	}
	found, err := s.rows.ByCredential(ctx, s.db, parsed.RawID)
	if errors.Is(err, db.ErrNotFound) {
		return account.Verified{}, s.failed(ctx, by, account.Account{}, unknown, ErrRejected)
	}
	if err != nil {
		return account.Verified{}, fmt.Errorf("finding a passkey: %w", err)
	}
	a, err := s.accounts.Get(ctx, found.AccountID)
	if err != nil {
		return account.Verified{}, err
	}
	return s.check(ctx, by, party, a, func(lib *webauthn.WebAuthn, u *user) (*webauthn.Credential, error) {
		whose := func([]byte, []byte) (webauthn.User, error) { return u, nil }
		_, key, err := lib.ValidatePasskeyLogin(whose, begun.Session, parsed)
		return key, err
	})
}

// BeginSecondFactor returns the argument of navigator.credentials.get, for an account
// whose password was correct. Only its session knows browser. Errors: ErrNoPasskey.
func (s *Service) BeginSecondFactor(
	ctx context.Context, party Party, accountID int64, browser string,
) ([]byte, error) {
	lib, err := s.at(party)
	if err != nil {
		return nil, err
	}
	a, err := s.accounts.Get(ctx, accountID)
	if err != nil {
		return nil, err
	}
	u, err := s.user(ctx, party, a)
	if err != nil {
		return nil, err
	}
	if len(u.keys) == 0 {
		return nil, ErrNoPasskey
	}
	// The password was the first factor, so possession of the passkey is enough.
	options, session, err := lib.BeginLogin(u, webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return nil, fmt.Errorf("beginning a second factor by passkey: %w", err)
	}
	return s.begin(ctx, s.seconds, browser, accountID, session, options)
}

// FinishSecondFactor checks the response of an account's passkey. revision is the
// revision of the account for which the password was checked: if the account has
// changed since, the error is ErrRejected. Errors: ErrChallenge, ErrRejected,
// ErrCloned.
func (s *Service) FinishSecondFactor(
	ctx context.Context, by audit.Actor, party Party, accountID, revision int64, browser string, answer []byte,
) (account.Verified, error) {
	begun, err := s.seconds.take(ctx, browser, s.now())
	if err != nil {
		return account.Verified{}, err
	}
	if begun.Account != accountID {
		return account.Verified{}, ErrChallenge
	}
	a, err := s.accounts.Get(ctx, accountID)
	if err != nil {
		return account.Verified{}, err
	}
	if a.Revision != revision {
		return account.Verified{}, s.failed(ctx, by, a, changed, ErrRejected)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return account.Verified{}, s.failed(ctx, by, a, unreadable, fmt.Errorf("%w: %w", ErrRejected, err))
	}
	return s.check(ctx, by, party, a, func(lib *webauthn.WebAuthn, u *user) (*webauthn.Credential, error) {
		return lib.ValidateLogin(u, begun.Session, parsed)
	})
}

// check verifies a response with an account's passkeys, and returns the proof.
func (s *Service) check(
	ctx context.Context, by audit.Actor, party Party, a account.Account,
	verify func(*webauthn.WebAuthn, *user) (*webauthn.Credential, error),
) (account.Verified, error) {
	if a.Disabled {
		return account.Verified{}, s.failed(ctx, by, a, disabled, ErrRejected)
	}
	lib, err := s.at(party)
	if err != nil {
		return account.Verified{}, err
	}
	u, err := s.user(ctx, party, a)
	if err != nil {
		return account.Verified{}, err
	}
	key, err := verify(lib, u)
	if err != nil {
		return account.Verified{}, s.failed(ctx, by, a, wrong, fmt.Errorf("%w: %w", ErrRejected, err))
	}
	if key.Authenticator.CloneWarning {
		return account.Verified{}, s.failed(ctx, by, a, copied, ErrCloned)
	}
	is, err := newRecord(party, *key)
	if err != nil {
		return account.Verified{}, err
	}
	for _, p := range u.passkeys {
		if bytes.Equal(p.CredentialID, key.ID) {
			return s.verified(a, signin.PasskeyUse{ID: p.ID, Was: p.Credential, Is: is}), nil
		}
	}
	return account.Verified{}, s.failed(ctx, by, a, unknown, ErrRejected)
}

// verified returns the proof that a passkey of an account was used.
func (s *Service) verified(a account.Account, use signin.PasskeyUse) account.Verified {
	proof := signin.NewProof(signin.Claim{
		AccountID: a.ID, Revision: a.Revision, Passkey: use,
		Void: func(ctx context.Context, by audit.Actor) error {
			return s.failed(ctx, by, a, changed, ErrRejected)
		},
	})
	return account.Verified{Proof: proof, Account: a, Complete: true}
}

// The reasons for rejecting a passkey, in the words of the audit log.
const (
	unreadable = "the passkey's answer could not be read"
	unknown    = "no such passkey"
	disabled   = "the account is disabled"
	wrong      = "wrong answer of a passkey"
	copied     = "the passkey's count of signatures went back: there may be a copy of it"
	changed    = "the account or the passkey changed meanwhile"
)

// failed records a failed sign-in with its reason, and returns err.
func (s *Service) failed(ctx context.Context, by audit.Actor, a account.Account, reason string, err error) error {
	e := audit.Event{Kind: audit.SignInRefused, AccountID: a.ID, Account: a.Username, Detail: reason}
	if recording := s.audit.RecordFailure(ctx, by, e); recording != nil {
		return recording
	}
	return err
}
