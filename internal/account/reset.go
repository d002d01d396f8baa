package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/plexauth"
)

// Errors of reset links.
var (
	// ErrReset reports that a reset link is invalid: it was used, has expired, was
	// replaced by a newer one, or the account or its admin has changed since.
	ErrReset = fault.New(fault.Denied,
		"this link was used already, has expired, was replaced by a newer one, or the account has changed since; ask for another one")
	// ErrResetTries reports that a network tried too many reset links that do not
	// exist. It contains the time to wait.
	ErrResetTries = fault.New(fault.Limited, "too many links that do not exist")
	// ErrResetMails reports that too many links by e-mail were requested. It contains
	// the time to wait.
	ErrResetMails = fault.New(fault.Limited, "too many links by e-mail")
	// ErrResetPasskey reports that a reset link must create a passkey, because the
	// rules of the account require one.
	ErrResetPasskey = fault.New(fault.Conflict, "this account signs in with passkeys: the link makes a new one, in place of those that it has")
	// ErrDisabled reports that the account is disabled.
	ErrDisabled = fault.New(fault.Conflict, "this account is disabled: enable it first")
)

// The lifetime of a reset link.
const (
	ResetLife    = time.Hour
	MinResetLife = time.Minute
	MaxResetLife = 24 * time.Hour
)

// MaxMailedResets is the maximum number of valid links by e-mail of an account, and the
// number that can be sent in a row. After that, one can be sent each mailedResetsEvery:
// five in the first hour, and three in each further hour.
const (
	MaxMailedResets   = 3
	mailedResetsEvery = 20 * time.Minute
)

// Reset describes the effect of a reset link.
type Reset struct {
	// Password reports that the owner sets a new password. Otherwise, the link requires
	// the current one.
	Password bool
	// SecondFactor reports that the link removes the second factor.
	SecondFactor bool
}

func (r Reset) describe() string {
	switch {
	case r.Password && r.SecondFactor:
		return "for a new password, and without the second factor"
	case r.Password:
		return "for a new password"
	}
	return "without the second factor"
}

// CheckMail returns an error if the link must not be sent to the e-mail address of an
// account. Attack: an admin helps the owner, and someone who reads the owner's e-mails
// signs in with the link alone, and so bypasses the required passkey or the second
// factor. Errors: fault.Invalid.
func (r Reset) CheckMail(a Account) error {
	switch {
	case !a.EmailConfirmed():
		return fault.Invalidf("mail", "the account has no e-mail address that an admin has confirmed")
	case !r.Password:
		return fault.Invalidf("mail", "a link by e-mail is for a new password")
	case a.TakePasskey():
		return fault.Invalidf("mail", "this account signs in with passkeys: whoever reads the e-mail would need none")
	case r.SecondFactor && a.HasSecondFactor():
		return fault.Invalidf("mail", "whoever reads the e-mail would need no second factor")
	}
	return nil
}

func (r Reset) mayMail(a Account) bool { return r.CheckMail(a) == nil }

// StoredReset is a reset link as it is stored.
type StoredReset struct {
	Reset
	AccountID int64
	MakerID   int64 // the admin who created it; 0: the command line, or the account's owner
	KeyID     int64 // the key of the admin API that created it, with which it is revoked; 0: none
	// Mailed reports that a visitor requested it, and that it was sent to the account's
	// e-mail address. It is for a new password only.
	Mailed bool
	// Sent reports that an admin created it, and that it was also sent to the account's
	// e-mail address.
	Sent bool
	// MembersOnly reports that its maker may not change accounts that are admins.
	MembersOnly bool
	Revision    int64 // of the account, at which the link works
	ExpiresAt   time.Time
}

// ResetRows is the storage of reset links. Package store implements it.
type ResetRows interface {
	// ResetLink returns the link with a hash, also if it has expired, or
	// db.ErrNotFound.
	ResetLink(ctx context.Context, q db.Querier, h LinkHash) (StoredReset, error)
	// SetReset replaces the link that an admin created for an account. If r.Mailed is
	// set, it adds the link instead, and removes the oldest mailed links beyond
	// MaxMailedResets.
	SetReset(ctx context.Context, tx *db.Tx, h LinkHash, r StoredReset) error
	// DeleteResets removes all links of an account, and DeleteMailedResets those that
	// went to its e-mail address.
	DeleteResets(ctx context.Context, tx *db.Tx, id int64) error
	DeleteMailedResets(ctx context.Context, tx *db.Tx, id int64) error
}

// NewReset creates a link for a user who has lost the password or the second factor. It
// replaces an earlier link of an admin. life is its lifetime. If zero, it is ResetLife.
// Anyone who has the link can take over the account, so the admin must pass it on to
// the owner only. Errors: fault.Invalid, ErrManaged, ErrDisabled, ErrMembersOnly,
// ErrNotFound.
func (s *Service) NewReset(
	ctx context.Context, by audit.Actor, id int64, what Reset, life time.Duration,
) (secret plexauth.Secret, expires time.Time, err error) {
	made, err := s.MailReset(ctx, by, id, what, life, nil)
	return made.Secret, made.ExpiresAt, err
}

// ResetLetter returns the e-mail with a reset link.
type ResetLetter func(made MadeReset) mail.Message

// MadeReset is a new reset link.
type MadeReset struct {
	Account   Account
	Secret    plexauth.Secret // only its hash is stored
	ExpiresAt time.Time
	// Mailed reports whether an e-mail with the link was queued.
	Mailed bool
}

// MailedTo returns the address to which the link is being sent, or "" if it is not.
func (m MadeReset) MailedTo() string {
	if !m.Mailed {
		return ""
	}
	return m.Account.Email
}

// MailReset is NewReset, and also sends the link to the account if it is for a new
// password and an admin has confirmed the account's e-mail address. It does not send a
// link that creates a passkey or turns off a second factor. The e-mail is queued in the
// transaction that creates the link. If the queue is full, the link is created without
// an e-mail. If letter is nil, no e-mail is sent.
func (s *Service) MailReset(
	ctx context.Context, by audit.Actor, id int64, what Reset, life time.Duration, letter ResetLetter,
) (MadeReset, error) {
	if s.outbox == nil {
		letter = nil
	}
	link := StoredReset{Reset: what, AccountID: id, MakerID: by.MakerID(), KeyID: by.KeyID, MembersOnly: by.MembersOnly, Sent: letter != nil}
	return s.newReset(ctx, by, link, life, func(ctx context.Context, tx *db.Tx, made *MadeReset) error {
		if letter == nil || !what.mayMail(made.Account) {
			return nil
		}
		err := s.outbox.Add(ctx, tx, letter(*made))
		made.Mailed = err == nil
		if errors.Is(err, mail.ErrFull) {
			return nil
		}
		return err
	})
}

// newReset creates a link, and then runs send in the same transaction.
func (s *Service) newReset(
	ctx context.Context, by audit.Actor, link StoredReset, life time.Duration,
	send func(context.Context, *db.Tx, *MadeReset) error,
) (made MadeReset, err error) {
	if life == 0 {
		life = ResetLife
	}
	switch {
	case life < MinResetLife || life > MaxResetLife:
		return made, fault.Invalidf("expires", "a reset link works for at least a minute and for a day at most")
	case link.Reset == Reset{}:
		return made, fault.Invalidf("what", "choose what the link is for: the password, the second factor, or both")
	}
	secret := plexauth.Secret(rand.Text())
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.rows.Get(ctx, tx, link.AccountID)
		if err == nil {
			err = CheckMayChange(by, a)
		}
		switch {
		case err != nil:
			return err
		case a.Managed():
			return ErrManaged
		case a.Disabled:
			return ErrDisabled
		case a.TakePasskey() && !link.Password:
			return fault.Invalidf("what", "this account signs in with passkeys: choose the password, and the link makes a new passkey")
		}
		made = MadeReset{Account: a, Secret: secret, ExpiresAt: tx.Now().Add(life)}
		link.Revision, link.ExpiresAt = a.Revision, made.ExpiresAt
		link.Sent = link.Sent && link.mayMail(a)
		if err := s.rows.SetReset(ctx, tx, hashLink(secret), link); err != nil {
			return err
		}
		err = s.audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.ResetLink, AccountID: a.ID, Account: a.Username, Detail: link.Reset.describe(),
		})
		if err != nil {
			return err
		}
		return send(ctx, tx, &made)
	})
	if err != nil {
		return MadeReset{}, named("making a reset link", err)
	}
	return made, nil
}

// AskForReset counts a request for a link by e-mail, whether or not the account exists.
// Errors: ErrResetMails.
func (s *Service) AskForReset(by audit.Actor) error {
	if wait := s.askers.Take(guard.Network(by.Address), s.now()); wait > 0 {
		return fault.WithWait(ErrResetMails, wait)
	}
	return nil
}

// ResetByEmail creates a link for a new password, and sends it to the confirmed e-mail
// address of an account: letter is queued in the transaction that creates the link. by
// may be anyone. The link of an admin stays. An account whose rules require a passkey
// gets none, because anyone who reads the e-mails could sign in without one. Only the
// recipient may learn whether the account exists, so the response to by must not wait
// for the result. ErrNotFound, also for an account that has no such address or cannot
// sign in; ErrResetMails.
func (s *Service) ResetByEmail(ctx context.Context, by audit.Actor, login string, letter ResetLetter, queue mail.Queue) error {
	a, err := s.Find(ctx, login)
	if err != nil {
		return err
	}
	if !a.EmailConfirmed() || !a.CanSignIn() || a.TakePasskey() {
		return ErrNotFound
	}
	wait, err := s.resetMails.Take(ctx, strconv.FormatInt(a.ID, 10), s.now())
	if err != nil {
		return err
	}
	if wait > 0 {
		return fault.WithWait(ErrResetMails, wait)
	}
	link := StoredReset{Reset: Reset{Password: true}, AccountID: a.ID, Mailed: true}
	_, err = s.newReset(ctx, by, link, ResetLife, func(ctx context.Context, tx *db.Tx, made *MadeReset) error {
		if !made.Account.EmailConfirmed() { // it has changed meanwhile
			return ErrNotFound
		}
		return queue.Add(ctx, tx, letter(*made))
	})
	return err
}

// ByReset returns the account of a reset link, and the effect of the link. It changes
// nothing, so that programs that open the links in an e-mail do not use up the link.
// Errors: ErrReset, ErrResetTries.
func (s *Service) ByReset(ctx context.Context, by audit.Actor, secret plexauth.Secret) (Account, Reset, error) {
	network, now := guard.Network(by.Address), s.now()
	if wait := s.resets.Take(network, now); wait > 0 {
		return Account{}, Reset{}, fault.WithWait(ErrResetTries, wait)
	}
	a, link, err := s.reset(ctx, s.db, secret, now)
	if !errors.Is(err, errNoReset) {
		s.resets.Return(network)
	}
	return a, link.Reset, named("reading a reset link", err)
}

// errNoReset is ErrReset for a secret that belongs to no stored link.
var errNoReset = fmt.Errorf("%w (there is none)", ErrReset)

// reset returns a valid link and its account. Errors: ErrReset.
func (s *Service) reset(ctx context.Context, q db.Querier, secret plexauth.Secret, now time.Time) (a Account, link StoredReset, err error) {
	link, err = s.rows.ResetLink(ctx, q, hashLink(secret))
	if errors.Is(err, db.ErrNotFound) {
		return a, link, errNoReset
	}
	if err == nil {
		a, err = s.rows.Get(ctx, q, link.AccountID)
	}
	if err != nil {
		return a, link, err
	}
	// Attack: a key that may not change admins creates a link for a member, who is
	// promoted before the link is used.
	if !link.ExpiresAt.After(now) || link.Revision != a.Revision || !a.CanSignIn() || link.MembersOnly && a.Admin {
		return a, link, ErrReset
	}
	if link.MakerID != 0 {
		admin, err := s.IsAdmin(ctx, q, link.MakerID)
		if err != nil || !admin {
			return a, link, errors.Join(err, ErrReset)
		}
	}
	return a, link, nil
}

// Ends signs out everything that is signed in with an account. Package session
// implements it.
type Ends interface {
	// EndAll ends every session and token of an account, in an open transaction.
	EndAll(ctx context.Context, tx *db.Tx, by audit.Actor, accountID int64) error
}

// ResetWith holds what the owner of an account enters to use a reset link.
type ResetWith struct {
	// New is the new password, if the link sets one. Otherwise, Current is the current
	// password.
	New, Current plexauth.Secret
	Caller       Caller // see Credentials
	// Passkey replaces the passkeys of an account with a new one, in a transaction. It
	// is required if the rules of the account require a passkey, and nil otherwise.
	Passkey func(ctx context.Context, tx *db.Tx, accountID int64) error
}

// UseReset applies a reset link, signs out everything that is signed in with the
// account, and uses up the link. Of concurrent calls, one succeeds. It returns a proof,
// which is partial if the account still has a second factor. Errors: ErrReset,
// ErrResetTries, ErrResetPasskey, ErrCredentials, fault.Invalid.
func (s *Service) UseReset(
	ctx context.Context, by audit.Actor, secret plexauth.Secret, with ResetWith, ends Ends,
) (Verified, error) {
	a, what, err := s.ByReset(ctx, by, secret)
	if err != nil {
		return Verified{}, err
	}
	var hash plexauth.Secret
	byPasskey := what.Password && a.TakePasskey()
	switch {
	case byPasskey != (with.Passkey != nil):
		err = ErrResetPasskey
	case byPasskey:
		// The passkey was checked when it was made.
	case what.Password:
		hash, err = s.hash(ctx, by, with.New)
	default:
		err = s.ConfirmPassword(ctx, by, Credentials{Login: a.Username, Password: with.Current, Caller: with.Caller})
	}
	if err != nil {
		return Verified{}, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, link, err := s.reset(ctx, tx, secret, tx.Now())
		if err != nil {
			return err
		}
		if err := s.rows.DeleteResets(ctx, tx, a.ID); err != nil {
			return err
		}
		if err := s.applyReset(ctx, tx, by, a.ID, link.Reset, hash, with.Passkey); err != nil {
			return err
		}
		if err := ends.EndAll(ctx, tx, by, a.ID); err != nil {
			return err
		}
		a, err = s.rows.Get(ctx, tx, a.ID)
		return err
	})
	if err != nil {
		return Verified{}, named("using a reset link", err)
	}
	return s.verified(a, signin.Claim{Partial: a.HasSecondFactor() && !byPasskey}), nil
}

func (s *Service) applyReset(
	ctx context.Context, tx *db.Tx, by audit.Actor, id int64, what Reset, hash plexauth.Secret,
	passkey func(context.Context, *db.Tx, int64) error,
) error {
	if passkey != nil {
		if err := passkey(ctx, tx, id); err != nil {
			return err
		}
	} else if what.Password {
		e := audit.Event{Kind: audit.PasswordChanged, Detail: audit.ByResetLink}
		err := s.changeIn(ctx, tx, by, id, e, func(_ context.Context, _ *db.Tx, a *Account) (bool, error) {
			a.PasswordHash = hash
			a.Revision++
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	if what.SecondFactor {
		return s.removeFactor(ctx, tx, by, id, audit.ByResetLink)
	}
	return nil
}
