package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// Check is a row of the table: one rule of the protocol.
type Check struct {
	// ID names the check: its group, a slash, and a name.
	ID string `json:"id"`
	// Says is the rule, in a sentence about the server.
	Says string `json:"says"`
	// Writes says that the check changes something on the server.
	Writes bool `json:"writes"`
	// Source is where the rule is known from.
	Source string `json:"source"`
	// Sure is how sure that is.
	Sure Certainty `json:"sure"`

	run func(context.Context, *probe) error
}

// Group is what the check is about: the first part of its ID.
func (c Check) Group() string {
	group, _, _ := strings.Cut(c.ID, "/")
	return group
}

// Certainty is how sure a rule is.
type Certainty string

// How sure a rule is, the surest first.
const (
	// Seen on the wire: a published client sends or demands it, and was run.
	Seen Certainty = "seen on the wire"
	// Read in the source of a published client.
	Read Certainty = "client's source"
	// Documented by Plex, or published about it.
	Documented Certainty = "documented"
	// Inferred: no client depends on it, and anything else would be a weakness.
	Inferred Certainty = "inferred"
)

// Table returns all checks, in the order in which they run. Those that use up what
// the others need come last.
func Table() []Check {
	return slices.Concat(signInChecks(), accountChecks(), transientChecks(), sourceChecks(), formatChecks(),
		pinChecks(), homeChecks(), jwtChecks(), securityChecks(), guessingChecks())
}

// Groups returns the names of the groups, in the order of the table.
func Groups() []string {
	var names []string
	for _, c := range Table() {
		if !slices.Contains(names, c.Group()) {
			names = append(names, c.Group())
		}
	}
	return names
}

// Config says which server is asked, and with what.
type Config struct {
	// URL is the base URL of the account plane.
	URL *url.URL
	// Media is that of the media plane. Nil: URL.
	Media *url.URL
	// AllowWrites runs the checks that change something, too.
	AllowWrites bool
	// Login and Password are of an account. Signing in takes AllowWrites.
	Login    string
	Password plexauth.Secret
	// Token is an access token of the account. If empty, it is that of a sign-in.
	Token plexauth.Secret
	// OtherToken is an access token of another account, which is not an admin of the
	// media server and owns no server.
	OtherToken plexauth.Secret
	// Client sends the requests. If nil, it is one with a timeout of ten seconds.
	Client *http.Client
	// Report is called with each result as soon as it is known. It may be nil.
	Report func(Result)
}

// Outcome is what a check has found.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Result is the outcome of a check.
type Result struct {
	Check
	// Outcome is what was found.
	Outcome Outcome `json:"outcome"`
	// Reason is why it failed or was skipped. Empty if it passed.
	Reason string `json:"reason,omitempty"`
	// Took is how long it took.
	Took time.Duration `json:"-"`
}

// skipError is why a check could not be tried.
type skipError struct{ reason string }

func (e *skipError) Error() string { return e.reason }

// skipf says why a check cannot be tried.
func skipf(format string, args ...any) error { return &skipError{fmt.Sprintf(format, args...)} }

// ErrUnreachable is the error of Run if nothing answers at the URL.
var ErrUnreachable = errors.New("nothing answers")

// Run runs checks in turn, and returns their results. What they add to the server is
// removed in the end, as far as the protocol can.
func Run(ctx context.Context, cfg Config, checks []Check) ([]Result, error) {
	p := newProbe(cfg)
	defer p.cleanUp(context.WithoutCancel(ctx))
	if err := p.reach(ctx); err != nil {
		return nil, err
	}
	results := make([]Result, 0, len(checks))
	for _, c := range checks {
		start := time.Now()
		r := p.try(ctx, c)
		if ctx.Err() != nil {
			return results, ctx.Err()
		}
		r.Took = time.Since(start)
		if cfg.Report != nil {
			cfg.Report(r)
		}
		results = append(results, r)
	}
	return results, nil
}

// try runs one check.
func (p *probe) try(ctx context.Context, c Check) Result {
	if c.Writes && !p.AllowWrites {
		return Result{Check: c, Outcome: Skipped, Reason: "it changes something, and writes are not allowed"}
	}
	err := c.run(ctx, p)
	if err == nil {
		return Result{Check: c, Outcome: Passed}
	}
	r := Result{Check: c, Outcome: Failed, Reason: p.blank(err.Error())}
	if skip := (*skipError)(nil); errors.As(err, &skip) {
		r.Outcome, r.Reason = Skipped, p.blank(skip.reason)
	}
	return r
}

// Count returns how many results have an outcome.
func Count(results []Result, o Outcome) (n int) {
	for _, r := range results {
		if r.Outcome == o {
			n++
		}
	}
	return n
}
