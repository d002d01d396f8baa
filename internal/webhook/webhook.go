package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/plexauth"
)

// Topic is announced when there is a request to send. The key has no meaning.
const Topic db.Topic = "webhook"

const (
	// PerAccount is the maximum number of addresses of an account.
	PerAccount = 10
	// maxWaiting is the maximum number of queued requests of an account. Events beyond
	// that are dropped.
	maxWaiting = 40
	maxURL     = 2048
)

// ErrTooMany reports that an account would have too many addresses.
var ErrTooMany = fault.Invalidf("urls[]", "an account has %d webhooks at most", PerAccount)

// Hook is a registered address of an account.
type Hook struct {
	ID  int64
	URL string
}

// Subscriber is an account, with what its events say about it.
type Subscriber struct {
	ID    int64
	UUID  string
	Title string
	Admin bool
	// Generation is the number of times that the account's secret was replaced.
	Generation int64
}

// Delivery is a queued request.
type Delivery struct {
	ID      int64
	URL     string
	Account Subscriber
	Payload []byte
	// Tries is the number of failed attempts.
	Tries int
	DueAt time.Time
}

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// Subscriber returns an account, or db.ErrNotFound.
	Subscriber(ctx context.Context, q db.Querier, accountID int64) (Subscriber, error)
	// SetGeneration replaces the generation of an account's secret.
	SetGeneration(ctx context.Context, tx *db.Tx, accountID, generation int64) error
	// Hooks returns the addresses of an account, in the order in which they were
	// added.
	Hooks(ctx context.Context, q db.Querier, accountID int64) ([]Hook, error)
	// Insert adds an address. Delete removes one, with its queued requests.
	Insert(ctx context.Context, tx *db.Tx, accountID int64, url string) error
	Delete(ctx context.Context, tx *db.Tx, id int64) error
	// Waiting counts the queued requests of an account.
	Waiting(ctx context.Context, q db.Querier, accountID int64) (int, error)
	// Queue adds a request that is due now.
	Queue(ctx context.Context, tx *db.Tx, accountID, hookID int64, payload []byte) error
	// Due returns the requests that are due at a time, the longest-waiting first, at
	// most limit.
	Due(ctx context.Context, q db.Querier, at time.Time, limit int) ([]Delivery, error)
	// NextDue returns the time at which the next request becomes due after a time, or
	// db.ErrNotFound.
	NextDue(ctx context.Context, q db.Querier, at time.Time) (time.Time, error)
	// PutOff sets the number of failed attempts of a request, and when it is due. If it
	// was not due at the time was, the error is db.ErrNotFound.
	PutOff(ctx context.Context, tx *db.Tx, id int64, was time.Time, tries int, due time.Time) error
	// Forget removes a request. If it was not due at the time was, the error is
	// db.ErrNotFound.
	Forget(ctx context.Context, tx *db.Tx, id int64, was time.Time) error
}

// Config configures a Service.
type Config struct {
	// DB is the database, and Rows its tables. Required.
	DB   *db.DB
	Rows Rows
	// Audit is the audit log. Required.
	Audit *audit.Log
	// Key is the key that the secrets of accounts are derived from. Required.
	Key *seal.Key
	// Networks are the non-public networks to which requests may be sent.
	Networks []netip.Prefix
	// Server returns the name and the identifier of this server. If nil, the server has
	// none.
	Server func() (name, identifier string)
	// Logger receives failures to send. If nil, nothing is logged.
	Logger *slog.Logger
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Service stores the addresses and sends the requests. It is safe for concurrent use.
type Service struct {
	cfg    Config
	key    [32]byte
	alarm  db.Alarm // wakes Run
	sender sender
	counts counts
}

// counts counts the results of requests.
type counts struct{ sent, failed, dropped atomic.Int64 }

// Stats counts the requests of this process since its start.
type Stats struct {
	Sent    int64 // accepted by the receiver
	Failed  int64 // attempts that failed, including those that were retried
	Dropped int64 // given up, or never queued
}

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Server == nil {
		cfg.Server = func() (name, identifier string) { return "", "" }
	}
	return &Service{cfg: cfg, key: cfg.Key.Derive("webhooks"), alarm: cfg.DB.Alarm(Topic), sender: newSender(cfg.Networks)}
}

// Stats returns the counts of this process.
func (s *Service) Stats() Stats {
	return Stats{s.counts.sent.Load(), s.counts.failed.Load(), s.counts.dropped.Load()}
}

// URLs returns the addresses of an account.
func (s *Service) URLs(ctx context.Context, accountID int64) ([]string, error) {
	hooks, err := s.cfg.Rows.Hooks(ctx, s.cfg.DB, accountID)
	if err != nil {
		return nil, fmt.Errorf("listing webhooks: %w", err)
	}
	return urls(hooks), nil
}

func urls(hooks []Hook) []string {
	list := make([]string, 0, len(hooks))
	for _, h := range hooks {
		list = append(list, h.URL)
	}
	return list
}

// Set replaces the addresses of an account, and returns them. Queued requests for
// addresses that stay are still sent. Errors: fault.Invalid.
func (s *Service) Set(ctx context.Context, by audit.Actor, accountID int64, list []string) ([]string, error) {
	var wanted []string
	for _, text := range list {
		if err := s.check(text); err != nil {
			return nil, err
		}
		if !slices.Contains(wanted, text) {
			wanted = append(wanted, text)
		}
	}
	return s.change(ctx, by, accountID, func([]string) []string { return wanted })
}

// Add adds an address to those of an account. Errors: fault.Invalid.
func (s *Service) Add(ctx context.Context, by audit.Actor, accountID int64, text string) error {
	if err := s.check(text); err != nil {
		return err
	}
	_, err := s.change(ctx, by, accountID, func(now []string) []string {
		if slices.Contains(now, text) {
			return now
		}
		return append(now, text)
	})
	return err
}

// Remove removes an address of an account, with its queued requests. It is not an error
// if the account does not have the address.
func (s *Service) Remove(ctx context.Context, by audit.Actor, accountID int64, text string) error {
	_, err := s.change(ctx, by, accountID, func(now []string) []string {
		return slices.DeleteFunc(now, func(one string) bool { return one == text })
	})
	return err
}

// change replaces the addresses of an account with those that wanted returns, and
// returns them.
func (s *Service) change(
	ctx context.Context, by audit.Actor, accountID int64, wanted func(now []string) []string,
) ([]string, error) {
	var after []Hook
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		before, err := s.cfg.Rows.Hooks(ctx, tx, accountID)
		if err != nil {
			return err
		}
		list := wanted(urls(before))
		if len(list) > PerAccount {
			return ErrTooMany
		}
		if err := s.replace(ctx, tx, by, accountID, before, list); err != nil {
			return err
		}
		after, err = s.cfg.Rows.Hooks(ctx, tx, accountID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("setting webhooks: %w", err)
	}
	return urls(after), nil
}

func (s *Service) replace(
	ctx context.Context, tx *db.Tx, by audit.Actor, accountID int64, before []Hook, wanted []string,
) error {
	changes, added := 0, false
	for _, h := range before {
		if slices.Contains(wanted, h.URL) {
			continue
		}
		changes++
		if err := s.cfg.Rows.Delete(ctx, tx, h.ID); err != nil {
			return err
		}
	}
	for _, text := range wanted {
		if slices.Contains(urls(before), text) {
			continue
		}
		changes, added = changes+1, true
		if err := s.cfg.Rows.Insert(ctx, tx, accountID, text); err != nil {
			return err
		}
	}
	if changes == 0 {
		return nil
	}
	// An address may contain a secret, so the log records only their number.
	return s.cfg.Audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.WebhooksChanged, AccountID: accountID, Detail: fmt.Sprintf("%d", len(wanted)), Added: added,
	})
}

// check validates an address. Host names are resolved when a request is sent, because
// they may change until then.
func (s *Service) check(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return fault.Invalidf("urls[]", "a webhook is not an address: it is too long")
	case err != nil || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fault.Invalidf("urls[]", "a webhook is not an address: it cannot be read")
	case u.Scheme != "http" && u.Scheme != "https":
		return fault.Invalidf("urls[]", "a webhook is not an address: it does not begin with https:// or http://")
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return fault.Invalidf("urls[]", "a webhook is not an address: it has no host, or a user, or a fragment")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !s.sender.may(ip) {
		return fault.Invalidf("urls[]", "webhooks are not sent to an address that is not public")
	}
	return nil
}

// Secret returns the secret that signs an account's requests, and records in the audit
// log that it was read. The error is db.ErrNotFound if there is no such account.
func (s *Service) Secret(ctx context.Context, by audit.Actor, accountID int64) (secret plexauth.Secret, err error) {
	err = s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.cfg.Rows.Subscriber(ctx, tx, accountID)
		if err != nil {
			return err
		}
		secret = s.secret(a)
		return s.cfg.Audit.Record(ctx, tx, by, audit.Event{Kind: audit.WebhookSecretShown, AccountID: accountID})
	})
	if err != nil {
		return "", fmt.Errorf("finding the secret of webhooks: %w", err)
	}
	return secret, nil
}

// Renew replaces the secret of an account, and returns the new one. All later requests
// are signed with it.
func (s *Service) Renew(ctx context.Context, by audit.Actor, accountID int64) (secret plexauth.Secret, err error) {
	err = s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.cfg.Rows.Subscriber(ctx, tx, accountID)
		if err != nil {
			return err
		}
		a.Generation++
		if err := s.cfg.Rows.SetGeneration(ctx, tx, accountID, a.Generation); err != nil {
			return err
		}
		secret = s.secret(a)
		return s.cfg.Audit.Record(ctx, tx, by, audit.Event{Kind: audit.WebhookSecretRenewed, AccountID: accountID})
	})
	if err != nil {
		return "", fmt.Errorf("renewing the secret of webhooks: %w", err)
	}
	return secret, nil
}

func (s *Service) secret(a Subscriber) plexauth.Secret {
	mac := hmac.New(sha256.New, s.key[:])
	fmt.Fprintf(mac, "%s %d", a.UUID, a.Generation)
	return plexauth.Secret(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// Sign returns the signature of a payload: its HMAC-SHA256 in hexadecimal.
func Sign(secret plexauth.Secret, payload []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(payload)
	return hex.EncodeToString(mac.Sum(nil))
}

// SignedIn implements device.Watcher. It queues the requests about a device that signed
// in.
func (s *Service) SignedIn(
	ctx context.Context, tx *db.Tx, accountID int64, d device.Device, isNew bool,
) error {
	hooks, err := s.cfg.Rows.Hooks(ctx, tx, accountID)
	if err != nil || len(hooks) == 0 {
		return err
	}
	account, err := s.cfg.Rows.Subscriber(ctx, tx, accountID)
	if err != nil {
		return err
	}
	waiting, err := s.cfg.Rows.Waiting(ctx, tx, accountID)
	if err != nil {
		return err
	}
	events := []string{signedIn}
	if isNew {
		events = []string{newDevice, signedIn}
	}
	for _, event := range events {
		text, err := s.payload(event, rand.Text(), tx.Now(), account, d)
		if err != nil {
			return err
		}
		for _, h := range hooks {
			if waiting++; waiting > maxWaiting {
				s.counts.dropped.Add(1)
				continue
			}
			if err := s.cfg.Rows.Queue(ctx, tx, accountID, h.ID, text); err != nil {
				return err
			}
		}
	}
	return nil
}
