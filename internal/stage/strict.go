package stage

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/usher-auth/usher/internal/wire"
)

// StrictRule describes requests that the real services reject and usher otherwise
// accepts.
type StrictRule struct {
	// Refused describes the rejected requests, and Answer the response.
	Refused, Answer string

	breaks func(*strict, *http.Request) bool
	answer func(http.ResponseWriter, *http.Request)
}

// strictRules is the table of the strict rules.
var strictRules = []StrictRule{
	{"`http://plex.tv`, without TLS", "301 to `https`", (*strict).withoutTLS, toTLS},
	{"a path of a media server at `plex.tv`", "404", (*strict).mediaAtAccount, refuse(http.StatusNotFound, http.StatusNotFound, "There is nothing at this path of plex.tv: it is a media server's")},
	{"a path of `plex.tv` at a media server", "404", (*strict).accountAtMedia, refuse(http.StatusNotFound, http.StatusNotFound, "There is nothing at this path of a media server: it is plex.tv's")},
	{"`/api/v2/user` and `/api/v2/resources` without `X-Plex-Client-Identifier`", "400, code 1000", (*strict).withoutClient, refuse(http.StatusBadRequest, 1000, "X-Plex-Client-Identifier is missing")},
	{"polling a PIN more than once a second", "429, code 1003", (*strict).pollsTooOften, refuse(http.StatusTooManyRequests, 1003, "API rate limit exceeded")},
}

// StrictRules returns the table of the strict rules.
func StrictRules() []StrictRule { return append([]StrictRule(nil), strictRules...) }

// strict rejects requests that break a rule.
type strict struct {
	next    http.Handler
	unknown func(*http.Request)

	mu    sync.Mutex
	polls map[string]time.Time // the last one of each PIN and client
}

// ServeHTTP implements http.Handler.
func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, rule := range strictRules {
		if rule.breaks(s, r) {
			rule.answer(w, r)
			return
		}
	}
	s.next.ServeHTTP(w, r)
}

// atAccount reports whether a request is for plex.tv.
func atAccount(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "plex.tv" || strings.HasSuffix(host, ".plex.tv")
}

func (s *strict) withoutTLS(r *http.Request) bool { return r.TLS == nil && atAccount(r) }

// Paths of one plane. They match neither the paths of both planes nor those of the
// pages.
var (
	mediaPath   = regexp.MustCompile(`^/(identity|security|media|servers|accounts|myplex)(/|\.|$)`)
	accountPath = regexp.MustCompile(`^/(api|users|pins|pms|:/ip)(/|\.|$)`)
)

func (s *strict) mediaAtAccount(r *http.Request) bool {
	return atAccount(r) && mediaPath.MatchString(r.URL.Path) && s.noted(r)
}

func (s *strict) accountAtMedia(r *http.Request) bool {
	return !atAccount(r) && accountPath.MatchString(r.URL.Path) && s.noted(r)
}

// noted records the path of a request as unknown.
func (s *strict) noted(r *http.Request) bool {
	s.unknown(r)
	return true
}

var needsClient = regexp.MustCompile(`^/api/v2/(user|resources)(\.json|\.xml)?$`)

func (s *strict) withoutClient(r *http.Request) bool {
	return needsClient.MatchString(r.URL.Path) && clientOf(r) == ""
}

func clientOf(r *http.Request) string {
	const name = "X-Plex-Client-Identifier"
	if id := r.Header.Get(name); id != "" {
		return id
	}
	for key, values := range r.URL.Query() {
		if strings.EqualFold(key, name) {
			return strings.Join(values, "")
		}
	}
	return ""
}

var pollPath = regexp.MustCompile(`^(/api/v2)?/pins/\d+(\.json|\.xml)?$`)

// A poll may be a little early: a client that waits for a second may start to count at
// an earlier moment.
const (
	pollEvery = 900 * time.Millisecond
	maxPolls  = 10_000
)

// pollsTooOften uses the machine's clock, because the clock of the scene may be frozen.
func (s *strict) pollsTooOften(r *http.Request) bool {
	if !pollPath.MatchString(r.URL.Path) {
		return false
	}
	key, now := clientOf(r)+" "+r.URL.Path, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.polls[key]; ok && now.Sub(last) < pollEvery {
		return true
	}
	if s.polls == nil || len(s.polls) >= maxPolls {
		s.polls = make(map[string]time.Time)
	}
	s.polls[key] = now
	return false
}

func toTLS(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ":")
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusMovedPermanently)
}

// refuse returns a handler that responds with an error in the format that the request
// asks for.
func refuse(status, code int, message string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		f := wire.Negotiate(strings.Join(r.Header.Values("Accept"), ","), wire.VariantOf(r.UserAgent()))
		if strings.HasSuffix(r.URL.Path, ".json") {
			f = wire.JSON
		}
		body, err := wire.Error{Code: code, Message: message, Status: status}.Append(nil, f, 0)
		if err != nil {
			body = nil // it has nothing that can fail
		}
		w.Header().Set("Content-Type", f.ContentType())
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}
