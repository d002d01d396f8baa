package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// Config is what Pages depend on. All but the last three are required.
type Config struct {
	// Store has what no service offers yet. Features get it as small interfaces.
	Store *store.Store
	// Accounts verifies passwords and codes, and changes accounts.
	Accounts *account.Service
	// Tokens revokes tokens.
	Tokens *token.Service
	// Sources lists and changes servers, providers and shares.
	Sources *source.Service
	// PINs finds, links and denies the PINs of devices.
	PINs *pin.Service
	// Origins has the origins that browsers are sent back to without asking.
	Origins *origin.Service
	// Sessions has the sessions of browsers.
	Sessions *session.Service
	// Passkeys runs the ceremonies of passkeys.
	Passkeys *passkey.Service
	// PublicURL is where browsers reach these pages; a passkey is bound to its
	// host name. Empty: the address that each request was sent to.
	PublicURL string
	// Logger gets the errors that visitors see no details of. Nil: they are
	// discarded.
	Logger *slog.Logger
	// Now returns the current time. Nil: time.Now.
	Now func() time.Time
}

// Pages serves the pages to browsers. It is safe for concurrent use.
type Pages struct {
	frame *frame
	setup *setup
	table []page
}

// New returns the pages.
func New(cfg Config) *Pages {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Pages{frame: newFrame(cfg)}
	browsers := &browserSessions{
		sessions: cfg.Sessions, accounts: cfg.Accounts, log: cfg.Logger, now: cfg.Now,
	}
	p.setup = &setup{accounts: cfg.Accounts, browsers: browsers}
	p.add(p.setup)
	p.add(signInFeatures(cfg, browsers)...)
	p.add(accountFeatures(cfg)...)
	p.add(adminFeatures(cfg)...)
	return p
}

func newFrame(cfg Config) *frame {
	return &frame{
		sessions: cfg.Sessions, accounts: cfg.Store, publicURL: cfg.PublicURL, tabs: adminTabs,
		log: cfg.Logger, origin: http.NewCrossOriginProtection(),
	}
}

// feature is a part of the pages. It has only the services that it needs, and
// lists its own pages.
type feature interface {
	pages() []page
}

func (p *Pages) add(features ...feature) {
	for _, f := range features {
		p.table = append(p.table, f.pages()...)
	}
}

// signInFeatures sign visitors in, and then their devices.
func signInFeatures(cfg Config, browsers *browserSessions) []feature {
	site := passkeySite{publicURL: cfg.PublicURL}
	ask := &consent{pins: cfg.PINs, origins: cfg.Origins}
	return []feature{
		&home{accounts: cfg.Accounts},
		&signIn{accounts: cfg.Accounts, browsers: browsers, site: site, consent: ask},
		&secondStep{accounts: cfg.Accounts, browsers: browsers, passkeys: cfg.Passkeys, site: site},
		&passkeySignIn{passkeys: cfg.Passkeys, browsers: browsers, site: site},
		ask,
		&link{pins: cfg.PINs},
	}
}

// accountFeatures let visitors change their own account.
func accountFeatures(cfg Config) []feature {
	site := passkeySite{publicURL: cfg.PublicURL}
	own := &accountPage{
		devices: cfg.Store, sessions: cfg.Sessions, passkeys: cfg.Passkeys, site: site, audit: cfg.Store,
	}
	return []feature{
		own,
		&profile{page: own, accounts: cfg.Accounts, others: cfg.Store},
		&ownFactor{page: own, accounts: cfg.Accounts, forms: factorForms{cfg.Accounts}},
		&ownPasskeys{page: own, accounts: cfg.Accounts, passkeys: cfg.Passkeys, site: site},
		&signOuts{page: own, devices: cfg.Store, sessions: cfg.Sessions, others: cfg.Store},
	}
}

// adminFeatures let admins change everything else.
func adminFeatures(cfg Config) []feature {
	sources := func(kind, path string) *adminSources {
		return &adminSources{
			kind: kind, path: path, sources: cfg.Sources, accounts: cfg.Accounts, byID: cfg.Store,
		}
	}
	servers := sources(store.ServerSource, "/admin/servers")
	return []feature{
		&adminOverview{statistics: cfg.Store, now: cfg.Now},
		&adminAccounts{accounts: cfg.Accounts},
		&adminAccount{
			accounts: cfg.Accounts, byID: cfg.Store, tokens: cfg.Store, others: cfg.Store,
			passkeys: cfg.Passkeys, sources: cfg.Sources, factor: factorForms{cfg.Accounts},
		},
		servers,
		&adminShares{servers: servers, sources: cfg.Sources, byID: cfg.Store},
		sources(store.ProviderSource, "/admin/providers"),
		&adminTokens{tokens: cfg.Tokens, list: cfg.Store, accounts: cfg.Accounts},
		&adminOrigins{origins: cfg.Origins},
		&adminAudit{log: cfg.Store, verifier: cfg.Store, accounts: cfg.Accounts, now: cfg.Now},
	}
}

// SetupPath creates a new set-up link and returns its path. Anyone who has the
// link can create the first admin, so show it only to the operator.
func (p *Pages) SetupPath() plexauth.Secret { return p.setup.link() }

// Mount adds every page to a mux. around wraps each handler, and gets the path
// that it is mounted at.
func (p *Pages) Mount(mux *http.ServeMux, around func(path string, h http.Handler) http.Handler) {
	for _, row := range p.table {
		p.frame.mount(mux, row, around)
	}
	mux.Handle("GET "+staticPath, around(staticPath, http.HandlerFunc(serveStatic)))
}

// NotFound answers requests for a path that no page has.
func (p *Pages) NotFound() http.Handler {
	return p.frame.handler(page{need: anyone, handle: func(context.Context, *visit) (view, error) {
		return view{}, errNoPage
	}})
}
