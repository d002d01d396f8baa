package traffic

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/usher-auth/usher/internal/suggest"
)

// RuleKind is a kind of rule that the requests of a run must follow.
type RuleKind struct {
	// Name is the name. Form is the syntax of the rule, which differs from Name if it
	// has a limit.
	Name, Form string
	// Does describes the rule, for the documentation.
	Does string

	parse func(limit string) (rule, error)
}

// ruleKinds is the table of rules.
var ruleKinds = []RuleKind{
	{"no-token-in-url", "no-token-in-url", "no URL has a token, a password or another secret in it", plain(func() rule { return new(noTokenInURL) })},
	{"stable-client-id", "stable-client-id", "all requests have the same `X-Plex-Client-Identifier`, if any", plain(func() rule { return new(stableClientID) })},
	{"max-calls", "max-calls=N[/HOST[/PATH]]", "there are at most N requests, to a host, for paths with a prefix", newMaxCalls},
	{"no-unknown-host", "no-unknown-host", "no host was refused", plain(func() rule { return noUnknownHost{} })},
	{"no-unknown-path", "no-unknown-path", "usher knows every path", plain(func() rule { return noUnknownPath{} })},
}

// RuleKinds returns the table of rules.
func RuleKinds() []RuleKind { return slices.Clone(ruleKinds) }

// rule is a rule of one run. Its methods are not called concurrently.
type rule interface {
	// observe is called with each request.
	observe(r *http.Request)
	// broken returns the violations at the end of the run, or nil if there were none.
	broken(e Ending) []string
}

// Ending holds what is known at the end of a run.
type Ending struct {
	// RefusedHosts are the blocked hosts, and UnknownPaths the requests for unknown
	// paths.
	RefusedHosts, UnknownPaths []string
	// Secrets are the secrets of the scene.
	Secrets []string
}

func plain(create func() rule) func(string) (rule, error) {
	return func(limit string) (rule, error) {
		if limit != "" {
			return nil, fmt.Errorf("it takes no %q", limit)
		}
		return create(), nil
	}
}

// Judge checks whether the requests of a run follow rules. Its zero value has no rules.
// It is safe for concurrent use.
type Judge struct {
	mu    sync.Mutex
	names []string
	rules []rule
}

// Add adds a rule in the syntax of --assert: NAME, or NAME=LIMIT.
func (j *Judge) Add(text string) error {
	name, limit, _ := strings.Cut(text, "=")
	var names []string
	for _, k := range ruleKinds {
		if k.Name == name {
			r, err := k.parse(limit)
			if err != nil {
				return fmt.Errorf("the rule %s is of the form %s: %w", name, k.Form, err)
			}
			j.mu.Lock()
			defer j.mu.Unlock()
			j.names, j.rules = append(j.names, text), append(j.rules, r)
			return nil
		}
		names = append(names, k.Name)
	}
	if meant := suggest.Closest(name, names); meant != "" {
		return fmt.Errorf("there is no rule %q; did you mean %q?", name, meant)
	}
	return fmt.Errorf("there is no rule %q; there are %s", name, strings.Join(names, ", "))
}

// Around returns a handler that checks the requests and passes them to h.
func (j *Judge) Around(h http.Handler) http.Handler {
	if len(j.rules) == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		j.mu.Lock()
		for _, rule := range j.rules {
			rule.observe(r)
		}
		j.mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

// Verdict is the result of a rule.
type Verdict struct {
	// Rule is the rule as it was given.
	Rule string
	// Broken lists the violations. It is empty if the rule was followed.
	Broken []string
}

// Verdicts returns the results of the rules, in the order in which they were added.
func (j *Judge) Verdicts(e Ending) []Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []Verdict
	for i, r := range j.rules {
		list = append(list, Verdict{j.names[i], r.broken(e)})
	}
	return list
}

// counted counts distinct findings, in the order of their first occurrence.
type counted struct {
	counts map[string]int
	order  []string
}

// maxFindings is the maximum number of distinct findings of a rule.
const maxFindings = 1000

func (c *counted) add(text string) {
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	if c.counts[text] == 0 {
		if len(c.order) >= maxFindings {
			return
		}
		c.order = append(c.order, text)
	}
	c.counts[text]++
}

// lines returns the findings with their counts.
func (c *counted) lines() []string {
	var list []string
	for _, text := range c.order {
		if n := c.counts[text]; n > 1 {
			text += fmt.Sprintf(" (%d times)", n)
		}
		list = append(list, text)
	}
	return list
}

// noTokenInURL is the rule that URLs contain no secrets. URLs are stored where secrets
// are not expected: in logs, in histories, and in headers such as Referer.
type noTokenInURL struct {
	found  counted
	others []seenURL       // may contain a secret that is only known at the end
	known  map[string]bool // tokens that were sent in headers
}

// seenURL is a URL as it is reported, with the parts of it that may be secrets.
type seenURL struct {
	report string
	values []string
}

var secretParameter = regexp.MustCompile(`token|password|passwd|secret|jwt`)

func (n *noTokenInURL) observe(r *http.Request) {
	if token := r.Header.Get("X-Plex-Token"); token != "" && len(n.known) < maxFindings {
		if n.known == nil {
			n.known = make(map[string]bool)
		}
		n.known[token] = true
	}
	report, found := described(r), false
	seen := seenURL{report: report, values: strings.Split(r.URL.Path, "/")}
	for _, name := range slices.Sorted(maps.Keys(r.URL.Query())) {
		value := strings.Join(r.URL.Query()[name], " ")
		switch {
		case value == "":
		case secretParameter.MatchString(strings.ToLower(name)):
			n.found.add(report + " has a secret in its URL: " + name)
			found = true
		case looksSecret.MatchString(value):
			n.found.add(report + " has a token in its URL: " + name)
			found = true
		default:
			seen.values = append(seen.values, r.URL.Query()[name]...)
		}
	}
	if !found && looksSecret.MatchString(r.URL.Path) {
		n.found.add(report + " has a token in its path")
		found = true
	}
	if !found && len(n.others) < maxFindings {
		n.others = append(n.others, seen)
	}
}

func (n *noTokenInURL) broken(e Ending) []string {
	found := counted{maps.Clone(n.found.counts), slices.Clone(n.found.order)}
	secret := func(value string) bool {
		return n.known[value] || len(value) >= minSecret && slices.Contains(e.Secrets, value)
	}
	for _, u := range n.others {
		if slices.ContainsFunc(u.values, secret) {
			found.add(blankPath(u, secret) + " has a secret in its URL")
		}
	}
	return found.lines()
}

// blankPath returns a URL as it is reported, without its secrets.
func blankPath(u seenURL, secret func(string) bool) string {
	for _, v := range u.values {
		if secret(v) {
			u.report = strings.ReplaceAll(strings.ReplaceAll(u.report, url.PathEscape(v), blank), v, blank)
		}
	}
	return u.report
}

// described returns the method and the URL of a request without the query, which may be
// secret.
func described(r *http.Request) string {
	return looksSecret.ReplaceAllString(r.Method+" "+r.Host+r.URL.EscapedPath(), blank)
}

// stableClientID is the rule that a program uses one client identifier. Each identifier
// is a device of the account, and the number of devices is limited.
type stableClientID struct{ ids counted }

func (s *stableClientID) observe(r *http.Request) {
	const name = "X-Plex-Client-Identifier"
	id := r.Header.Get(name)
	if id == "" {
		for key, values := range r.URL.Query() {
			if strings.EqualFold(key, name) {
				id = strings.Join(values, " ")
			}
		}
	}
	if id != "" {
		s.ids.add(strconv.QuoteToASCII(id))
	}
}

func (s *stableClientID) broken(Ending) []string {
	if len(s.ids.order) < 2 {
		return nil
	}
	const most = 5
	lines := s.ids.lines()
	if len(lines) > most {
		lines = append(lines[:most], "…")
	}
	return []string{fmt.Sprintf("there are %d client identifiers: %s", len(s.ids.order), strings.Join(lines, ", "))}
}

// maxCalls is the rule that there are at most a number of requests.
type maxCalls struct {
	most       int
	host, path string
	calls      int
	of         counted
}

func newMaxCalls(limit string) (rule, error) {
	number, where, _ := strings.Cut(limit, "/")
	most, err := strconv.Atoi(number)
	if err != nil || most < 0 {
		return nil, fmt.Errorf("%q is not a number", number)
	}
	host, path, hasPath := strings.Cut(where, "/")
	if hasPath {
		path = "/" + path
	}
	return &maxCalls{most: most, host: strings.ToLower(host), path: path}, nil
}

func (m *maxCalls) observe(r *http.Request) {
	host := strings.ToLower(r.Host)
	if name, port, ok := strings.Cut(host, ":"); ok && !strings.Contains(m.host, ":") && !strings.Contains(port, ":") {
		host = name
	}
	if m.host != "" && m.host != host || !strings.HasPrefix(r.URL.Path, m.path) {
		return
	}
	m.calls++
	m.of.add(described(r))
}

func (m *maxCalls) broken(Ending) []string {
	if m.calls <= m.most {
		return nil
	}
	order := slices.Clone(m.of.order)
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(m.of.counts[b], m.of.counts[a]) })
	const most = 5
	list := []string{fmt.Sprintf("there are %d requests, at most %d are allowed; the most frequent are:", m.calls, m.most)}
	for _, text := range order[:min(most, len(order))] {
		list = append(list, fmt.Sprintf("%d × %s", m.of.counts[text], text))
	}
	return list
}

// noUnknownHost is the rule that no host is blocked.
type noUnknownHost struct{}

func (noUnknownHost) observe(*http.Request)    {}
func (noUnknownHost) broken(e Ending) []string { return e.RefusedHosts }

// noUnknownPath is the rule that usher knows every path.
type noUnknownPath struct{}

func (noUnknownPath) observe(*http.Request)    {}
func (noUnknownPath) broken(e Ending) []string { return e.UnknownPaths }
