package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/source"
)

// adminFeatures are the handlers of the admin API. A new feature gets a struct of
// its own, with its rows, and a line in the list of routes.
type adminFeatures struct {
	status   adminStatus
	accounts adminAccounts
	tokens   adminTokens
	sources  adminSources
	links    adminLinks
	homes    adminHomes
	settings adminSettings
	audit    adminAudit
}

func newAdminFeatures(c *core.Core, cfg Config) *adminFeatures {
	return &adminFeatures{
		status:   adminStatus{c, cmp.Or(cfg.Version, "dev")},
		accounts: adminAccounts{c.Accounts, c.Passkeys, c.Sessions, c.Sources},
		tokens:   adminTokens{c.Accounts, c.Devices, c.Tokens, c.Sessions},
		sources:  adminSources{c.Sources, c.Accounts},
		links:    newAdminLinks(c, cfg),
		homes:    adminHomes{c.Homes, c.Accounts},
		settings: adminSettings{c.Origins, c.Signing, c.Accounts},
		audit:    adminAudit{c.Audit},
	}
}

// routes is the table of the admin API. Each row names the scope that it
// requires.
func (f *adminFeatures) routes() []adminRoute {
	return slices.Concat(
		f.status.routes(), f.accounts.routes(), f.tokens.routes(), f.sources.routes(source.Server),
		f.sources.shareRoutes(), f.sources.sectionRoutes(), f.links.routes(), f.sources.routes(source.Provider), f.homes.routes(), f.settings.routes(), f.audit.routes(),
	)
}

// adminStatus reports the state and the counts of the server.
type adminStatus struct {
	core    *core.Core
	version string
}

func (f adminStatus) routes() []adminRoute {
	return []adminRoute{{"GET", "/admin/api/v1/status", adminkey.StatusRead, "", false, f.show}}
}

// statusJSON is the state of the server. Counts are capped at 10,000.
type statusJSON struct {
	Version  string     `json:"version"`    // of usher
	Name     string     `json:"name"`       // of the server
	Now      time.Time  `json:"now"`        // clock of the server, in UTC
	Accounts accountsN  `json:"accounts"`   // how many accounts there are
	Tokens   tokensN    `json:"tokens"`     // how many live tokens there are
	Sessions int        `json:"sessions"`   // browsers that are signed in
	Servers  int        `json:"servers"`    // how many servers there are
	Shares   int        `json:"shares"`     // of all servers
	Provider int        `json:"providers"`  // how many providers there are
	Hashing  hashingN   `json:"hashing"`    // load of password checks
	Cache    cacheN     `json:"tokenCache"` // of this node
	Backup   *time.Time `json:"lastBackup"` // by usher backup; null: never
}

type accountsN struct {
	All      int `json:"all"`      // with admins and disabled ones
	Admins   int `json:"admins"`   // that are not members
	Disabled int `json:"disabled"` // that cannot sign in
}

type tokensN struct {
	Access int `json:"access"` // of programs
	Server int `json:"server"` // for one server each
}

type hashingN struct {
	Running int `json:"running"` // passwords being hashed
	Waiting int `json:"waiting"` // passwords in the queue
}

type cacheN struct {
	Entries int    `json:"entries"` // tokens in memory
	Hits    uint64 `json:"hits"`    // since the start
	Misses  uint64 `json:"misses"`  // since the start
}

func (f adminStatus) show(ctx context.Context, _ *adminCall) (int, any, error) {
	c := f.core
	s := statusJSON{Version: f.version, Name: c.Sources.Self().Name, Now: c.Now().UTC()}
	accounts, err := c.Accounts.Count(ctx)
	if err != nil {
		return 0, nil, err
	}
	tokens, err := c.Tokens.Count(ctx)
	if err != nil {
		return 0, nil, err
	}
	sources, err := c.Sources.Count(ctx)
	if err != nil {
		return 0, nil, err
	}
	if s.Sessions, err = c.Sessions.Count(ctx); err != nil {
		return 0, nil, err
	}
	backup, err := c.LastBackup(ctx)
	s.Accounts = accountsN{accounts.Accounts, accounts.Admins, accounts.Disabled}
	s.Tokens = tokensN{tokens.Access, tokens.Server}
	s.Servers, s.Provider, s.Shares = sources.Servers, sources.Providers, sources.Shares
	s.Hashing.Running, s.Hashing.Waiting = c.Hashing.Load()
	stats := c.Tokens.Stats()
	s.Cache, s.Backup = cacheN{stats.Cached, stats.Hits, stats.Misses}, orNull(backup)
	return http.StatusOK, s, err
}

// orNull returns nil for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
