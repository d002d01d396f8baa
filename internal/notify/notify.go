package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
)

// Topic is announced when a notice is to be sent by e-mail. The keys mean nothing.
const Topic db.Topic = "notice"

// Kind is what a notice is about. The names are stored.
type Kind string

// The kinds of notice.
const (
	NewDevice     Kind = "device"      // a program that had not signed in before did
	NewBrowser    Kind = "browser"     // a browser that had not signed in before did
	Password      Kind = "password"    // the password was changed
	FactorAdded   Kind = "factor"      // the second factor was set up, perhaps anew
	FactorRemoved Kind = "factor-off"  // the second factor was turned off
	PasskeyAdded  Kind = "passkey"     // a passkey was added
	PasskeyGone   Kind = "passkey-off" // a passkey was removed
	Email         Kind = "email"       // the e-mail address was changed
	Link          Kind = "link"        // somebody created a link that changes how to sign in
	Tries         Kind = "tries"       // many sign-ins failed
	Codes         Kind = "codes"       // many codes were wrong, and the password was right
	Quiet         Kind = "quiet"       // e-mails about new devices were turned off
	Rules         Kind = "rules"       // the rules for how to sign in were changed
	AdminKey      Kind = "admin-key"   // a key of the admin API was made in the name of the account
	Webhook       Kind = "webhook"     // an address is told from now on what happens to the account
	HookSecret    Kind = "hook-secret" // somebody read the secret that signs the account's webhooks
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{
		NewDevice, NewBrowser, Password, FactorAdded, FactorRemoved, PasskeyAdded, PasskeyGone, Email, Link, Tries, Codes, Quiet,
		Rules, AdminKey, Webhook, HookSecret,
	}
}

// kinds are the events that become a notice as they are.
var kinds = map[audit.Kind]Kind{
	audit.PasswordChanged:     Password,
	audit.SecondFactorAdded:   FactorAdded,
	audit.SecondFactorRemoved: FactorRemoved,
	audit.PasskeyAdded:        PasskeyAdded,
	audit.PasskeyRemoved:      PasskeyGone,
	audit.SecondFactorGuessed: Codes,
	audit.SecondFactorLink:    Link,
	audit.ResetLink:           Link,
	audit.RulesChanged:        Rules,
	audit.AdminKeyMade:        AdminKey,
	// Renewing the secret shows the new one.
	audit.WebhookSecretShown:   HookSecret,
	audit.WebhookSecretRenewed: HookSecret,
}

const (
	// PerKind is how many notices of a kind an account keeps: the newest. They are
	// counted by kind, so that somebody who signs in on many devices does not push
	// out that the password has changed.
	PerKind = 20
	// An account gets a notice when ManyTries sign-ins have failed within TriesWithin,
	// and the next one after another TriesWithin at the earliest.
	ManyTries   = 10
	TriesWithin = time.Hour
)

// Notice says what happened to an account.
type Notice struct {
	ID        int64
	AccountID int64
	Kind      Kind
	At        time.Time // to the millisecond, UTC
	// Actor is who did it. Empty: the account itself or, with ByLink, somebody who
	// had a link.
	Actor  string
	ByLink bool
	// Device is what the device or browser calls itself. It may be anything.
	Device string
	// Address is where it came from. Empty: unknown.
	Address string
	Tries   int // how many failed
	Seen    bool
}

// Recipient is what the notices of an account need to know of it.
type Recipient struct {
	// Email is the confirmed e-mail address, or empty.
	Email string
	// Quiet: no e-mails about new devices.
	Quiet bool
	// Managed: nobody can sign in to it, so nobody reads its notices.
	Managed bool
}

// Setting is how an account gets its notices by e-mail.
type Setting struct {
	// Quiet: no e-mails about new devices.
	Quiet bool
	// Language is that of the pages when the account last signed in to them. Empty:
	// English, or it never has.
	Language string
	// NextMailAt is when the next e-mail may be sent.
	NextMailAt time.Time
}

// Unsent is a notice that is to be sent by e-mail.
type Unsent struct {
	Notice
	Email string
}

// Rows is what a Service needs stored. Package store implements it.
type Rows interface {
	// Recipient returns an account: db.ErrNotFound.
	Recipient(ctx context.Context, q db.Querier, accountID int64) (Recipient, error)
	// Username returns the name of an account: db.ErrNotFound.
	Username(ctx context.Context, q db.Querier, accountID int64) (string, error)
	// Insert adds a notice, which is to be sent to an e-mail address unless that is
	// empty.
	Insert(ctx context.Context, tx *db.Tx, n Notice, email string) error
	// DeleteOld removes the notices of a kind of an account but the newest, and but those
	// from a time on that are still to be sent to another e-mail address than that of the
	// newest.
	DeleteOld(ctx context.Context, tx *db.Tx, newest Notice, email string, except int, since time.Time) error
	// Since reports whether an account has a notice of a kind from a time on.
	Since(ctx context.Context, q db.Querier, accountID int64, kind Kind, since time.Time) (bool, error)
	// Refused counts the failed sign-ins to an account since a time, among its latest
	// events.
	Refused(ctx context.Context, q db.Querier, accountID int64, since time.Time) (int, error)
	// List reads the notices of an account, the newest first.
	List(ctx context.Context, q db.Querier, accountID int64, r paging.Request) (paging.List[Notice], error)
	// Unseen counts those that are not seen.
	Unseen(ctx context.Context, q db.Querier, accountID int64) (int, error)
	// SetSeen marks the notices of an account up to an ID as seen.
	SetSeen(ctx context.Context, tx *db.Tx, accountID, upTo int64) error
	// Setting returns how an account gets e-mails, and SetSetting replaces it.
	Setting(ctx context.Context, q db.Querier, accountID int64) (Setting, error)
	SetSetting(ctx context.Context, tx *db.Tx, accountID int64, s Setting) error
	// Due returns the accounts with notices that are not older than since and not sent
	// yet, if their next e-mail may be sent at a time. It returns an account once for
	// each of its notices, and limit of them at most.
	Due(ctx context.Context, q db.Querier, since, at time.Time, limit int) ([]int64, error)
	// Unsent returns the notices of an account that are to be sent, the oldest first.
	Unsent(ctx context.Context, q db.Querier, accountID int64) ([]Unsent, error)
	// SetEmail sets where a notice is to be sent; empty: nowhere.
	SetEmail(ctx context.Context, tx *db.Tx, id int64, email string) error
	// Stale reports whether notices from before a time are still to be sent, and
	// DropStale marks them as not to be sent.
	Stale(ctx context.Context, q db.Querier, before time.Time) (bool, error)
	DropStale(ctx context.Context, tx *db.Tx, before time.Time) error
}

// Config is what a Service stands on.
type Config struct {
	// DB is the database, and Rows its tables. Required.
	DB   *db.DB
	Rows Rows
	// Audit is the log of what happens to accounts, which the Service watches. Required.
	Audit *audit.Log
	// Logger gets what cannot be sent. Nil: nothing is logged.
	Logger *slog.Logger
	// Now returns the time. Nil: time.Now.
	Now func() time.Time
}

// Service keeps the notices. It is safe for concurrent use.
type Service struct {
	cfg   Config
	alarm db.Alarm // makes Run look for what is due
}

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, alarm: cfg.DB.Alarm(Topic)}
	cfg.Audit.Watch("notices", s)
	return s
}

// Recorded implements audit.Watcher. It turns an event that the account's owner should
// know of into a notice, whichever page, command or program caused it. A sign-in of a
// known device costs nothing here.
func (s *Service) Recorded(ctx context.Context, tx *db.Tx, by audit.Actor, e audit.Event) error {
	if e.AccountID == 0 {
		return nil
	}
	n := Notice{
		AccountID: e.AccountID, Actor: by.Name, Device: by.Device, Address: by.Address,
		ByLink: e.Detail == audit.ByResetLink || e.Detail == audit.ByAdminLink,
	}
	switch kind, ok := kinds[e.Kind]; {
	case ok:
		n.Kind = kind
	case e.Kind == audit.SessionStarted && by.NewBrowser:
		n.Kind = NewBrowser
	case e.Kind == audit.WebhooksChanged && e.Added:
		n.Kind = Webhook
	case e.Kind == audit.NoticesChanged && e.Detail == audit.MailsOff:
		n.Kind = Quiet
	case e.Kind == audit.AccountChanged && (e.Detail == audit.OfEmail || e.Detail == audit.OfNameEmail):
		n.Kind = Email
	case e.Kind == audit.SignInRefused:
		return s.refused(ctx, tx, n)
	default:
		return nil
	}
	if n.Kind == Link && n.Actor == "" {
		return nil // the owner has asked for it, and has it by e-mail
	}
	return s.add(ctx, tx, n, e.FormerEmail)
}

// SignedIn implements device.Watcher.
func (s *Service) SignedIn(ctx context.Context, tx *db.Tx, accountID int64, d device.Device, isNew bool) error {
	if !isNew {
		return nil
	}
	return s.add(ctx, tx, Notice{AccountID: accountID, Kind: NewDevice, Device: d.Label(), Address: d.Address}, "")
}

// refused adds a notice of many failed sign-ins, one each TriesWithin at most.
func (s *Service) refused(ctx context.Context, tx *db.Tx, n Notice) error {
	since := tx.Now().Add(-TriesWithin)
	before, err := s.cfg.Rows.Refused(ctx, tx, n.AccountID, since)
	if err != nil || before+1 < ManyTries {
		return err
	}
	told, err := s.cfg.Rows.Since(ctx, tx, n.AccountID, Tries, since)
	if err != nil || told {
		return err
	}
	n.Kind, n.Tries, n.Actor = Tries, before+1, ""
	return s.add(ctx, tx, n, "")
}

// add adds a notice. It goes to the e-mail address that was confirmed when the event
// happened; if the event changes the address, to the former one. Attack: somebody
// changes the password and then the address, so that the owner is not told.
func (s *Service) add(ctx context.Context, tx *db.Tx, n Notice, formerEmail string) error {
	to, err := s.cfg.Rows.Recipient(ctx, tx, n.AccountID)
	if errors.Is(err, db.ErrNotFound) || err == nil && to.Managed {
		return nil // nobody reads it
	}
	if err != nil {
		return err
	}
	email := to.Email
	switch {
	case formerEmail != "":
		email = formerEmail
	case to.Quiet && (n.Kind == NewDevice || n.Kind == NewBrowser):
		email = ""
	}
	n.At = tx.Now()
	if err := s.cfg.Rows.Insert(ctx, tx, n, email); err != nil {
		return err
	}
	// Attack: between two e-mails, somebody changes the password and the address, and
	// then either again and again, until what the former address is to get is pushed out.
	return s.cfg.Rows.DeleteOld(ctx, tx, n, email, PerKind, n.At.Add(-mailWithin))
}

// List reads the notices of an account, the newest first.
func (s *Service) List(ctx context.Context, accountID int64, r paging.Request) (paging.List[Notice], error) {
	list, err := s.cfg.Rows.List(ctx, s.cfg.DB, accountID, r)
	if err != nil {
		return list, fmt.Errorf("listing notices: %w", err)
	}
	return list, nil
}

// Unseen counts the notices that the owner of an account has not seen.
func (s *Service) Unseen(ctx context.Context, accountID int64) (int, error) {
	n, err := s.cfg.Rows.Unseen(ctx, s.cfg.DB, accountID)
	if err != nil {
		return 0, fmt.Errorf("counting notices: %w", err)
	}
	return n, nil
}

// See says that the owner of an account has seen the notices up to one: later ones
// were not on the page.
func (s *Service) See(ctx context.Context, accountID, upTo int64) error {
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.cfg.Rows.SetSeen(ctx, tx, accountID, upTo)
	})
	if err != nil {
		return fmt.Errorf("marking notices as seen: %w", err)
	}
	return nil
}

// Setting returns how an account gets its notices by e-mail.
func (s *Service) Setting(ctx context.Context, accountID int64) (Setting, error) {
	found, err := s.cfg.Rows.Setting(ctx, s.cfg.DB, accountID)
	if err != nil {
		return found, fmt.Errorf("reading how notices are sent: %w", err)
	}
	return found, nil
}

// change changes the setting of an account, unless change reports that there is
// nothing to do.
func (s *Service) change(ctx context.Context, accountID int64, change func(context.Context, *db.Tx, *Setting) (bool, error)) error {
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, err := s.cfg.Rows.Setting(ctx, tx, accountID)
		if err != nil {
			return err
		}
		if changed, err := change(ctx, tx, &now); err != nil || !changed {
			return err
		}
		return s.cfg.Rows.SetSetting(ctx, tx, accountID, now)
	})
	if err != nil {
		return fmt.Errorf("changing how notices are sent: %w", err)
	}
	return nil
}

// SetLanguage stores in which language the owner of an account reads the pages; empty:
// in English. It writes only if the language has changed.
func (s *Service) SetLanguage(ctx context.Context, accountID int64, language string) error {
	if now, err := s.Setting(ctx, accountID); err != nil || now.Language == language {
		return err
	}
	return s.change(ctx, accountID, func(_ context.Context, _ *db.Tx, now *Setting) (bool, error) {
		now.Language = language
		return true, nil
	})
}

// SetQuiet turns the e-mails about new devices off, or on again. All others are
// always sent. Turning them off leads to a notice, because somebody at an open browser
// can do it.
func (s *Service) SetQuiet(ctx context.Context, by audit.Actor, accountID int64, quiet bool) error {
	return s.change(ctx, accountID, func(ctx context.Context, tx *db.Tx, now *Setting) (bool, error) {
		if now.Quiet == quiet {
			return false, nil
		}
		now.Quiet = quiet
		detail := audit.MailsOn
		if quiet {
			detail = audit.MailsOff
		}
		e := audit.Event{Kind: audit.NoticesChanged, AccountID: accountID, Detail: detail}
		return true, s.cfg.Audit.Record(ctx, tx, by, e)
	})
}
