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

// RuleKind is a kind of rule that the requests of a run must keep.
type RuleKind struct {
	// Name is what it is called, and Form how it is written, which is Name unless
	// it has a limit.
	Name, Form string
	// Does says what keeps it, for documents.
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

// rule is a rule of one run. Its methods are not called at the same time.
type rule interface {
	// observe looks at a request.
	observe(r *http.Request)
	// broken says, at the end, how the rule was broken; empty if it was kept.
	broken(e Ending) []string
}

// Ending is what is known at the end of a run.
type Ending struct {
	// RefusedHosts and UnknownPaths are what no usher answered.
	RefusedHosts, UnknownPaths []string
	// Secrets are those of the scene.
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

// Judge watches the requests of a run for rules that they break. Its zero value has
// no rules. It is safe for concurrent use.
type Judge struct {
	mu    sync.Mutex
	names []string
	rules []rule
}

// Add adds a rule as a flag has it: NAME, or NAME=LIMIT.
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

// Around returns h with its requests watched.
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

// Verdict is what became of a rule.
type Verdict struct {
	// Rule is the rule as it was given.
	Rule string
	// Broken says how it was broken. Empty: it was kept.
	Broken []string
}

// Verdicts returns what became of the rules, in their order.
func (j *Judge) Verdicts(e Ending) []Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []Verdict
	for i, r := range j.rules {
		list = append(list, Verdict{j.names[i], r.broken(e)})
	}
	return list
}

// counted counts findings, in the order in which they were found first.
type counted struct {
	counts map[string]int
	order  []string
}

// maxFindings is how many different findings a rule keeps.
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

// lines are the findings with their numbers.
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

// noTokenInURL is the rule that URLs have no secrets. A URL is kept where secrets are
// not expected: in logs, histories and headers such as Referer.
type noTokenInURL struct {
	found  counted
	others []seenURL       // that may have a secret which is known at the end
	known  map[string]bool // tokens that were sent as they should be
}

// seenURL is a URL as it is reported, with the texts of it that may be secrets.
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

// blankPath is a URL as it is reported, without its secrets.
func blankPath(u seenURL, secret func(string) bool) string {
	for _, v := range u.values {
		if secret(v) {
			u.report = strings.ReplaceAll(strings.ReplaceAll(u.report, url.PathEscape(v), blank), v, blank)
		}
	}
	return u.report
}

// described is a request without its query, which may be secret.
func described(r *http.Request) string {
	return looksSecret.ReplaceAllString(r.Method+" "+r.Host+r.URL.EscapedPath(), blank)
}

// stableClientID is the rule that a program has one client identifier: each is a
// device of the account, and an account has few of them.
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

// maxCalls is the rule that there are few requests.
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

// noUnknownHost is the rule that no host is refused.
type noUnknownHost struct{}

func (noUnknownHost) observe(*http.Request)    {}
func (noUnknownHost) broken(e Ending) []string { return e.RefusedHosts }

// noUnknownPath is the rule that usher knows every path.
type noUnknownPath struct{}

func (noUnknownPath) observe(*http.Request)    {}
func (noUnknownPath) broken(e Ending) []string { return e.UnknownPaths }
