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

// Topic is announced when there is a notice to send by e-mail. The key has no meaning.
const Topic db.Topic = "notice"

// Kind is what a notice is about. The names are stored.
type Kind string

// The kinds of notice.
const (
	NewDevice     Kind = "device"      // a new program signed in
	NewBrowser    Kind = "browser"     // a new browser signed in
	Password      Kind = "password"    // the password was changed
	FactorAdded   Kind = "factor"      // a second factor was added or replaced
	FactorRemoved Kind = "factor-off"  // the second factor was turned off
	PasskeyAdded  Kind = "passkey"     // a passkey was added
	PasskeyGone   Kind = "passkey-off" // a passkey was removed
	Email         Kind = "email"       // the e-mail address was changed
	Link          Kind = "link"        // a link was created that changes how to sign in
	Tries         Kind = "tries"       // many sign-ins failed
	Codes         Kind = "codes"       // many wrong codes after the right password
	Quiet         Kind = "quiet"       // e-mails about new devices were turned off
	Rules         Kind = "rules"       // the rules for how to sign in were changed
	AdminKey      Kind = "admin-key"   // the account created a key of the admin API
	Webhook       Kind = "webhook"     // a webhook was added, which receives the account's events
	HookSecret    Kind = "hook-secret" // the secret that signs the account's webhooks was displayed
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{
		NewDevice, NewBrowser, Password, FactorAdded, FactorRemoved, PasskeyAdded, PasskeyGone, Email, Link, Tries, Codes, Quiet,
		Rules, AdminKey, Webhook, HookSecret,
	}
}

// kinds maps the events that always become a notice to the kind of notice.
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
	// Renewing the secret displays the new one.
	audit.WebhookSecretShown:   HookSecret,
	audit.WebhookSecretRenewed: HookSecret,
}

const (
	// PerKind is the number of notices of each kind that are stored for an account: the
	// newest ones. They are counted by kind, so that an attacker cannot evict the
	// notice of a changed password by signing in on many devices.
	PerKind = 20
	// An account gets a notice when ManyTries sign-ins failed within TriesWithin, at
	// most one in each TriesWithin.
	ManyTries   = 10
	TriesWithin = time.Hour
)

// Notice reports an event of an account to its owner.
type Notice struct {
	ID        int64
	AccountID int64
	Kind      Kind
	At        time.Time // to the millisecond, UTC
	// Actor is the name of the account that caused it. It is empty for the account
	// itself or, with ByLink, for the bearer of a link.
	Actor  string
	ByLink bool
	// Device is the name that the device or browser reported. It is not trusted.
	Device string
	// Address is the client's address, or empty if it is unknown.
	Address string
	Tries   int // number of failed attempts
	Seen    bool
}

// Recipient holds the properties of an account that decide how it gets notices.
type Recipient struct {
	// Email is the confirmed e-mail address, or empty.
	Email string
	// Quiet reports that the account gets no e-mails about new devices.
	Quiet bool
	// Managed reports that the account is a managed user: nobody signs in to it, so
	// nobody reads its notices.
	Managed bool
}

// Setting holds the settings of an account's notices by e-mail.
type Setting struct {
	// Quiet reports that the account gets no e-mails about new devices.
	Quiet bool
	// Language is the language of the pages at the account's last sign-in there. It is
	// empty for English, or if there was none.
	Language string
	// NextMailAt is the earliest time of the next e-mail.
	NextMailAt time.Time
}

// Unsent is a notice that still has to be sent by e-mail.
type Unsent struct {
	Notice
	Email string
}

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// Recipient returns an account, or db.ErrNotFound.
	Recipient(ctx context.Context, q db.Querier, accountID int64) (Recipient, error)
	// Username returns the name of an account, or db.ErrNotFound.
	Username(ctx context.Context, q db.Querier, accountID int64) (string, error)
	// Insert adds a notice. Unless email is empty, it has to be sent to that address.
	Insert(ctx context.Context, tx *db.Tx, n Notice, email string) error
	// DeleteOld removes the notices of newest's kind and account. It retains the newest
	// ones, except of them, and those since a time that still have to be sent to an
	// e-mail address other than email.
	DeleteOld(ctx context.Context, tx *db.Tx, newest Notice, email string, except int, since time.Time) error
	// Since reports whether an account has a notice of a kind since a time.
	Since(ctx context.Context, q db.Querier, accountID int64, kind Kind, since time.Time) (bool, error)
	// Refused counts the failed sign-ins to an account since a time. It reads only the
	// latest events of the account.
	Refused(ctx context.Context, q db.Querier, accountID int64, since time.Time) (int, error)
	// List reads the notices of an account, the newest first.
	List(ctx context.Context, q db.Querier, accountID int64, r paging.Request) (paging.List[Notice], error)
	// Unseen counts the notices that the owner has not seen.
	Unseen(ctx context.Context, q db.Querier, accountID int64) (int, error)
	// SetSeen marks the notices of an account up to an ID as seen.
	SetSeen(ctx context.Context, tx *db.Tx, accountID, upTo int64) error
	// Setting returns how an account gets e-mails, and SetSetting replaces it.
	Setting(ctx context.Context, q db.Querier, accountID int64) (Setting, error)
	SetSetting(ctx context.Context, tx *db.Tx, accountID int64, s Setting) error
	// Due returns the accounts with unsent notices that are not older than since, if
	// their next e-mail may be sent at the time at. It returns an account once for each
	// of its notices, and at most limit accounts.
	Due(ctx context.Context, q db.Querier, since, at time.Time, limit int) ([]int64, error)
	// Unsent returns the unsent notices of an account, the oldest first.
	Unsent(ctx context.Context, q db.Querier, accountID int64) ([]Unsent, error)
	// SetEmail sets the address to which a notice has to be sent. If it is empty, the
	// notice is not sent.
	SetEmail(ctx context.Context, tx *db.Tx, id int64, email string) error
	// Stale reports whether there are unsent notices from before a time. DropStale
	// marks them as not to be sent.
	Stale(ctx context.Context, q db.Querier, before time.Time) (bool, error)
	DropStale(ctx context.Context, tx *db.Tx, before time.Time) error
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its tables. Required.
	DB   *db.DB
	Rows Rows
	// Audit is the audit log. Required.
	Audit *audit.Log
	// Logger receives failures to send. If nil, nothing is logged.
	Logger *slog.Logger
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service creates, stores and sends notices. It is safe for concurrent use.
type Service struct {
	cfg   Config
	alarm db.Alarm // wakes Run
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

// Recorded implements audit.Watcher. It creates a notice for an event that the
// account's owner should know about, whichever page, command or program caused it. It
// does nothing for a sign-in of a known device.
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
		return nil // the owner requested the link, and gets it by e-mail
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

// refused adds a notice about many failed sign-ins, at most one in each TriesWithin.
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

// add adds a notice. It is sent to the e-mail address that was confirmed when the event
// happened or, if the event changes the address, to the former one. Attack: someone
// changes the password and then the address, so that the owner is not notified.
func (s *Service) add(ctx context.Context, tx *db.Tx, n Notice, formerEmail string) error {
	to, err := s.cfg.Rows.Recipient(ctx, tx, n.AccountID)
	if errors.Is(err, db.ErrNotFound) || err == nil && to.Managed {
		return nil // nobody would read it
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
	// Attack: between two e-mails, someone changes the password and the address, and
	// then repeats either until the notice for the former address is evicted.
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

// See marks the notices of an account up to an ID as seen. Later ones were not on the
// page that the owner saw.
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

// change changes the setting of an account, unless the function change reports that
// there is nothing to change.
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

// SetLanguage stores the language in which the owner of an account reads the pages, or
// "" for English. It writes only if the language changed.
func (s *Service) SetLanguage(ctx context.Context, accountID int64, language string) error {
	if now, err := s.Setting(ctx, accountID); err != nil || now.Language == language {
		return err
	}
	return s.change(ctx, accountID, func(_ context.Context, _ *db.Tx, now *Setting) (bool, error) {
		now.Language = language
		return true, nil
	})
}

// SetQuiet turns the e-mails about new devices off or on. All others are always sent.
// Turning them off creates a notice, because anyone at an open browser can do it.
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
