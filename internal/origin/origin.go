// Package origin manages the sites that users are sent back to after sign-in
// without a question.
//
// It owns the syntax of an origin and the list of those that an admin allowed. It
// does not own the redirect (package web).
package origin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
)

// Errors that callers distinguish.
var (
	// ErrNotFound reports that an origin is not on the list.
	ErrNotFound = fault.New(fault.NotFound, "this origin is not on the list")
	// ErrExists reports that an origin is already on the list.
	ErrExists = fault.New(fault.Exists, "this origin is allowed already")
)

// field is the field that an Invalid error names.
const field = "origin"

// defaultPorts are the ports that an origin omits.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// Of returns the origin of a URL, as browsers write it.
func Of(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != defaultPorts[u.Scheme] {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}

// maxOrigin is the maximum length of an origin, in bytes. A host name has at most 253.
const maxOrigin = 270

// Parse parses scheme://host[:port], where the scheme is http or https and nothing
// follows, and returns it as Of writes it. Attack: an origin that differs from what an
// admin sees in it, by a user name before the host, a path after it, or letters that
// look like others. Errors: fault.Invalid.
func Parse(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || len(text) > maxOrigin:
		return "", fault.Invalidf(field, "the origin is not of the form https://app.example.org or http://192.168.1.5:8080")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fault.Invalidf(field, "the origin begins with neither https:// nor http://")
	case !strings.EqualFold(text, u.Scheme+"://"+u.Host):
		return "", fault.Invalidf(field, "the origin has more than a host and a port: leave out what comes before or after them")
	}
	if err := checkHost(u.Hostname()); err != nil {
		return "", err
	}
	if strings.HasSuffix(u.Host, ":") || u.Port() != "" && !usablePort(u.Port()) {
		return "", fault.Invalidf(field, "the origin has no usable port after the colon")
	}
	return Of(u), nil
}

// checkHost accepts only a host name in ASCII, or an IP address as browsers write
// it.
func checkHost(host string) error {
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" || ip.String() != strings.ToLower(host) {
			return fault.Invalidf(field, "the origin's address would be written %s", ip.WithZone(""))
		}
		return nil
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		odd := strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_")
		if label == "" || odd != "" {
			return fault.Invalidf(field, "the origin's host has a character other than letters, digits and dashes: "+
				"a name with others is written in its xn-- form")
		}
	}
	return nil
}

func usablePort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= 65535 && strconv.Itoa(n) == text
}

// Origin is a site that users are sent back to without a question.
type Origin struct {
	// Origin is scheme://host, with a port unless it is the scheme's own.
	Origin    string
	CreatedAt time.Time // when it was allowed
}

// Rows is the storage of a Service. Package store implements it.
type Rows interface {
	// List reads the allowed origins by name.
	List(ctx context.Context, q db.Querier, r paging.Request) (paging.List[Origin], error)
	// Has reports whether an origin is on the list.
	Has(ctx context.Context, q db.Querier, origin string) (bool, error)
	// Count counts the origins, up to paging.Counted.
	Count(ctx context.Context, q db.Querier) (int, error)
	// Insert adds an origin. The error is db.ErrConflict if it is on the list.
	Insert(ctx context.Context, tx *db.Tx, o Origin) error
	// Delete removes an origin. The error is db.ErrNotFound if it is not on the list.
	Delete(ctx context.Context, tx *db.Tx, origin string) error
}

// Config has the dependencies of a Service. All fields are required.
type Config struct {
	// DB is the database, and Rows its table.
	DB   *db.DB
	Rows Rows
	// Audit is the audit log.
	Audit *audit.Log
}

// Service manages the list. It is safe for concurrent use.
type Service struct{ cfg Config }

// New returns a Service.
func New(cfg Config) *Service { return &Service{cfg} }

// List reads the allowed origins by name.
func (s *Service) List(ctx context.Context, r paging.Request) (paging.List[Origin], error) {
	list, err := s.cfg.Rows.List(ctx, s.cfg.DB, r)
	return list, db.Wrap("listing origins", err)
}

// Count counts the allowed origins, up to paging.Counted.
func (s *Service) Count(ctx context.Context) (int, error) { return s.cfg.Rows.Count(ctx, s.cfg.DB) }

// Allow adds an origin to the list, and returns it as it is stored. Errors:
// fault.Invalid, ErrExists.
func (s *Service) Allow(ctx context.Context, by audit.Actor, text string) (string, error) {
	o, err := Parse(text)
	if err != nil {
		return "", err
	}
	err = s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.cfg.Rows.Insert(ctx, tx, Origin{o, tx.Now()}); err != nil {
			return err
		}
		return s.cfg.Audit.Record(ctx, tx, by, audit.Event{Kind: audit.OriginAllowed, Detail: o})
	})
	if errors.Is(err, db.ErrConflict) {
		err = fmt.Errorf("%w (%w)", ErrExists, err)
	}
	return o, err
}

// Remove removes an origin from the list, and returns it as it was stored. Errors:
// fault.Invalid, ErrNotFound.
func (s *Service) Remove(ctx context.Context, by audit.Actor, text string) (string, error) {
	o, err := Parse(text)
	if err != nil {
		return "", err
	}
	err = s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.cfg.Rows.Delete(ctx, tx, o); err != nil {
			return err
		}
		return s.cfg.Audit.Record(ctx, tx, by, audit.Event{Kind: audit.OriginRemoved, Detail: o})
	})
	if errors.Is(err, db.ErrNotFound) {
		err = fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return o, err
}

// Allows reports whether the origin of a URL is on the list.
func (s *Service) Allows(ctx context.Context, u *url.URL) (bool, error) {
	has, err := s.cfg.Rows.Has(ctx, s.cfg.DB, Of(u))
	return has, db.Wrap("looking for an origin", err)
}
