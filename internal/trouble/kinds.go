package trouble

import (
	"net/http"
	"regexp"
	"strings"
)

// Kind is a kind of fault.
type Kind struct {
	// Name is the name in flags and files.
	Name string
	// Does describes the effect, for the documentation.
	Does string
	// Seconds and Chance are the defaults of Fault.Seconds and Fault.Chance. A chance
	// of 0 affects every request.
	Seconds, Chance float64

	// applies reports whether it can affect a request. If nil, it can affect all.
	applies func(*http.Request) bool
	// answer writes the response, in place of Next or by means of it.
	answer func(c *call)
}

// kinds is the table of faults.
var kinds = []Kind{
	{"rate-limit", "429 with `Retry-After` (`seconds`: 1)", 1, 0, nil, func(c *call) {
		c.header.Set("Retry-After", seconds(c.fault.Seconds))
		c.fail(http.StatusTooManyRequests, 1003, "API rate limit exceeded")
	}},
	{"rate-limit-bare", "429 without `Retry-After`", 0, 0, nil, func(c *call) {
		c.fail(http.StatusTooManyRequests, 1003, "API rate limit exceeded")
	}},
	{"rate-limit-html", "429 as an HTML page", 0, 0, nil, func(c *call) {
		c.page(http.StatusTooManyRequests, "429 Too Many Requests")
	}},
	{"bad-gateway", "502 as an HTML page, as a proxy answers when the service is down", 0, 0, nil, func(c *call) {
		c.page(http.StatusBadGateway, "502 Bad Gateway")
	}},
	{"dead-token-401", "401 for every token", 0, 0, hasToken, func(c *call) {
		c.fail(http.StatusUnauthorized, 1001, "User could not be authenticated")
	}},
	{"dead-token-422", "422 for every token, as paths of version 1 answer", 0, 0, hasToken, func(c *call) {
		c.fail(http.StatusUnprocessableEntity, 422, "Invalid token")
	}},
	{"slow", "the response is delayed (`seconds`: 1)", 1, 0, nil, func(c *call) {
		if c.wait() {
			c.pass()
		}
	}},
	{"drop", "the connection is closed before the response, and the request has no effect", 0, 0, nil, func(c *call) {
		c.hangUp()
	}},
	{"cut", "the connection is closed in the middle of the body", 0, 0, nil, func(c *call) {
		c.cut(c.record())
	}},
	{"malformed", "the body is truncated: it is neither JSON nor XML", 0, 0, nil, func(c *call) {
		res := c.record()
		res.body = res.body[:len(res.body)/2]
		c.write(res)
	}},
	{"empty", "the body is empty, with the usual status and type", 0, 0, nil, func(c *call) {
		res := c.record()
		res.body = nil
		c.write(res)
	}},
	{"clock-skew", "the server's clock is ahead of the client's, or behind it if negative (`seconds`: 3600)", 3600, 0, nil, func(c *call) {
		c.skew()
	}},
	{"xml", "XML where JSON was requested", 0, 0, nil, func(c *call) {
		c.asXML()
		c.pass()
	}},
	{"pin-expired-404", "404 when a PIN is polled, as if it had expired", 0, 0, pollsPIN, func(c *call) {
		c.fail(http.StatusNotFound, 1020, "Code not found or expired")
	}},
	{"pin-expired-null", "200 with `null` when a PIN is polled, as if it had expired", 0, 0, pollsPIN, func(c *call) {
		c.text(http.StatusOK, "application/json; charset=utf-8", "null")
	}},
	{"pms-accepts-jwt", "the media plane accepts JWTs, which released media servers do not", 0, 0, nil, func(c *call) {
		c.acceptJWT()
	}},
	{"nonce-refused", "422 when a device's JWT is exchanged, as if its nonce had expired: at random, for one request in twenty (`chance`: 0.05)", 0, 0.05, exchanges, func(c *call) {
		c.fail(http.StatusUnprocessableEntity, 422, "the nonce is not one that was given, or has expired")
	}},
}

// Kinds returns the table of faults.
func Kinds() []Kind { return append([]Kind(nil), kinds...) }

// Names returns the names of all faults.
func Names() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	return names
}

func find(name string) (Kind, bool) {
	for _, k := range kinds {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// tokenName is where a token is, in a header or a query. Names of headers and those
// of the query are the same, whatever their case.
const tokenName = "X-Plex-Token"

// hasToken reports whether a request has a token.
func hasToken(r *http.Request) bool {
	if r.Header.Get(tokenName) != "" || strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		return true
	}
	for name, values := range r.URL.Query() {
		if strings.EqualFold(name, tokenName) && strings.Join(values, "") != "" {
			return true
		}
	}
	return false
}

var pollPath = regexp.MustCompile(`^(/api/v2)?/pins/\d+(\.json|\.xml)?$`)

// pollsPIN reports whether a request polls a PIN.
func pollsPIN(r *http.Request) bool { return pollPath.MatchString(r.URL.Path) }

// exchanges reports whether a request exchanges the JWT of a device.
func exchanges(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/v2/auth/token") }
