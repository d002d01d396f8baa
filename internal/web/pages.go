package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// need is who may see a page.
type need uint8

const (
	anyone   need = iota
	halfWay       // whose password was right, and whose second factor is asked for
	signedIn      // everyone else is sent to sign in, and comes back
	admin         // others are told that it is not for them
)

// page is a row of the table.
type page struct {
	method, path string
	need         need
	handle       handler
}

// handler is what a page does.
type handler = func(*Pages, context.Context, *visit) (view, error)

// table is every page there is. Its paths are http.ServeMux's.
var table = [...]page{
	{"GET", "/{$}", anyone, (*Pages).home},
	{"GET", "/setup", anyone, (*Pages).setupForm},
	{"POST", "/setup", anyone, (*Pages).setUp},

	{"GET", "/auth", anyone, (*Pages).auth},
	{"POST", "/auth/sign-in", anyone, (*Pages).signIn},
	{"GET", "/auth/code", halfWay, (*Pages).codeForm},
	{"POST", "/auth/code", halfWay, (*Pages).giveCode},
	{"POST", "/auth/code/passkey/challenge", halfWay, forScript((*Pages).passkeySecond)},
	{"POST", "/auth/code/passkey", halfWay, forScript((*Pages).completeByPasskey)},
	{"POST", passkeyPath + "/challenge", anyone, forScript((*Pages).passkeyAlone)},
	{"POST", passkeyPath, anyone, forScript((*Pages).signInByPasskey)},
	{"POST", "/auth/consent", signedIn, (*Pages).consent},
	{"GET", "/auth/refused", signedIn, (*Pages).refused},
	{"GET", "/auth/done", signedIn, (*Pages).done},
	{"POST", "/auth/sign-out", anyone, (*Pages).signOut},
	{"GET", "/link", anyone, (*Pages).linkForm},
	{"POST", "/link", signedIn, (*Pages).link},

	{"GET", "/account", signedIn, (*Pages).accountPage},
	{"POST", "/account/identity", signedIn, (*Pages).setIdentity},
	{"POST", "/account/password", signedIn, (*Pages).setPassword},
	{"GET", "/account/second-factor", signedIn, (*Pages).factorForm},
	{"POST", "/account/second-factor", signedIn, (*Pages).enrol},
	{"POST", "/account/second-factor/remove", signedIn, (*Pages).removeFactor},
	{"POST", "/account/passkeys/challenge", signedIn, forScript((*Pages).passkeyToAdd)},
	{"POST", "/account/passkeys", signedIn, forScript((*Pages).addPasskey)},
	{"POST", "/account/passkeys/{id}/remove", signedIn, (*Pages).removePasskey},
	{"POST", "/account/devices/{id}/revoke", signedIn, (*Pages).revokeDevice},
	{"POST", "/account/sessions/{id}/end", signedIn, (*Pages).endSession},
	{"POST", "/account/revoke-others", signedIn, (*Pages).endOthers},

	{"GET", "/admin", admin, (*Pages).adminOverview},
	{"GET", "/admin/accounts", admin, (*Pages).adminAccounts},
	{"POST", "/admin/accounts", admin, (*Pages).addAccount},
	{"GET", "/admin/accounts/{id}", admin, (*Pages).adminPerson},
	{"POST", "/admin/accounts/{id}/disable", admin, (*Pages).disablePerson},
	{"POST", "/admin/accounts/{id}/enable", admin, (*Pages).enablePerson},
	{"POST", "/admin/accounts/{id}/password", admin, (*Pages).setPersonPassword},
	{"GET", "/admin/accounts/{id}/second-factor", admin, (*Pages).personFactorForm},
	{"POST", "/admin/accounts/{id}/second-factor", admin, (*Pages).enrolPerson},
	{"POST", "/admin/accounts/{id}/second-factor/remove", admin, (*Pages).removePersonFactor},
	{"POST", "/admin/accounts/{id}/passkeys/{passkey}/remove", admin, (*Pages).removePersonPasskey},
	{"POST", "/admin/accounts/{id}/sign-out", admin, (*Pages).signOutPerson},
	{"POST", "/admin/accounts/{id}/remove", admin, (*Pages).removePerson},
	{"GET", "/admin/servers", admin, (*Pages).adminServers},
	{"POST", "/admin/servers", admin, (*Pages).addServer},
	{"POST", "/admin/servers/remove", admin, (*Pages).removeServer},
	{"POST", "/admin/shares", admin, (*Pages).addShare},
	{"POST", "/admin/shares/remove", admin, (*Pages).removeShare},
	{"GET", "/admin/providers", admin, (*Pages).adminProviders},
	{"POST", "/admin/providers", admin, (*Pages).addProvider},
	{"POST", "/admin/providers/remove", admin, (*Pages).removeProvider},
	{"GET", "/admin/tokens", admin, (*Pages).adminTokens},
	{"POST", "/admin/tokens/{id}/revoke", admin, (*Pages).revokeToken},
	{"GET", "/admin/origins", admin, (*Pages).adminOrigins},
	{"POST", "/admin/origins", admin, (*Pages).allowOrigin},
	{"POST", "/admin/origins/remove", admin, (*Pages).removeOrigin},
	{"GET", "/admin/audit", admin, (*Pages).adminAudit},
	{"GET", "/admin/audit/verify", admin, (*Pages).verifyAudit},
}

// Mount adds every page to a mux; around wraps each handler, and gets the path
// that it stands at.
func (p *Pages) Mount(mux *http.ServeMux, around func(path string, h http.Handler) http.Handler) {
	for i := range table {
		row := &table[i]
		mux.Handle(row.method+" "+row.path, around(row.path, p.handler(row)))
		if row.method == http.MethodGet && row.path != "/{$}" {
			mux.Handle("GET "+row.path+"/{$}", around(row.path, http.HandlerFunc(withoutSlash)))
		}
	}
	mux.Handle("GET "+staticPath, around(staticPath, http.HandlerFunc(serveStatic)))
}

// withoutSlash leads from a page's path with a slash at its end, as programs
// have it in their links (/auth/#!?…, /link/?pin=…), to the page. Browsers take
// what stands behind the # along.
func withoutSlash(w http.ResponseWriter, r *http.Request) {
	to := url.URL{Path: strings.TrimSuffix(r.URL.Path, "/"), RawQuery: r.URL.RawQuery}
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// NotFound answers where there is no page.
func (p *Pages) NotFound() http.Handler {
	return p.handler(&page{need: anyone, handle: func(*Pages, context.Context, *visit) (view, error) {
		return view{}, errNoPage
	}})
}

// visit is a request for a page on its way through.
type visit struct {
	*http.Request
	// session is set for a browser that is signed in, or half-way there.
	session store.Session
	// account is whose session it is; only with a complete session.
	account store.Account
	// from is where the request comes from.
	from session.From
}

// known reports whether somebody is signed in.
func (v *visit) known() bool { return v.account.ID != 0 }

// maxForm is the most bytes that a form may have.
const maxForm = 64 << 10

// handler takes a request for one page all the way.
func (p *Pages) handler(row *page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header(), p.secure(r))
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		v := &visit{Request: r, from: session.From{UserAgent: r.UserAgent(), Address: httpd.Address(r)}}
		answer, err := p.answer(r.Context(), row, v)
		if err != nil {
			answer = p.failure(v, err)
		}
		p.write(w, v, answer)
	})
}

// answer finds out who visits, and asks the page.
func (p *Pages) answer(ctx context.Context, row *page, v *visit) (view, error) {
	if err := p.guard.Check(v.Request); err != nil {
		return view{}, errElsewhere
	}
	if row.method == http.MethodPost {
		if err := v.ParseForm(); err != nil {
			return view{}, errForm
		}
	}
	if err := p.recognise(ctx, v); err != nil {
		return view{}, err
	}
	switch {
	case row.need == halfWay && (v.session.ID == 0 || v.known()),
		row.need >= signedIn && !v.known():
		return view{to: signInPath(v)}, nil
	case row.need == admin && !v.account.Admin:
		return view{}, errNotAdmin
	}
	if row.method == http.MethodPost {
		ctx = store.WithActor(ctx, store.Actor{
			AccountID: v.account.ID, Device: browserName(v.from.UserAgent), Address: v.from.Address,
		})
	}
	return row.handle(p, ctx, v)
}

// recognise finds the session of the visitor's cookie, if there is one.
func (p *Pages) recognise(ctx context.Context, v *visit) error {
	cookie, err := v.Cookie(cookieName)
	if err != nil || cookie.Value == "" {
		return nil
	}
	v.session, err = p.Sessions.Find(ctx, plexauth.Secret(cookie.Value), v.from)
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	if err == nil && v.session.Complete {
		v.account, err = p.Store.Account(ctx, v.session.AccountID)
	}
	return err
}
