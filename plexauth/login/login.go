package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

var (
	// ErrInvalidState: the browser did not start this sign-in, or it is over already.
	// It is what an attack looks like, and also a page that was loaded again.
	ErrInvalidState = errors.New("login: this browser has no such sign-in under way")
	// ErrAccessDenied: the person came back and has not let the program in, or has
	// taken longer than the account plane waits.
	ErrAccessDenied = errors.New("login: the person has not let the program in")
)

// Config is what the two handlers work with.
type Config struct {
	// Client talks to the account plane; its Token is not used. Required, with
	// its ClientIdentifier.
	Client *plexauth.Client

	// CallbackURL is where browsers reach the callback handler, whole:
	// "https://my.example.org/signed-in". With https, the cookies are sent over
	// TLS only. Required.
	CallbackURL string

	// Done ends every sign-in, and answers the browser. When err is nil, the
	// account is that of the person at the browser, with a fresh token in
	// AuthToken; otherwise it is nil. It is called from many goroutines.
	// Required.
	//
	// The errors are ErrInvalidState, ErrAccessDenied, and those of plexauth: what is not
	// one of the two may pass by itself, as when the account plane does not
	// answer.
	Done func(w http.ResponseWriter, r *http.Request, account *plexauth.Account, err error)

	// TokenTimeout is how long a browser that comes back waits for the account plane to
	// have the token. Zero: five seconds.
	TokenTimeout time.Duration

	// MaxPending is how many sign-ins are under way at the most; the oldest gives
	// way. Zero: 10,000, which take some megabytes.
	MaxPending int
}

// flow is the two handlers.
type flow struct {
	Config
	callback url.URL
	pending  pending
}

// Handlers returns the handler that the program's "Sign in" leads to, by GET or
// POST, and the one that is at CallbackURL. Both are safe for concurrent use.
// It is an error when something that is required is missing, or CallbackURL is
// not of its form.
func Handlers(cfg Config) (start, callback http.Handler, err error) {
	if cfg.Client == nil || cfg.Done == nil {
		return nil, nil, errors.New("login: Config.Client and Config.Done are required")
	}
	if cfg.Client.ClientIdentifier == "" {
		return nil, nil, errors.New("login: Config.Client has no ClientIdentifier; plexauth.LoadClientIdentifier makes and keeps one")
	}
	u, err := url.Parse(cfg.CallbackURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return nil, nil, errors.New("login: Config.CallbackURL is not of the form https://HOST/PATH")
	}
	if cfg.TokenTimeout <= 0 {
		cfg.TokenTimeout = 5 * time.Second
	}
	if cfg.MaxPending <= 0 {
		cfg.MaxPending = 10_000
	}
	f := &flow{Config: cfg, callback: *u, pending: pending{most: cfg.MaxPending}}
	return http.HandlerFunc(f.start), http.HandlerFunc(f.finish), nil
}

// start sends a browser to the account plane.
func (f *flow) start(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	pin, err := f.Client.StartPIN(r.Context(), plexauth.PINRequest{Strong: true})
	if err != nil {
		f.Done(w, r, nil, err)
		return
	}
	// Only the first of the two is ever in a URL.
	state, proof := rand.Text(), rand.Text()
	f.pending.add(state, attempt{pin, sha256.Sum256([]byte(proof))})
	http.SetCookie(w, f.cookie(state, proof, int(pin.ExpiresIn.Seconds())))
	http.Redirect(w, r, f.Client.AuthURL(pin, f.callbackFor(state)), http.StatusSeeOther)
}

// finish takes a browser back.
func (f *flow) finish(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet) {
		return
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	account, err := f.account(w, r)
	f.Done(w, r, account, err)
}

// account is that of the person whose browser came back.
func (f *flow) account(w http.ResponseWriter, r *http.Request) (*plexauth.Account, error) {
	state := r.URL.Query().Get("state")
	cookie, err := r.Cookie(f.cookieName(state))
	if err != nil {
		return nil, ErrInvalidState
	}
	pin, ok := f.pending.take(state, sha256.Sum256([]byte(cookie.Value)))
	if !ok {
		return nil, ErrInvalidState
	}
	http.SetCookie(w, f.cookie(state, "", -1))
	token, err := f.wait(r.Context(), pin)
	if err != nil {
		return nil, err
	}
	theirs := *f.Client
	theirs.Token = plexauth.StaticToken(token)
	account, err := theirs.TokenDetails(r.Context())
	if err != nil {
		return nil, err
	}
	account.AuthToken = token
	return account, nil
}

// wait waits a little for the token: the account plane sends the browser back
// once the person has decided, so that it is there now or never.
func (f *flow) wait(ctx context.Context, pin *plexauth.PIN) (plexauth.Secret, error) {
	brief, cancel := context.WithTimeout(ctx, f.TokenTimeout)
	defer cancel()
	token, err := f.Client.WaitPIN(brief, pin)
	if errors.Is(err, plexauth.ErrPINExpired) {
		return "", fmt.Errorf("%w: %w", ErrAccessDenied, err)
	}
	if err == nil || brief.Err() == nil || ctx.Err() != nil {
		return token, err
	}
	if trouble := (*plexauth.Error)(nil); errors.As(errors.Unwrap(err), &trouble) {
		return "", err // the account plane has not said either way
	}
	return "", ErrAccessDenied
}

// allow answers a request by another method, which must neither start a
// sign-in nor use one up, and keeps the answer to any out of caches.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	w.Header().Set("Cache-Control", "no-store")
	for _, method := range methods {
		if r.Method == method {
			return true
		}
	}
	for _, method := range methods {
		w.Header().Add("Allow", method)
	}
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	return false
}

// callbackFor is where a browser comes back to with a state.
func (f *flow) callbackFor(state string) string {
	u := f.callback
	query := u.Query()
	query.Set("state", state)
	u.RawQuery = query.Encode()
	return u.String()
}

// cookieName is that of a state's cookie. Each has its own, so that a person
// may sign in in two tabs. Under TLS, its prefix keeps other hosts of the same
// domain from setting it (RFC 6265bis, section 4.1.3.2).
func (f *flow) cookieName(state string) string {
	name := "sign-in-" + state[:min(len(state), 8)]
	if f.secure() {
		name = "__Host-" + name
	}
	return name
}

// cookie is what proves that a browser was sent away with a state.
func (f *flow) cookie(state, proof string, maxAge int) *http.Cookie {
	c := &http.Cookie{
		Name: f.cookieName(state), Value: proof, Path: f.callback.EscapedPath(), MaxAge: maxAge,
		HttpOnly: true, Secure: f.secure(), SameSite: http.SameSiteLaxMode,
	}
	if c.Secure || c.Path == "" {
		c.Path = "/" // which the prefix demands
	}
	return c
}

func (f *flow) secure() bool { return f.callback.Scheme == "https" }

// same compares in constant time.
func same(a, b [sha256.Size]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
