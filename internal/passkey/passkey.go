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

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/store"
)

// Errors of the ceremonies.
var (
	// ErrChallenge says that there is no challenge for the browser: it did not
	// request one, has answered it already, or took too long.
	ErrChallenge = fault.New(fault.Unauthenticated, "that took too long, or was done before: try once more")
	// ErrRejected says that the answer proves nothing: the passkey is unknown or
	// another account's, the account is disabled, or the signature is not valid.
	ErrRejected = fault.New(fault.Unauthenticated, "this passkey was not accepted")
	// ErrCloned says that the passkey's signature counter went back.
	ErrCloned = fault.New(fault.Unauthenticated,
		"this passkey was not accepted, because a copy of it may exist: sign in another way and remove it")
	// ErrNoPasskey says that the account has no passkey for this site.
	ErrNoPasskey = fault.New(fault.Conflict, "your account has no passkey for this address")
	// ErrExists says that the passkey was added before.
	ErrExists = fault.New(fault.Exists, "this passkey was added already")
	// ErrFull says that the account has the maximum number of passkeys.
	ErrFull = fault.New(fault.Conflict, "your account has the maximum number of passkeys: remove one first")
	// ErrNotFound says that there is no such passkey.
	ErrNotFound = fault.New(fault.NotFound, "there is no such passkey")
	// ErrRateLimited says that too many sign-ins were started. It has a wait.
	ErrRateLimited = fault.New(fault.Limited, "too many sign-ins by passkey from this address")
)

// Config is what a Service stands on.
type Config struct {
	// Store holds the passkeys. Required.
	Store *store.Store
	// Begins is how many sign-ins one address may begin at once before each
	// further one must wait a second. Zero: no limit.
	Begins int
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Service keeps passkeys. It is safe for concurrent use.
type Service struct {
	store    *store.Store
	now      func() time.Time
	begins   *guard.Failures
	adding   challenges
	alone    challenges
	seconds  challenges
	settings webauthn.Config
}

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{store: cfg.Store, now: cfg.Now, begins: &guard.Failures{Burst: cfg.Begins, Refill: time.Second}}
	if s.now == nil {
		s.now = time.Now
	}
	timeout := webauthn.TimeoutConfig{Timeout: challengeLife, TimeoutUVD: challengeLife}
	s.settings = webauthn.Config{
		RPDisplayName: "usher",
		// Who made an authenticator is not ours to judge.
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		// Password managers answer what nobody asked; none of it is used.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	}
	return s
}

// at is the library for one site.
func (s *Service) at(party Party) (*webauthn.WebAuthn, error) {
	settings := s.settings
	settings.RPID, settings.RPOrigins = party.ID, party.Origins
	w, err := webauthn.New(&settings)
	if err != nil {
		return nil, fmt.Errorf("preparing passkeys for %q: %w", party.ID, err)
	}
	return w, nil
}

// record is what is kept of a passkey, as Credential in the store.
type record struct {
	// Party is the ID of the site that it is for.
	Party string              `json:"rpId"`
	Key   webauthn.Credential `json:"credential"`
}

// newRecord writes a record. How the authenticator proved its make is not kept:
// nobody asked for it.
func newRecord(party Party, key webauthn.Credential) ([]byte, error) {
	key.Attestation = webauthn.CredentialAttestation{}
	return json.Marshal(record{party.ID, key})
}

func readRecord(p store.Passkey) (r record, err error) {
	if err = json.Unmarshal(p.Credential, &r); err != nil {
		err = fmt.Errorf("reading passkey %d: %w", p.ID, err)
	}
	return r, err
}

// user is an account with its passkeys for one site, as the library wants it.
type user struct {
	account  store.Account
	passkeys []store.Passkey
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

func (s *Service) user(ctx context.Context, party Party, account store.Account) (*user, error) {
	list, err := s.store.Passkeys(ctx, account.ID)
	if err != nil {
		return nil, err
	}
	u := &user{account: account}
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

// Passkey is a passkey as people see it.
type Passkey struct {
	store.Passkey
	// Party is the ID of the site that it is for.
	Party string
}

// List lists an account's passkeys, whatever site they are for.
func (s *Service) List(ctx context.Context, account int64) ([]Passkey, error) {
	stored, err := s.store.Passkeys(ctx, account)
	list := make([]Passkey, 0, len(stored))
	for _, p := range stored {
		r, err := readRecord(p)
		if err != nil {
			return nil, err
		}
		list = append(list, Passkey{p, r.Party})
	}
	return list, err
}

// Has reports whether an account has a passkey for a site.
func (s *Service) Has(ctx context.Context, party Party, account int64) (bool, error) {
	u, err := s.user(ctx, party, store.Account{ID: account})
	return err == nil && len(u.keys) > 0, err
}

// Remove removes a passkey of an account. ErrNotFound.
func (s *Service) Remove(ctx context.Context, account, id int64) error {
	err := s.store.RemovePasskey(ctx, account, id)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return err
}

// maxPasskeys is how many passkeys an account may have.
const maxPasskeys = 25

// BeginAdd returns what the script of a page hands to
// navigator.credentials.create, in JSON. The caller has made sure that it is
// the account's owner who asks, and that only its session knows browser.
func (s *Service) BeginAdd(ctx context.Context, party Party, account store.Account, browser string) ([]byte, error) {
	lib, err := s.at(party)
	if err != nil {
		return nil, err
	}
	u, err := s.user(ctx, party, account)
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
	return s.begin(&s.adding, browser, account.ID, session, options)
}

// begin keeps a challenge and returns what the browser needs.
func (s *Service) begin(
	c *challenges, browser string, account int64, session *webauthn.SessionData, options any,
) ([]byte, error) {
	now := s.now()
	c.put(browser, ceremony{account, *session, now.Add(challengeLife)}, now)
	return json.Marshal(options)
}

// FinishAdd adds the passkey that a browser made. ErrChallenge, ErrRejected,
// ErrExists, ErrFull.
func (s *Service) FinishAdd(
	ctx context.Context, party Party, account store.Account, browser, name string, answer []byte,
) error {
	begun, ok := s.adding.take(browser, s.now())
	if !ok || begun.account != account.ID {
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
	key, err := lib.CreateCredential(&user{account: account}, begun.session, parsed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	credential, err := newRecord(party, *key)
	if err != nil {
		return err
	}
	_, err = s.store.AddPasskey(ctx, store.Passkey{
		AccountID: account.ID, CredentialID: key.ID, Credential: credential, Name: cleanName(name),
	}, maxPasskeys)
	switch {
	case errors.Is(err, store.ErrFull):
		return ErrFull
	case errors.Is(err, store.ErrConflict):
		return ErrExists
	}
	return err
}

// maxName is the most characters a passkey's name may have.
const maxName = 64

// cleanName makes a name short and printable.
func cleanName(name string) string {
	name = strings.Join(strings.Fields(strings.ToValidUTF8(name, "")), " ")
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

// Proof says that somebody has a passkey, as part of the sign-in that will
// spend it: one of the methods of store that take a SignIn writes down the
// passkey's use, or fails with store.ErrConflict.
type Proof struct {
	store.SignIn
	// Account is whose passkey it is.
	Account store.Account
}

// BeginAlone returns what the script hands to navigator.credentials.get, for
// somebody who has not said who they are. browser is a secret that the page
// gave to this browser alone, address where it is. ErrRateLimited.
func (s *Service) BeginAlone(party Party, browser, address string) ([]byte, error) {
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
	return s.begin(&s.alone, browser, 0, session, options)
}

// FinishAlone checks the answer of a passkey that stands for password and
// second factor. ErrChallenge, ErrRejected, ErrCloned.
func (s *Service) FinishAlone(ctx context.Context, party Party, browser string, answer []byte) (Proof, error) {
	begun, ok := s.alone.take(browser, s.now())
	if !ok {
		return Proof{}, ErrChallenge
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Proof{}, s.refused(ctx, store.Account{}, unreadable, fmt.Errorf("%w: %w", ErrRejected, err))
	}
	found, err := s.store.PasskeyByCredential(ctx, parsed.RawID)
	if errors.Is(err, store.ErrNotFound) {
		return Proof{}, s.refused(ctx, store.Account{}, unknown, ErrRejected)
	}
	if err != nil {
		return Proof{}, err
	}
	account, err := s.store.Account(ctx, found.AccountID)
	if err != nil {
		return Proof{}, err
	}
	return s.check(ctx, party, account, func(lib *webauthn.WebAuthn, u *user) (*webauthn.Credential, error) {
		whose := func([]byte, []byte) (webauthn.User, error) { return u, nil }
		_, key, err := lib.ValidatePasskeyLogin(whose, begun.session, parsed)
		return key, err
	})
}

// BeginSecond returns what the script hands to navigator.credentials.get, for
// an account whose password was right. browser is known to its session only.
// ErrNoPasskey.
func (s *Service) BeginSecond(ctx context.Context, party Party, accountID int64, browser string) ([]byte, error) {
	lib, err := s.at(party)
	if err != nil {
		return nil, err
	}
	account, err := s.store.Account(ctx, accountID)
	if err != nil {
		return nil, err
	}
	u, err := s.user(ctx, party, account)
	if err != nil {
		return nil, err
	}
	if len(u.keys) == 0 {
		return nil, ErrNoPasskey
	}
	// The password was the first factor: having the passkey is the second.
	options, session, err := lib.BeginLogin(u, webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return nil, fmt.Errorf("beginning a second factor by passkey: %w", err)
	}
	return s.begin(&s.seconds, browser, accountID, session, options)
}

// FinishSecond checks the answer of an account's passkey. ErrChallenge,
// ErrRejected, ErrCloned.
func (s *Service) FinishSecond(
	ctx context.Context, party Party, accountID int64, browser string, answer []byte,
) (Proof, error) {
	begun, ok := s.seconds.take(browser, s.now())
	if !ok || begun.account != accountID {
		return Proof{}, ErrChallenge
	}
	account, err := s.store.Account(ctx, accountID)
	if err != nil {
		return Proof{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Proof{}, s.refused(ctx, account, unreadable, fmt.Errorf("%w: %w", ErrRejected, err))
	}
	return s.check(ctx, party, account, func(lib *webauthn.WebAuthn, u *user) (*webauthn.Credential, error) {
		return lib.ValidateLogin(u, begun.session, parsed)
	})
}

// check has an answer verified against an account's passkeys, and makes the
// proof of it.
func (s *Service) check(
	ctx context.Context, party Party, account store.Account,
	verify func(*webauthn.WebAuthn, *user) (*webauthn.Credential, error),
) (Proof, error) {
	if account.Disabled {
		return Proof{}, s.refused(ctx, account, disabled, ErrRejected)
	}
	lib, err := s.at(party)
	if err != nil {
		return Proof{}, err
	}
	u, err := s.user(ctx, party, account)
	if err != nil {
		return Proof{}, err
	}
	key, err := verify(lib, u)
	if err != nil {
		return Proof{}, s.refused(ctx, account, wrong, fmt.Errorf("%w: %w", ErrRejected, err))
	}
	if key.Authenticator.CloneWarning {
		return Proof{}, s.refused(ctx, account, copied, ErrCloned)
	}
	is, err := newRecord(party, *key)
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{store.SignIn{AccountID: account.ID, PasswordHash: account.PasswordHash}, account}
	for _, p := range u.passkeys {
		if bytes.Equal(p.CredentialID, key.ID) {
			proof.Passkey = store.PasskeyUse{ID: p.ID, Was: p.Credential, Is: is}
		}
	}
	if proof.Passkey.ID == 0 {
		return Proof{}, s.refused(ctx, account, unknown, ErrRejected)
	}
	return proof, nil
}

// Why a passkey is refused, as the audit log has it.
const (
	unreadable = "the passkey's answer could not be read"
	unknown    = "no such passkey"
	disabled   = "the account is disabled"
	wrong      = "wrong answer of a passkey"
	copied     = "the passkey's count of signatures went back: there may be a copy of it"
)

// refused tells the audit log of a sign-in that failed for a reason, and
// returns err for whoever tried.
func (s *Service) refused(ctx context.Context, a store.Account, reason string, err error) error {
	e := store.Event{Kind: store.EventSignInRefused, AccountID: a.ID, Account: a.Username, Detail: reason}
	if failed := s.store.Note(ctx, e); failed != nil {
		return failed
	}
	return err
}
