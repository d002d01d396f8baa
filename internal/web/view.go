package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// view is what a handler gives back.
type view struct {
	// to is where the browser goes next, a path of ours. Empty: name is shown.
	to string
	// name is a template of the templates folder, without ".html".
	name   string
	status int // 0: 200
	data   any
	// cookie becomes the session's, until expires; "-" ends it. Empty: it stays.
	cookie  plexauth.Secret
	expires time.Time
	// also is a cookie beside the session's. Nil: none.
	also *http.Cookie
	// away is a place elsewhere that the page goes on to by itself: a header
	// does it, since a redirect after a form may not leave this site.
	away string
	// json is answered instead of a page, to a script of ours.
	json []byte
}

// frame is what every template gets.
type frame struct {
	Title   string
	Account store.Account // ID 0: nobody is signed in
	Path    string
	Data    any
}

//go:embed templates static
var files embed.FS

// templates are parsed once, each together with the layout: at the first page,
// since a server that shows none is to start quickly and to be small.
var templates = sync.OnceValue(parseTemplates)

func parseTemplates() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html"))
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	all := make(map[string]*template.Template)
	for _, name := range names {
		if path.Base(name) != "layout.html" {
			t := template.Must(template.Must(layout.Clone()).ParseFS(files, name))
			all[strings.TrimSuffix(path.Base(name), ".html")] = t
		}
	}
	return all
}

var functions = template.FuncMap{
	"static":   staticURL,
	"date":     func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"browser":  browserName,
	"add":      func(a, b int) int { return a + b },
	"clock":    func(t time.Time) string { return t.UTC().Format("15:04") },
	"second":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"device":   func(d store.Device) string { return store.DescribeDevice(d.Product, d.Device, d.Name) },
	"sentence": sentence,
	"grouped":  grouped,
	"show":     func(s plexauth.Secret) string { return string(s) },
	"fours":    fours,
}

// fours shows a key as people type it: four characters at a time.
func fours(s plexauth.Secret) string {
	var groups []string
	for g := range slices.Chunk([]byte(s), 4) {
		groups = append(groups, string(g))
	}
	return strings.Join(groups, " ")
}

// setHeaders says what browsers may do with a page: load what is ours, show it
// in no frame, keep no copy, and tell nobody where they came from.
// tls: browsers came by https, and heed what they pass over elsewhere.
func setHeaders(h http.Header, tls bool) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "+
		"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// Not "no-referrer": browsers would leave out of a form where it comes from
	// (Origin: null), and without TLS that is all they say of it.
	h.Set("Referrer-Policy", "same-origin")
	if tls {
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Cache-Control", "no-store")
}

// write sends a view.
func (p *Pages) write(w http.ResponseWriter, v *visit, answer view) {
	if answer.cookie != "" {
		p.setCookie(w, v, answer)
	}
	if answer.also != nil {
		http.SetCookie(w, answer.also)
	}
	if answer.json != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(max(answer.status, http.StatusOK))
		_, _ = w.Write(answer.json)
		return
	}
	if answer.to != "" {
		http.Redirect(w, v.Request, answer.to, http.StatusSeeOther)
		return
	}
	if answer.away != "" {
		w.Header().Set("Refresh", "0; url="+answer.away)
	}
	t := templates()[answer.name]
	var b bytes.Buffer
	f := frame{Account: v.account, Path: v.URL.Path, Data: answer.data}
	if err := t.ExecuteTemplate(&b, "layout.html", f); err != nil {
		p.Logger.Error("a page could not be written", "page", answer.name, "error", err)
		http.Error(w, "Something went wrong here; the server's log says what.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(max(answer.status, http.StatusOK))
	_, _ = w.Write(b.Bytes())
}

// cookieName is the session's cookie.
const cookieName = "usher_session"

func (p *Pages) setCookie(w http.ResponseWriter, v *visit, answer view) {
	c := &http.Cookie{
		Name: cookieName, Value: string(answer.cookie), Path: "/", Expires: answer.expires,
		HttpOnly: true, Secure: p.secure(v.Request), SameSite: http.SameSiteLaxMode,
	}
	if answer.cookie == "-" {
		c.Value, c.Expires, c.MaxAge = "", time.Time{}, -1
	}
	http.SetCookie(w, c)
}

// secure reports whether browsers reach these pages by https: here, or at a
// proxy in front.
func (p *Pages) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(p.PublicURL, "https://")
}

// Errors of the pages themselves.
var (
	errElsewhere = errors.New("a form of another site was sent here")
	errForm      = errors.New("the form could not be read")
	errNotAdmin  = errors.New("the page is for admins")
	errNoPage    = errors.New("there is no such page")
	errSetupKey  = errors.New("the set-up link is not valid")
)

// failures is how every error that is not a form's own reads to people. What
// matches none is ours to look into.
var failures = [...]struct {
	err    error
	status int
	title  string
	text   string
}{
	{errElsewhere, 403, "Not from here", "Your browser says that this form was sent by another site, so nothing was changed. Open the page here and try again."},
	{errForm, 400, "That did not arrive whole", "The form could not be read, so nothing was changed. Go back and try again."},
	{errNotAdmin, 403, "For admins", "Only an admin of this server can see this page."},
	{errNoPage, 404, "Nothing here", "There is no page at this address."},
	{errForward, 400, "Nowhere to go back to", "The program asked to be opened at something that is not a web address, so nothing was given to it."},
	{errSetupKey, 403, "This link does not work", "The set-up link works once, and only until the server is started again. Look for the newest one where usher was started."},
	{session.ErrNotFound, 404, "Already signed out", "That browser is not signed in any more."},
	{store.ErrNotFound, 404, "Not there any more", "What you asked for has gone, perhaps a moment ago."},
	{account.ErrNotFound, 404, "Not there any more", "There is no such account any more."},
	{source.ErrNotFound, 404, "Not there any more", "What you asked for has gone, perhaps a moment ago."},
	{source.ErrNotShared, 404, "Not there any more", "The server is not shared with this account any more."},
	{origin.ErrNotFound, 404, "Not there any more", "That origin is not on the list any more."},
	{token.ErrNotFound, 404, "Not there any more", "That had been revoked already."},
	{passkey.ErrNotFound, 404, "Not there any more", "The passkey had been removed already."},
	{pin.ErrNotFound, 404, "This code does not work", "It was used already, has expired, or was mistyped. The device can show you a new one."},
	{context.Canceled, 503, "Not finished", "The page was left before it was done."},
	{guard.ErrBusy, 503, "One moment", "Many people are signing in right now. Try again in a second."},
}

// failure is the page of an error.
func (p *Pages) failure(v *visit, err error) view {
	for _, f := range failures {
		if errors.Is(err, f.err) {
			return view{name: "message", status: f.status, data: message{f.title, f.text, "/", "To the start"}}
		}
	}
	if text, ok := problem(err); ok {
		return view{name: "message", status: 429, data: message{"Not now", text, "/", "To the start"}}
	}
	p.Logger.Error("a page failed", "path", v.Pattern, "error", err)
	return view{name: "message", status: 500, data: message{"Something went wrong", "It is not your fault. The server's log says what happened.", "/", "To the start"}}
}

// sentence makes a sentence of an error's text.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}

// browserName says in two words which browser a User-Agent is. The order
// matters: each of them names those below it, too.
func browserName(userAgent string) string {
	name := ""
	for _, known := range [...][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"},
	} {
		if strings.Contains(userAgent, known[0]) {
			name = known[1]
			break
		}
	}
	for _, known := range [...][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"},
		{"Mac OS X", "a Mac"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	} {
		if strings.Contains(userAgent, known[0]) && name != "" {
			return name + " on " + known[1]
		}
	}
	if name == "" {
		return "A browser"
	}
	return name
}

// message is a page with one thing to say and one way on.
type message struct{ Title, Text, To, Way string }

// waitText says how long to wait, in the words people use.
func waitText(d time.Duration) string {
	const text = "There were too many wrong tries. Wait "
	if d <= time.Minute {
		return text + "a minute, then try again."
	}
	return text + d.Round(time.Minute).String() + ", then try again."
}

// staticPath is where stylesheet and scripts are.
const staticPath = "/static/"

// staticHashes names each static file by its content, so that browsers may
// keep it for ever.
var staticHashes = hashStatic()

func hashStatic() map[string]string {
	hashes := make(map[string]string)
	entries, err := files.ReadDir("static")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		text, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(text)
		hashes[e.Name()] = hex.EncodeToString(sum[:6])
	}
	return hashes
}

func staticURL(name string) string { return staticPath + name + "?" + staticHashes[name] }

func serveStatic(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header(), r.TLS != nil)
	name := strings.TrimPrefix(r.URL.Path, staticPath)
	if hash, ok := staticHashes[name]; !ok {
		http.NotFound(w, r)
		return
	} else if r.URL.RawQuery == hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, files, "static/"+name)
}
