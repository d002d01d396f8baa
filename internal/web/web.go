package web

import (
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

// Config is what Pages stand on. All but the last three are required.
type Config struct {
	Store    *store.Store
	Accounts *account.Service
	Tokens   *token.Service
	Sources  *source.Service
	PINs     *pin.Service
	Origins  *origin.Service
	Sessions *session.Service
	Passkeys *passkey.Service
	// PublicURL is where browsers reach these pages; a passkey is bound to its
	// host name. Empty: the address that each request was sent to.
	PublicURL string
	// Logger gets what goes wrong here. Nil: nothing is logged.
	Logger *slog.Logger
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Pages answers browsers. It is safe for concurrent use.
type Pages struct {
	Config
	*frame
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
	p := &Pages{Config: cfg, frame: newFrame(cfg)}
	browsers := &browserSessions{
		sessions: cfg.Sessions, accounts: cfg.Accounts, log: cfg.Logger, now: cfg.Now,
	}
	p.setup = &setup{accounts: cfg.Accounts, browsers: browsers}
	p.add(p.setup)
	p.add(signInFeatures(cfg, browsers)...)
	p.add(accountFeatures(cfg)...)
	p.table = append(p.table, p.rows()...)
	return p
}

func newFrame(cfg Config) *frame {
	return &frame{
		sessions: cfg.Sessions, accounts: cfg.Store, publicURL: cfg.PublicURL, tabs: adminTabs,
		log: cfg.Logger, origin: http.NewCrossOriginProtection(),
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

// SetupPath creates a set-up link, which lets its visitor create the first
// admin, and returns its path. It is a secret of whoever started the server.
func (p *Pages) SetupPath() plexauth.Secret { return p.setup.link() }
