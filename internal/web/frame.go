package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/session"
)

// need is what a page requires of its visitor.
type need uint8

const (
	anyone       need = iota
	halfSignedIn      // the password was right, the second factor is missing
	signedIn          // other visitors are sent to the sign-in page, and back afterwards
	admin             // other accounts get an error page
)

// page is a row of a feature's table.
type page struct {
	method, path string // as http.ServeMux matches them
	need         need
	handle       handler
}

// handler answers a request for a page. The frame turns an error into a page.
type handler func(context.Context, *visit) (view, error)

// frame is the way of every request: it rejects forms of other sites,
// authenticates the visitor, checks what the page needs, calls its handler and
// writes the view or the error. It knows no feature.
type frame struct {
	sessions *session.Service
	accounts *account.Service
	// publicURL is where browsers reach the pages; empty if not configured.
	publicURL string
	// root is its path.
	root      root
	formPages formPages
	// tabs link the pages of a kind to each other.
	tabs      []tabs
	templates *templates
	// caution asks visitors for a passkey who confirm changes in no other way.
	caution caution
	// name is what this server is called, and version that of usher.
	name, version string
	log           *slog.Logger
	origin        *http.CrossOriginProtection
}

// mount adds a page to a mux. around wraps each handler.
func (f *frame) mount(mux *http.ServeMux, p page, around wrapper) {
	f.formPages.add(p)
	mux.Handle(p.method+" "+p.path, around(p.path, f.handler(p)))
	if p.method == http.MethodGet && !strings.HasSuffix(p.path, "/{$}") {
		mux.Handle("GET "+p.path+"/{$}", around(p.path, http.HandlerFunc(f.withoutSlash)))
	}
}

// wrapper wraps the handler of a path, to log and count its requests.
type wrapper = func(path string, h http.Handler) http.Handler

// maxForm is the size limit of a request body, in bytes.
const maxForm = 64 << 10

// handler serves a page.
func (f *frame) handler(p page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		https := f.secure(r)
		setHeaders(w.Header(), https)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		v := newVisit(r, https, f.root)
		v.caution = f.caution
		answer, err := f.answer(r.Context(), p, v)
		if errors.Is(err, errByPasskey) {
			answer, err = f.askForPasskey(r.Context(), v)
		}
		switch {
		case err != nil && v.json:
			answer = f.jsonFailure(v, err)
		case err != nil:
			answer = f.failure(v, err)
		}
		f.write(w, v, answer)
	})
}

// askForPasskey answers a form whose sender confirms changes by passkey only.
func (f *frame) askForPasskey(ctx context.Context, v *visit) (view, error) {
	if v.json {
		return view{}, errAnswer
	}
	return f.caution.ask(ctx, v)
}

// answer calls the page's handler if the visitor may see the page.
func (f *frame) answer(ctx context.Context, p page, v *visit) (view, error) {
	if err := f.origin.Check(v.Request); err != nil || v.fromPlainHTTP() {
		return view{}, errElsewhere
	}
	if p.method == http.MethodPost {
		if err := v.ParseForm(); err != nil {
			return view{}, errForm
		}
	}
	if err := f.authenticate(ctx, v); err != nil {
		return view{}, err
	}
	switch {
	case p.need == halfSignedIn && !v.halfSignedIn(), p.need >= signedIn && !v.signedIn():
		return view{to: f.signInPath(v, p.need)}, nil
	case p.need == admin && !v.account.Admin:
		return view{}, errNotAdmin
	}
	if err := f.checkRule(ctx, v); err != nil || v.overdue && !openToAll(p) {
		return view{to: ownFactorPath}, err
	}
	return p.handle(ctx, v)
}

// checkRule finds out whether the visitor is an admin who must set up a second factor
// before anything else.
func (f *frame) checkRule(ctx context.Context, v *visit) (err error) {
	if !v.signedIn() {
		return nil
	}
	v.factorDue, v.overdue, err = f.accounts.DueOf(ctx, v.account)
	return err
}

// openToAll reports whether a page is open to admins who must set up a second factor
// first: it sets one up, or does nothing with the account that is signed in.
func openToAll(p page) bool {
	return strings.HasPrefix(p.path, ownFactorPath) && p.path != ownFactorPath+"/remove" ||
		p.need == anyone && p.path != "/auth"
}

// authenticate finds the session of the visitor's cookie and its account. A
// visitor without a valid session stays anonymous.
func (f *frame) authenticate(ctx context.Context, v *visit) error {
	secret := v.cookie(sessionCookieName, "/")
	if secret == "" {
		return nil
	}
	var err error
	v.session, err = f.sessions.Find(ctx, secret, v.address)
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	if err == nil && v.session.Complete {
		v.account, err = f.accounts.Get(ctx, v.session.AccountID)
	}
	return err
}
