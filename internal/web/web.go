package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/machine"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/missed"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// Pages serves the pages to browsers. It is safe for concurrent use.
type Pages struct {
	frame *frame
	setup *setup
	table []page
	// post sends notices, whose links begin with base.
	post post
	base plexauth.Secret
}

// Config is what Pages need beyond the services. Its zero value works.
type Config struct {
	// PublicURL is where browsers reach the pages, also below a path; a passkey is
	// bound to its host name. If empty, it is the address of each request.
	PublicURL string
	// Version is that of this usher, which every page shows.
	Version string
	// Mail sends e-mails, whose links begin with PublicURL. If nil, usher sends none.
	Mail *mail.Sender
	// Missed are the unknown paths that clients requested, which the overview lists.
	// If nil, it does not.
	Missed *missed.Paths
	// Machine is where the installation is, for warnings about it.
	Machine machine.Place
}

// New returns the pages.
func New(c *core.Core, cfg Config) *Pages {
	publicURL := cfg.PublicURL
	site := passkeySite{publicURL: publicURL}
	p := &Pages{frame: &frame{
		sessions: c.Sessions, accounts: c.Accounts, publicURL: publicURL, tabs: []tabs{accountTabs, adminTabs},
		log: c.Logger, origin: http.NewCrossOriginProtection(), templates: &templates{now: c.Now, root: root(httpd.PathOf(publicURL))},
		root: root(httpd.PathOf(publicURL)),
		name: c.ServerName(), version: cfg.Version,
		caution: newCaution(c, site),
	}}
	browsers := &browserSessions{sessions: c.Sessions, accounts: c.Accounts, notices: c.Notices, log: c.Logger, now: c.Now}
	p.setup = &setup{accounts: c.Accounts, browsers: browsers, key: setupKey{shared: c.SetupKey}}
	p.add(p.setup)
	p.add(signInFeatures(c, cfg, browsers, site)...)
	p.post, p.base = post{cfg.Mail}, plexauth.Secret(strings.TrimSuffix(publicURL, "/"))
	p.add(accountFeatures(c, site, p.post)...)
	p.add(adminFeatures(c, cfg, newCaution(c, site))...)
	p.add(reference{})
	return p
}

// Letters writes e-mails whose links lead to the pages.
func (p *Pages) Letters() Letters { return Letters{Base: p.base, Server: p.frame.name} }

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
func signInFeatures(c *core.Core, cfg Config, browsers *browserSessions, site passkeySite) []feature {
	letters := post{cfg.Mail}
	forgotten := &forgot{accounts: c.Accounts, post: letters, handover: newHandover(c, cfg.PublicURL)}
	if letters.on() {
		cfg.Mail.Handle(forgotTask, forgotten.answer)
	}
	ask := &consent{pins: c.PINs, origins: c.Origins, homes: c.Homes, devices: c.Devices}
	return []feature{
		&start{accounts: c.Accounts},
		&signIn{accounts: c.Accounts, browsers: browsers, site: site, consent: ask, post: letters},
		&signUp{accounts: c.Accounts, browsers: browsers},
		forgotten,
		&secondStep{accounts: c.Accounts, browsers: browsers, passkeys: c.Passkeys, site: site},
		&passkeySignIn{passkeys: c.Passkeys, browsers: browsers, site: site},
		ask,
		&link{pins: c.PINs},
		&linkedFactor{accounts: c.Accounts, forms: factorForms{c.Accounts}},
		&invitation{
			invites: c.Invites, accounts: c.Accounts, passkeys: c.Passkeys, browsers: browsers, site: site, server: c.ServerName(),
		},
		&reset{accounts: c.Accounts, sessions: c.Sessions, passkeys: c.Passkeys, browsers: browsers, site: site},
	}
}

// accountFeatures let visitors change their own account.
func accountFeatures(c *core.Core, site passkeySite, letters post) []feature {
	check := factorCheck{accounts: c.Accounts, passkeys: c.Passkeys, site: site}
	cautious := newCaution(c, site)
	own := &accountPage{
		devices: c.Devices, sessions: c.Sessions, passkeys: c.Passkeys, audit: c.Audit, accounts: c.Accounts, notices: c.Notices,
		steps: firstSteps{
			accounts: c.Accounts, sources: c.Sources, tokens: c.Tokens, backups: c.HasBackups, lastBackup: c.LastBackup,
			address: func(v *visit) plexauth.Secret { return v.base(site.publicURL) },
		},
	}
	security := &ownSecurity{
		accounts: c.Accounts, sessions: c.Sessions, passkeys: c.Passkeys, site: site, check: check,
	}
	return []feature{
		own,
		&ownDevices{devices: c.Devices, tokens: c.Tokens, sessions: c.Sessions, caution: cautious},
		cautious,
		security,
		&ownFactor{page: security, accounts: c.Accounts, forms: factorForms{c.Accounts}, check: check},
		&ownPasskeys{page: security, passkeys: c.Passkeys, site: site, check: check},
		&ownNotices{notices: c.Notices, post: letters},
		&profile{accounts: c.Accounts},
		&family{homes: c.Homes, accounts: c.Accounts, tokens: c.Tokens, caution: cautious},
		&ownWebhooks{webhooks: c.Webhooks, caution: cautious},
	}
}

// adminFeatures let admins change everything else.
func adminFeatures(c *core.Core, cfg Config, cautious caution) []feature {
	links, letters := newHandover(c, cfg.PublicURL), post{cfg.Mail}
	sources := func(kind source.Kind, path string) *adminSources {
		return &adminSources{kind: kind, path: path, sources: c.Sources, accounts: c.Accounts, tokens: c.Tokens, caution: cautious}
	}
	servers := sources(source.Server, "/admin/servers")
	return []feature{
		&adminOverview{
			accounts: c.Accounts, sources: c.Sources, tokens: c.Tokens, sessions: c.Sessions,
			origins: c.Origins, log: c.Audit, now: c.Now, missed: cfg.Missed,
			warnings: warnings{log: c.Audit, now: c.Now, backups: c.HasBackups, lastBackup: c.LastBackup, machine: cfg.Machine},
		},
		&adminAccounts{accounts: c.Accounts},
		&adminFactor{accounts: c.Accounts, caution: cautious},
		&adminInvitations{invites: c.Invites, accounts: c.Accounts, sources: c.Sources, now: c.Now, handover: links, post: letters, server: c.ServerName(), caution: cautious},
		&adminAccount{
			accounts: c.Accounts, tokens: c.Tokens, sessions: c.Sessions,
			passkeys: c.Passkeys, sources: c.Sources, handover: links, post: letters, caution: cautious,
		},
		servers,
		&adminShares{servers: servers, sources: c.Sources, accounts: c.Accounts},
		sources(source.Provider, "/admin/providers"),
		&merges{accounts: c.Accounts, devices: c.Devices, tokens: c.Tokens, caution: cautious},
		&adminTokens{tokens: c.Tokens, accounts: c.Accounts, caution: cautious},
		&adminOrigins{origins: c.Origins},
		&adminKeys{keys: c.AdminKeys, accounts: c.Accounts, caution: cautious, now: c.Now},
		&adminAudit{log: c.Audit, accounts: c.Accounts, now: c.Now},
	}
}

func newHandover(c *core.Core, publicURL string) handover {
	h := handover{publicURL: publicURL}
	if c.Sources != nil {
		h.self = c.Sources.Self().Connections
	}
	return h
}

func newCaution(c *core.Core, site passkeySite) caution {
	return caution{accounts: c.Accounts, passkeys: c.Passkeys, site: site}
}

// SetupPath creates a new set-up link and returns its path. The holder of the
// link can create the first admin, so show it only to the operator.
func (p *Pages) SetupPath() plexauth.Secret { return p.setup.link() }

// Mount adds every page to a mux. around wraps each handler, and gets the path
// that it is mounted at.
func (p *Pages) Mount(mux *http.ServeMux, around func(path string, h http.Handler) http.Handler) {
	for _, row := range p.table {
		p.frame.mount(mux, row, around)
	}
	mux.Handle("GET "+staticPath+"{file}", around(staticPath, http.HandlerFunc(serveStatic)))
}

// NotFound answers requests for a path that no page has.
func (p *Pages) NotFound() http.Handler {
	return p.frame.handler(page{need: anyone, handle: func(context.Context, *visit) (view, error) {
		return view{}, errNoPage
	}})
}
