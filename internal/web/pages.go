package web

import (
	"context"
	"net/http"
)

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

// rows lists the pages for admins.
func (p *Pages) rows() []page {
	return []page{
		{"GET", "/admin", admin, p.adminOverview},
		{"GET", "/admin/accounts", admin, p.adminAccounts},
		{"POST", "/admin/accounts", admin, p.addAccount},
		{"GET", "/admin/accounts/{id}", admin, p.adminPerson},
		{"POST", "/admin/accounts/{id}/disable", admin, p.disablePerson},
		{"POST", "/admin/accounts/{id}/enable", admin, p.enablePerson},
		{"POST", "/admin/accounts/{id}/password", admin, p.setPersonPassword},
		{"GET", "/admin/accounts/{id}/second-factor", admin, p.personFactorForm},
		{"POST", "/admin/accounts/{id}/second-factor", admin, p.enrolPerson},
		{"POST", "/admin/accounts/{id}/second-factor/remove", admin, p.removePersonFactor},
		{"POST", "/admin/accounts/{id}/passkeys/{passkey}/remove", admin, p.removePersonPasskey},
		{"POST", "/admin/accounts/{id}/sign-out", admin, p.signOutPerson},
		{"POST", "/admin/accounts/{id}/remove", admin, p.removePerson},
		{"GET", "/admin/servers", admin, p.adminServers},
		{"POST", "/admin/servers", admin, p.addServer},
		{"POST", "/admin/servers/remove", admin, p.removeServer},
		{"POST", "/admin/shares", admin, p.addShare},
		{"POST", "/admin/shares/remove", admin, p.removeShare},
		{"GET", "/admin/providers", admin, p.adminProviders},
		{"POST", "/admin/providers", admin, p.addProvider},
		{"POST", "/admin/providers/remove", admin, p.removeProvider},
		{"GET", "/admin/tokens", admin, p.adminTokens},
		{"POST", "/admin/tokens/{id}/revoke", admin, p.revokeToken},
		{"GET", "/admin/origins", admin, p.adminOrigins},
		{"POST", "/admin/origins", admin, p.allowOrigin},
		{"POST", "/admin/origins/remove", admin, p.removeOrigin},
		{"GET", "/admin/audit", admin, p.adminAudit},
		{"GET", "/admin/audit/verify", admin, p.verifyAudit},
	}
}

// Mount adds every page to a mux. around wraps each handler, and gets the path
// that it is mounted at.
func (p *Pages) Mount(mux *http.ServeMux, around func(path string, h http.Handler) http.Handler) {
	for _, row := range p.table {
		p.mount(mux, row, around)
	}
	mux.Handle("GET "+staticPath, around(staticPath, http.HandlerFunc(serveStatic)))
}

// NotFound answers requests for a path that no page has.
func (p *Pages) NotFound() http.Handler {
	return p.handler(page{need: anyone, handle: func(context.Context, *visit) (view, error) {
		return view{}, errNoPage
	}})
}
