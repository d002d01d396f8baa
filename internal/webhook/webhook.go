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

// Topic is announced when something is to be sent. The key is of no interest.
const Topic db.Topic = "webhook"

const (
	// PerAccount is how many addresses an account has at most.
	PerAccount = 10
	// maxWaiting is how many requests of an account wait at most. What happens
	// while as many wait is not sent.
	maxWaiting = 40
	maxURL     = 2048
)

// ErrTooMany reports that an account would have too many addresses.
var ErrTooMany = fault.Invalidf("urls[]", "an account has %d webhooks at most", PerAccount)

// Hook is an address of an account.
type Hook struct {
	ID  int64
	URL string
}

// Subscriber is an account, as its events name it.
type Subscriber struct {
	ID    int64
	UUID  string
	Title string
	Admin bool
	// Generation counts the secrets that the account has had.
	Generation int64
}

// Delivery is a request that waits to be sent.
type Delivery struct {
	ID      int64
	URL     string
	Account Subscriber
	Payload []byte
	// Tries is how many requests have failed.
	Tries int
	DueAt time.Time
}

// Rows is what a Service needs stored. Package store implements it.
type Rows interface {
	// Subscriber returns an account: db.ErrNotFound.
	Subscriber(ctx context.Context, q db.Querier, accountID int64) (Subscriber, error)
	// SetGeneration replaces the generation of an account's secret.
	SetGeneration(ctx context.Context, tx *db.Tx, accountID, generation int64) error
	// Hooks returns the addresses of an account, in the order in which they were
	// added.
	Hooks(ctx context.Context, q db.Querier, accountID int64) ([]Hook, error)
	// Insert adds an address, and Delete removes one with what waits for it.
	Insert(ctx context.Context, tx *db.Tx, accountID int64, url string) error
	Delete(ctx context.Context, tx *db.Tx, id int64) error
	// Waiting counts what waits to be sent for an account.
	Waiting(ctx context.Context, q db.Querier, accountID int64) (int, error)
	// Queue adds a request that is due now.
	Queue(ctx context.Context, tx *db.Tx, accountID, hookID int64, payload []byte) error
	// Due returns the requests that are due at a time, those that wait longest
	// first, limit at most.
	Due(ctx context.Context, q db.Querier, at time.Time, limit int) ([]Delivery, error)
	// NextDue returns when the next request is due that is not due at a time yet:
	// db.ErrNotFound.
	NextDue(ctx context.Context, q db.Querier, at time.Time) (time.Time, error)
	// PutOff sets how often a request has failed, and when it is due, if it was due
	// at a time: db.ErrNotFound.
	PutOff(ctx context.Context, tx *db.Tx, id int64, was time.Time, tries int, due time.Time) error
	// Forget removes a request, if it was due at a time: db.ErrNotFound.
	Forget(ctx context.Context, tx *db.Tx, id int64, was time.Time) error
}

// Config is what a Service stands on.
type Config struct {
	// DB is the database, and Rows its tables. Required.
	DB   *db.DB
	Rows Rows
	// Audit is the log of what happens to accounts. Required.
	Audit *audit.Log
	// Key is what the secrets of accounts are derived from. Required.
	Key *seal.Key
	// Networks are those that requests may go to although they are not public.
	Networks []netip.Prefix
	// Server returns the name and the identifier of this server. Nil: it has none.
	Server func() (name, identifier string)
	// Logger gets what cannot be sent. Nil: nothing is logged.
	Logger *slog.Logger
	// Now returns the time. Nil: time.Now.
	Now func() time.Time
}

// Service keeps the addresses, and sends. It is safe for concurrent use.
type Service struct {
	cfg    Config
	key    [32]byte
	alarm  db.Alarm // makes Run look for what is due
	sender sender
	counts counts
}

// counts is what became of requests.
type counts struct{ sent, failed, dropped atomic.Int64 }

// Stats is what became of the requests of this process.
type Stats struct {
	Sent    int64 // accepted by the receiver
	Failed  int64 // not accepted; some of them were sent again
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

// Stats returns what became of the requests of this process.
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

// Set replaces the addresses of an account, and returns them. What waits for one that
// stays is still sent. fault.Invalid.
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

// Add adds an address to those of an account. fault.Invalid.
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

// Remove removes an address of an account, with what waits for it. One that is not
// there is no error.
func (s *Service) Remove(ctx context.Context, by audit.Actor, accountID int64, text string) error {
	_, err := s.change(ctx, by, accountID, func(now []string) []string {
		return slices.DeleteFunc(now, func(one string) bool { return one == text })
	})
	return err
}

// change replaces the addresses of an account by those that wanted makes of them, and
// returns these.
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
	// An address may have a secret in it, so the log has their number only.
	return s.cfg.Audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.WebhooksChanged, AccountID: accountID, Detail: fmt.Sprintf("%d", len(wanted)), Added: added,
	})
}

// check checks an address. Names are looked up when something is sent: they may lead
// elsewhere by then.
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

// Secret returns the secret that an account's requests are signed with, to somebody who
// reads it: nobody does without a row in the audit log. ErrNotFound of the database if
// there is no such account.
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

// Renew replaces the secret of an account, and returns the new one: what is sent from now
// on is signed with it.
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

// Sign returns the signature of a payload: its HMAC-SHA256 in hexadecimal digits.
func Sign(secret plexauth.Secret, payload []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(payload)
	return hex.EncodeToString(mac.Sum(nil))
}

// SignedIn implements device.Watcher: it queues what is sent about a device that
// signs in.
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
