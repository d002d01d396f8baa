package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/usher-auth/usher/internal/wire"
)

// buffers are reused from response to response.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// write sends a response and returns the size of its body.
func write(w http.ResponseWriter, c *call, ans answer) (int, error) {
	if ans.body == nil {
		w.WriteHeader(ans.status)
		return 0, nil
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var err error
	if *buf, err = ans.body.Append((*buf)[:0], c.Format, c.Variant); err != nil {
		return 0, err
	}
	h := w.Header()
	ans.part.SetHeader(h)
	h["Content-Type"] = contentTypes[c.Format]
	if len(*buf) > counted {
		h["Content-Length"] = []string{strconv.Itoa(len(*buf))}
	}
	// Nearly every response is specific to the caller, and many contain a token.
	h["Cache-Control"] = noStore
	if ans.life > 0 {
		h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(ans.life.Seconds())))
	}
	if c.Format == wire.SVG {
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox") // in case a browser shows it as a page
	}
	h["X-Content-Type-Options"] = noSniff
	w.WriteHeader(ans.status)
	_, _ = w.Write(*buf) // the caller may have disconnected
	return len(*buf), nil
}

// counted is the size up to which net/http sets Content-Length automatically.
const counted = 2048

// Header values that all responses share. They must not be changed.
var (
	contentTypes = [...][]string{
		wire.JSON: {wire.JSON.ContentType()},
		wire.XML:  {wire.XML.ContentType()},
		wire.PNG:  {wire.PNG.ContentType()},
		wire.SVG:  {wire.SVG.ContentType()},
		wire.Text: {wire.Text.ContentType()},
		wire.YAML: {wire.YAML.ContentType()},
	}
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
)

// writeError sends an error by the table.
func (e *endpoint) writeError(w http.ResponseWriter, c *call, err error) {
	told, ours := respond(err)
	if ours {
		e.log.Error("a request failed", "error", err)
	}
	setRetryAfter(w.Header(), err)
	c.exchange.Add(slog.Int("code", told.Code))
	c.exchange.Status = told.Status
	c.exchange.Size, _ = write(w, c, answer{status: told.Status, body: e.refusal.body(told)})
}

// withoutSuffix returns a request without the suffix of its path, which accepts only
// the format of the suffix.
func withoutSuffix(r *http.Request, suffix string) *http.Request {
	plain, u := *r, *r.URL
	u.Path, u.RawPath = cutSuffix(u.Path, suffix), cutSuffix(u.RawPath, suffix)
	plain.URL = &u
	plain.Header = r.Header.Clone()
	plain.Header["Accept"] = suffixAccept[suffix]
	return &plain
}

// cutSuffix cuts a suffix off a path. A slash after it stays.
func cutSuffix(path, suffix string) string {
	if before, slash := strings.CutSuffix(path, suffix+"/"); slash {
		return before + "/"
	}
	return strings.TrimSuffix(path, suffix)
}

// suffixAccept maps a path's suffix to an Accept header. The suffix takes precedence
// over the header of the request.
var suffixAccept = map[string][]string{
	".json": {wire.JSON.ContentType()},
	".xml":  {"application/xml"},
}

func formatSuffix(path string) string {
	dot := strings.LastIndexByte(path, '.')
	if dot < 1 || path[dot-1] == '/' || suffixAccept[path[dot:]] == nil {
		return ""
	}
	return path[dot:]
}

// setCORS lets programs in a browser, which poll PINs and read accounts, read
// our responses. Cookies are ignored on these planes, so every origin is allowed.
func setCORS(h http.Header, r *http.Request) {
	if r.Header["Origin"] == nil {
		return
	}
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "X-Plex-Container-Start, X-Plex-Container-Total-Size, X-Plex-Protocol, Retry-After")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", corsHeaders+otherCallerHeaders(r))
		h.Set("Access-Control-Max-Age", "86400")
	}
}

// otherCallerHeaders returns the headers about the caller that a browser asks about and
// that corsHeaders does not have, as the rest of its list.
func otherCallerHeaders(r *http.Request) string {
	var more strings.Builder
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		known := strings.Contains(strings.ToLower(corsHeaders)+",", name+",")
		if strings.HasPrefix(name, "x-plex-") && len(name) <= maxHeaderName && !known && !strings.ContainsFunc(name, notInHeaderName) {
			more.WriteString(", " + name)
		}
	}
	return more.String()
}

const maxHeaderName = 64

func notInHeaderName(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }

// corsHeaders are the headers that programs send. Authorization is one: plexjs
// 0.32.1 always has an empty one.
const corsHeaders = "Accept, Accepts, Authorization, Content-Type, X-Plex-Token, X-Plex-Client-Identifier, X-Plex-Product, " +
	"X-Plex-Version, X-Plex-Platform, X-Plex-Platform-Version, X-Plex-Device, X-Plex-Model, X-Plex-Device-Vendor, " +
	"X-Plex-Device-Name, X-Plex-Device-Screen-Resolution, X-Plex-Marketplace, X-Plex-Provides, X-Plex-Features, " +
	"X-Plex-Language, X-Plex-Sync-Version, X-Plex-Pms-Api-Version, X-Plex-Container-Start, X-Plex-Container-Size"
