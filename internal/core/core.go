// Package core opens the database, the key and every service, each once and in
// the right order.
//
// It owns the wiring of the services, which key belongs to a database (key.go), and the
// background work. It decides nothing that a service decides, and does not know the
// faces: the server, the command line and the test kits all get the same Core and build
// on its fields.
package core

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/claim"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/hashing"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/signing"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/webhook"
	"github.com/usher-auth/usher/plexauth"
)

// Config configures the database and the services. The zero value, with a
// Key, is a database in memory and services with their defaults.
type Config struct {
	// Dir is the data folder. Open creates it if needed. If empty, the database is in
	// memory, and lost when the Core is closed.
	Dir string
	// Database is the address of a PostgreSQL database, which any number of processes
	// share. Dir then has at most the key file. If empty, the database is SQLite in Dir.
	Database plexauth.Secret
	// StaleGrace is how long a process keeps using its caches while the database at
	// Database is unreachable. If zero, it is one second, within which revocations take
	// effect everywhere.
	StaleGrace time.Duration
	// MustExist makes Open return ErrNoDatabase if there is no database, or no
	// schema in the one at Database, instead of creating one.
	MustExist bool
	// Holder describes this process, such as "usher serve", if no other process with a
	// Holder can have Dir open: Open then returns a *HeldError. If empty, the process can
	// run next to a server.
	Holder string
	// KeyFile is the file with the database's key. A database that has no key
	// yet adopts the one in the file, which is created if needed. Required
	// unless Key is set.
	KeyFile string
	// Key is used instead of KeyFile, without a check that it is the database's.
	Key *seal.Key

	// Self describes this server as one of the sources. If nil, this process does not serve
	// clients, and registers no source.
	Self *source.Self
	// By is the actor that opens the database, as the audit log names it.
	By audit.Actor
	// TransientTTL limits the life of transient tokens. Zero: 48 hours.
	TransientTTL time.Duration
	// HashSlots is the number of concurrent password hashes, and HashQueue how many
	// more can wait. If zero, they are the defaults of guard.NewAdmission.
	HashSlots, HashQueue int
	// Argon2id computes password hashes. If nil, it is hashing.Here.
	Argon2id func(hashing.Input) []byte
	// TokenCache is the number of cached tokens. Zero:
	// token.DefaultCacheSize.
	TokenCache int
	// HashCost is the cost of new password hashes. If zero, it is account.DefaultCost.
	HashCost account.Cost
	// FailedTries is how many sign-ins to one account from one address can fail
	// in a row before each further one must wait. If zero, there is no limit.
	FailedTries int
	// MembersSetEmail lets members change their own e-mail address.
	MembersSetEmail bool
	// AdminGrace is how long admins of a new database have to set up a second factor.
	// If zero, they need none until the rule is turned on.
	AdminGrace time.Duration
	// PublicURL is the URL of the pages. A passkey for another host cannot sign in. If
	// empty, the pages may be at any address.
	PublicURL string
	// SignUp lets users sign up.
	SignUp bool
	// WebhookNetworks are non-public networks that webhooks can be sent
	// to.
	WebhookNetworks []netip.Prefix
	// AuditKeep is how long rows of the audit log are retained. If zero, they are retained forever.
	AuditKeep time.Duration

	// Template makes the start of a database in memory faster, if more than one is opened
	// with it. If nil, there is no template.
	Template *Template

	// Random returns the source of random bits of a service, by the name of the
	// service. It is for tests whose secrets need not be secret: Open returns an
	// error unless the database is in memory. If nil, it is crypto/rand.Reader.
	Random func(service string) io.Reader

	// Logger receives events outside of any call. If nil, nothing is logged.
	Logger *slog.Logger
	// Now is the clock of every service. If nil, it is time.Now.
	Now func() time.Time
}

// withDefaults returns cfg with the defaults that Core itself relies on.
func (cfg Config) withDefaults() Config {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// Core is an open database with its services. All of them are safe for
// concurrent use.
type Core struct {
	DB       *db.DB           // the engine
	Audit    *audit.Log       // the audit log
	Accounts *account.Service // accounts and their credentials
	Devices  *device.Service  // signed-in devices
	Notices  *notify.Service  // notices to owners
	Tokens   *token.Service   // tokens of programs
	// Signing manages the keys that sign JWTs, and DeviceKeys the keys of devices.
	Signing    *signing.Service
	DeviceKeys *devicekey.Service
	// Claims connects media servers to accounts.
	Claims *claim.Service
	// Sources includes this server itself if Config.Self is set.
	Sources  *source.Service
	Homes    *home.Service    // homes and switches
	Friends  *friend.Service  // friends and invitations
	PINs     *pin.Service     // pending sign-ins of devices
	Sessions *session.Service // sign-ins to the pages
	Passkeys *passkey.Service // keys that sign in without a password
	Origins  *origin.Service  // allowed origins of redirects
	Invites  *invite.Service  // links with which users create an account
	Webhooks *webhook.Service // webhook addresses and requests
	Outbox   *mail.Outbox     // queued e-mails
	// AdminKeys manages the keys of the admin API.
	AdminKeys *adminkey.Service
	// Hashing admits password checks; its load is reported in the metrics.
	Hashing *guard.Admission

	// SetupKey is the secret of the link that creates the first account, on every node
	// of a shared database. If empty, each process has its own.
	SetupKey plexauth.Secret
	// Created reports whether Open created the database.
	Created bool
	// Logger and Now are from the Config, never nil.
	Logger *slog.Logger
	Now    func() time.Time

	cfg Config
	key *seal.Key
}

// Template is an empty database that others are copies of. Its zero value is ready to use.
type Template = db.Template

// ErrNoDatabase reports that the data folder has no database.
var ErrNoDatabase = db.ErrNoDatabase

// CheckDatabase returns an error if the URL of a database cannot be read, without its text.
func CheckDatabase(url plexauth.Secret) error { return db.CheckURL(string(url)) }

// ErrRefused reports that a PostgreSQL server denies access to this user.
var ErrRefused = db.ErrRefused

// ErrPredictable reports that secrets of a database that stays would be predictable.
var ErrPredictable = errors.New("ids, tokens and codes may be predictable in a database in memory only")

// random returns the source of randomness of a service.
func (cfg Config) random(service string) io.Reader {
	if cfg.Random == nil {
		return rand.Reader
	}
	return cfg.Random(service)
}

// Open opens the database and its key, and builds the services. The error is
// ErrNoDatabase, a *HeldError, a *FolderError or a *KeyError where the caller can
// tell the user what to do about it.
func Open(ctx context.Context, cfg Config) (*Core, error) {
	cfg = cfg.withDefaults()
	if cfg.Random != nil && (cfg.Dir != "" || cfg.Database != "") {
		return nil, ErrPredictable
	}
	d, created, err := openDB(ctx, cfg)
	if err != nil {
		return nil, err
	}
	key, err := openKey(ctx, d, cfg)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	c, err := build(ctx, d, newLog(d, cfg), key, cfg)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	c.Created = created
	if err := c.Accounts.FillSkeletons(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return c, nil
}

// Restart returns a Core on the same open database, with the same configuration. As
// after a restart of the process, the state that the services held in memory is lost:
// transient tokens, limits, challenges and caches. The database is shared: close only
// one of the two.
func (c *Core) Restart(ctx context.Context) (*Core, error) {
	return build(ctx, c.DB, c.Audit, c.key, c.cfg)
}

// Mark saves the content of a database in memory, for Rewind.
func (c *Core) Mark(ctx context.Context) error { return c.DB.Mark(ctx) }

// Rewind restores a database in memory to its content at the last Mark, and invalidates
// every transient token.
func (c *Core) Rewind(ctx context.Context) error {
	if err := c.DB.Rewind(ctx); err != nil {
		return err
	}
	return c.Tokens.RenewTransientKey()
}

// newLog returns the audit log of a database.
func newLog(d *db.DB, cfg Config) *audit.Log {
	return audit.New(audit.Config{
		DB: d, Rows: store.Audit{}, Tallies: store.Tallies{}, Logger: cfg.Logger, Now: cfg.Now,
	})
}

// build creates the services on an open database, the lower ones first.
func build(ctx context.Context, d *db.DB, log *audit.Log, key *seal.Key, cfg Config) (*Core, error) {
	c := &Core{
		DB: d, Audit: log, Hashing: guard.NewAdmission(cfg.HashSlots, cfg.HashQueue),
		Logger: cfg.Logger, Now: cfg.Now, cfg: cfg, key: key,
	}
	proofs := signin.New(signin.Config{DB: d, Rows: store.Proofs{}, Audit: log})
	c.buildAccounts(proofs)
	if err := c.buildTokens(proofs); err != nil {
		return nil, err
	}
	if err := c.buildSources(ctx); err != nil {
		return nil, err
	}
	if cfg.Self == nil || !d.Shared() {
		return c, nil
	}
	if err := c.joinNodes(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// buildAccounts creates the services of accounts, and those that they notify.
func (c *Core) buildAccounts(proofs *signin.Spender) {
	d, log, key, cfg := c.DB, c.Audit, c.key, c.cfg
	c.Webhooks = webhook.New(webhook.Config{
		DB: d, Rows: store.Webhooks{}, Audit: log, Key: key, Networks: cfg.WebhookNetworks, Server: c.self,
		Logger: cfg.Logger, Now: cfg.Now,
	})
	c.Outbox = mail.NewOutbox(mail.OutboxConfig{DB: d, Rows: store.Outbox{}, Key: key})
	c.Notices = notify.New(notify.Config{DB: d, Rows: store.Notices{}, Audit: log, Logger: cfg.Logger, Now: cfg.Now})
	c.Devices = device.New(device.Config{DB: d, Rows: store.Devices{}, Watchers: []device.Watcher{c.Webhooks, c.Notices}})
	c.Origins = origin.New(origin.Config{DB: d, Rows: store.Origins{}, Audit: log})
	c.Accounts = account.New(account.Config{
		DB: d, Rows: store.Accounts{}, Tries: store.Tries{}, Audit: log, Key: key, Proofs: proofs, Devices: c.Devices,
		Hashing: c.Hashing, Outbox: c.Outbox, FailedTries: cfg.FailedTries, MembersSetEmail: cfg.MembersSetEmail, SignUp: cfg.SignUp,
		Argon2id: cfg.Argon2id, Cost: cfg.HashCost, Now: cfg.Now, Random: cfg.random("account"),
	})
	c.AdminKeys = adminkey.New(adminkey.Config{
		DB: d, Rows: store.AdminKeys{}, Accounts: c.Accounts, Audit: log, FailedTries: cfg.FailedTries, Now: cfg.Now,
		Random: cfg.random("adminkey"),
	})
	c.Signing = signing.New(signing.Config{DB: d, Rows: store.SigningKeys{}, Key: key, Audit: log, Now: cfg.Now, Random: cfg.random("signing")})
}

// buildTokens creates the services of tokens and sessions, and those that issue them.
func (c *Core) buildTokens(proofs *signin.Spender) error {
	d, log, key, cfg := c.DB, c.Audit, c.key, c.cfg
	var err error
	c.Tokens, err = token.New(token.Config{
		DB: d, Rows: store.Tokens{}, KeyRows: store.TransientKeys{}, Accounts: c.Accounts, Devices: c.Devices, Signing: c.Signing, Proofs: proofs,
		Audit: log, Key: key,
		TransientTTL: cfg.TransientTTL, CacheSize: cfg.TokenCache, Logger: cfg.Logger, Now: cfg.Now, Random: cfg.random("token"),
	})
	if err != nil {
		return err
	}
	c.DeviceKeys = devicekey.New(devicekey.Config{
		DB: d, Rows: store.DeviceKeys{}, Accounts: c.Accounts, Tokens: c.Tokens, Audit: log, Key: key,
		FailedTries: cfg.FailedTries, Now: cfg.Now, Random: cfg.random("devicekey"),
	})
	c.Claims = claim.New(claim.Config{
		DB: d, Rows: store.DeviceKeys{}, Accounts: c.Accounts, Tokens: c.Tokens, Key: key, Now: cfg.Now, Random: cfg.random("claim"),
	})
	c.Homes = home.New(home.Config{
		DB: d, Rows: store.Homes{}, Accounts: c.Accounts, Tokens: c.Tokens, Audit: log,
		FailedTries: cfg.FailedTries, Now: cfg.Now,
	})
	c.PINs = pin.New(pin.Config{
		DB: d, Rows: store.PINs{}, Tries: store.Tries{}, Accounts: c.Accounts, Tokens: c.Tokens, Keys: c.DeviceKeys, Key: key,
		Audit:       log,
		FailedTries: cfg.FailedTries, Now: cfg.Now, Random: cfg.random("pin"),
	})
	c.Sessions = session.New(session.Config{
		DB: d, Rows: store.Sessions{}, Proofs: proofs, Tokens: c.Tokens, Audit: log, Now: cfg.Now,
	})
	c.Passkeys = passkey.New(passkey.Config{
		DB: d, Rows: store.Passkeys{}, Challenges: store.Challenges{}, Accounts: c.Accounts, Audit: log,
		PublicURL: cfg.PublicURL, Begins: 10 * cfg.FailedTries, Now: cfg.Now,
	})
	return nil
}

// buildSources creates the services of servers and their shares.
func (c *Core) buildSources(ctx context.Context) error {
	d, log, cfg := c.DB, c.Audit, c.cfg
	sources := source.Config{
		DB: d, Rows: store.Sources{}, Shares: store.Shares{}, Sections: store.Sections{}, Settings: store.Settings{DB: d},
		Accounts: c.Accounts, Tokens: c.Tokens, Audit: log, Random: cfg.random("source"),
	}
	if cfg.Self == nil {
		c.Sources = source.New(sources)
	} else {
		var err error
		if c.Sources, err = source.NewWithSelf(ctx, cfg.By, sources, *cfg.Self); err != nil {
			return err
		}
	}
	c.Invites = invite.NewService(invite.Config{
		DB: d, Rows: store.Invitations{}, Accounts: c.Accounts, Passkeys: c.Passkeys, Sources: c.Sources, Outbox: c.Outbox, Audit: log,
		FailedTries: cfg.FailedTries, Now: cfg.Now,
	})
	c.Friends = friend.New(friend.Config{
		DB: d, Rows: store.Friends{}, Accounts: c.Accounts, Sources: c.Sources, Audit: log,
	})
	return nil
}

// joinNodes prepares a server that shares its database with other nodes.
func (c *Core) joinNodes(ctx context.Context) (err error) {
	if c.SetupKey, err = sharedSetupKey(ctx, c.DB, c.key); err != nil {
		return err
	}
	if err := c.Tokens.ShareKey(ctx); err != nil {
		return err
	}
	// A move that began before the key was stored has not seen this node, and one that
	// begins later does.
	if err := c.DB.CheckMove(ctx); err != nil {
		return errors.Join(err, c.Tokens.WithdrawKey(ctx))
	}
	return nil
}

// self returns the name and the identifier of this server. Both are empty in a process
// that does not serve requests.
func (c *Core) self() (name, identifier string) {
	if c.cfg.Self == nil || c.Sources == nil {
		return "", ""
	}
	self := c.Sources.Self()
	return self.Name, self.Identifier
}

// Run does the background work until ctx is cancelled: it stores when tokens were last
// used, prunes the audit log and the outbox, counts events, and sends webhooks.
func (c *Core) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { c.Tokens.Run(ctx) })
	wg.Go(func() { c.Audit.Retain(ctx, c.cfg.AuditKeep) })
	wg.Go(func() { c.Audit.KeepCounting(ctx) })
	wg.Go(func() { c.Webhooks.Run(ctx) })
	wg.Go(func() { c.Outbox.Retain(ctx, c.Logger) })
	wg.Wait()
}

// closeTimeout limits how long Close waits for a remote database.
const closeTimeout = 5 * time.Second

// RunNotices queues the e-mails with notices, until ctx is cancelled. write returns the
// text of one.
func (c *Core) RunNotices(ctx context.Context, write func(notify.Mail) mail.Message) {
	c.Notices.Run(ctx, func(ctx context.Context, tx *db.Tx, m notify.Mail) error { return c.Outbox.Add(ctx, tx, write(m)) })
}

// Close invalidates the transient tokens of this process on all nodes, finishes pending
// writes and closes the database.
func (c *Core) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := c.Tokens.WithdrawKey(ctx); err != nil && !errors.Is(err, db.ErrClosed) {
		// They expire with the lease.
		c.Logger.Warn("cannot end the transient tokens at once", "error", err)
	}
	return c.DB.Close()
}

// ServerName returns the name of this server, or "".
func (c *Core) ServerName() string {
	if c.Sources == nil || c.Sources.Self().Name == source.DefaultName {
		return ""
	}
	return c.Sources.Self().Name
}

// FolderError reports that the data folder cannot be read or written.
type FolderError struct{ Err error }

func (e *FolderError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *FolderError) Unwrap() error { return e.Err }

// begin stores the initial settings of a new database. After a crash, there is either a
// database with them or none, so that an interrupted first start cannot disable the
// rule that admins need a second factor.
func (cfg Config) begin(ctx context.Context, exec db.Exec) error {
	if cfg.AdminGrace <= 0 {
		return nil
	}
	rule, err := account.AdminRule{On: true, Since: cfg.withDefaults().Now(), Grace: cfg.AdminGrace}.Stored()
	if err != nil {
		return err
	}
	return store.Accounts{}.BeginAdminRule(ctx, exec, rule)
}

// openDB opens the database, unless it is one side of a move: *MoveError. It creates
// one where cfg allows it, and reports whether it did.
func openDB(ctx context.Context, cfg Config) (d *db.DB, created bool, err error) {
	d, created, err = openAny(ctx, cfg)
	if err != nil {
		return nil, false, err
	}
	if err := d.CheckMove(ctx); err != nil {
		return nil, false, errors.Join(err, d.Close())
	}
	return d, created, nil
}

// openAny is openDB for a move.
func openAny(ctx context.Context, cfg Config) (d *db.DB, created bool, err error) {
	open := dbConfig(cfg)
	open.Created = cfg.begin
	d, err = db.Open(ctx, open)
	if errors.Is(err, ErrNoDatabase) && !cfg.MustExist {
		open.MustExist = false
		d, err = db.Open(ctx, open)
		created = err == nil
	}
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = &FolderError{err}
	}
	return d, created, err
}
