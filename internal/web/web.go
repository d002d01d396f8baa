package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"sync"
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
	setup setupKey
}

// New returns the pages.
func New(cfg Config) *Pages {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Pages{Config: cfg, frame: &frame{
		sessions: cfg.Sessions, accounts: cfg.Store, publicURL: cfg.PublicURL, tabs: adminTabs,
		log: cfg.Logger, origin: http.NewCrossOriginProtection(),
	}}
}

// setupKey lets one person make the first admin. It exists in memory only, from
// when the link with it is made to when it is used.
type setupKey struct {
	mu  sync.Mutex
	key plexauth.Secret
}

// SetupPath draws the key for the first admin's page and returns the page's
// path with it: for the eyes of who started the server.
func (p *Pages) SetupPath() plexauth.Secret {
	p.setup.mu.Lock()
	defer p.setup.mu.Unlock()
	p.setup.key = plexauth.Secret(rand.Text())
	return "/setup?key=" + p.setup.key
}

// opens reports whether key is the one that was drawn.
func (k *setupKey) opens(key plexauth.Secret) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(k.key)) == 1
}

// spend makes the key useless.
func (k *setupKey) spend() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key = ""
}

// empty reports whether there is no account yet.
func (p *Pages) empty(ctx context.Context) (bool, error) {
	list, err := p.Accounts.List(ctx)
	return len(list) == 0, err
}
