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
	// ErrInvalidState reports that this browser has no pending sign-in with the
	// state of the callback URL: it started none, or the sign-in is complete or
	// has expired. Reloading the callback page causes it, and so does an
	// attack. If another browser started the sign-in, and its token could not be
	// revoked, the error also wraps the reason.
	ErrInvalidState = errors.New("login: this browser has no such pending sign-in")
	// ErrAccessDenied reports that the browser returned before the user allowed
	// access: the user denied it, has not decided, took longer than the lifetime
	// of the PIN, or allowed it in another browser.
	ErrAccessDenied = errors.New("login: the user has not allowed access")
)

// Config configures the two handlers. Do not change it after Handlers returned.
type Config struct {
	// Client calls the account plane. Its Token is ignored. Required, with its
	// ClientIdentifier.
	Client *plexauth.Client

	// CallbackURL is the absolute URL of the callback handler, such as
	// "https://my.example.org/signed-in". It may have a query, and must not
	// have user info or a fragment. If its scheme is https, the cookies are
	// sent over TLS only. Required.
	CallbackURL string

	// Done is called at the end of every sign-in and writes the response. If
	// err is nil, account is the account of the user, with a new token in
	// AuthToken. Otherwise account is nil. Done must be safe for concurrent
	// use. Required.
	//
	// The errors to test for with errors.Is are ErrInvalidState and
	// ErrAccessDenied. Any other error comes from plexauth and may be
	// temporary, for example if the account plane does not respond.
	Done func(w http.ResponseWriter, r *http.Request, account *plexauth.Account, err error)

	// TokenTimeout limits how long the callback handler polls the account plane
	// for the token. If zero or negative, it is five seconds.
	TokenTimeout time.Duration

	// MaxPending limits the number of pending sign-ins. When it is reached, the
	// one that expires first is removed. If zero or negative, it is 10,000,
	// which takes some megabytes.
	MaxPending int
}

// flow holds the state that both handlers share.
type flow struct {
	Config
	callbackURL url.URL
	pending     pending
}

// Handlers returns the start handler and the callback handler. Link the start
// handler from the "Sign in" button; it accepts GET and POST. Serve the
// callback handler at CallbackURL; it accepts GET. Both are safe for concurrent
// use.
//
// Handlers returns an error if a required field of cfg is missing or
// CallbackURL is invalid.
func Handlers(cfg Config) (start, callback http.Handler, err error) {
	if cfg.Client == nil || cfg.Done == nil {
		return nil, nil, errors.New("login: Config.Client and Config.Done are required")
	}
	if cfg.Client.ClientIdentifier == "" {
		return nil, nil, errors.New("login: Config.Client.ClientIdentifier is empty; " +
			"plexauth.LoadClientIdentifier generates and stores one")
	}
	u, err := url.Parse(cfg.CallbackURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" ||
		u.User != nil || u.Fragment != "" {
		return nil, nil, errors.New("login: invalid Config.CallbackURL: it must have the form https://HOST/PATH")
	}
	if cfg.TokenTimeout <= 0 {
		cfg.TokenTimeout = 5 * time.Second
	}
	if cfg.MaxPending <= 0 {
		cfg.MaxPending = 10_000
	}
	f := &flow{Config: cfg, callbackURL: *u, pending: pending{limit: cfg.MaxPending}}
	return http.HandlerFunc(f.serveStart), http.HandlerFunc(f.serveCallback), nil
}

// serveStart starts a sign-in and redirects the browser to the account plane.
func (f *flow) serveStart(w http.ResponseWriter, r *http.Request) {
	if !allowMethods(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	// The state is part of the callback URL. The key is only in the cookie.
	state, key := rand.Text(), rand.Text()
	forward := f.callbackWith(state)
	pin, err := f.Client.StartPIN(r.Context(), plexauth.PINRequest{Strong: true, ForwardURL: forward})
	if err != nil {
		f.Done(w, r, nil, err)
		return
	}
	f.pending.add(state, signIn{pin, sha256.Sum256([]byte(key))})
	http.SetCookie(w, f.cookie(state, key, int(pin.ExpiresIn.Seconds())))
	http.Redirect(w, r, f.Client.AuthURL(pin, forward), http.StatusSeeOther)
}

// serveCallback completes the sign-in of a browser that returns.
func (f *flow) serveCallback(w http.ResponseWriter, r *http.Request) {
	if !allowMethods(w, r, http.MethodGet) {
		return
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	account, err := f.account(w, r)
	f.Done(w, r, account, err)
}

// account returns the account of the user whose browser returned. It uses up
// the pending sign-in.
func (f *flow) account(w http.ResponseWriter, r *http.Request) (*plexauth.Account, error) {
	state, key := r.URL.Query().Get("state"), ""
	// Attack: a site of the same domain adds a second cookie of that name.
	if cookies := r.CookiesNamed(f.cookieName(state)); len(cookies) == 1 {
		key = cookies[0].Value
	}
	in, ok := f.pending.take(state, sha256.Sum256([]byte(key)))
	if !ok {
		return nil, f.refuse(r, state)
	}
	http.SetCookie(w, f.cookie(state, "", -1))
	pin := in.pin.WithProof(r.URL)
	if pin.ForwardURL != "" && pin.Proof == "" {
		// The user denied access, or allowed it in another browser.
		return nil, ErrAccessDenied
	}
	token, err := f.waitToken(r.Context(), pin)
	if err != nil {
		return nil, err
	}
	account, err := f.Client.AccountOf(r.Context(), token)
	if err != nil {
		return nil, err
	}
	account.AuthToken = token
	return account, nil
}

// refuse returns ErrInvalidState for a browser that did not start the sign-in
// with this state. If the account plane redirected that browser, its user has just
// allowed access to a sign-in that another person started: refuse cancels the sign-in
// and revokes its token.
//
// If the account plane adds proofs, only a valid proof cancels the sign-in, because
// nobody can complete it without one. Otherwise, anyone who knows the state can
// cancel it.
func (f *flow) refuse(r *http.Request, state string) error {
	in, ok := f.pending.get(state)
	if !ok {
		return ErrInvalidState
	}
	pin := in.pin.WithProof(r.URL)
	if pin.ForwardURL != "" && pin.Proof == "" {
		return ErrInvalidState
	}
	if pin.ForwardURL == "" {
		if _, ok := f.pending.take(state, in.key); !ok {
			return ErrInvalidState
		}
	}
	// The user may close the page: the token must be revoked nevertheless.
	ctx := context.WithoutCancel(r.Context())
	token, err := f.waitToken(ctx, pin)
	if errors.Is(err, ErrAccessDenied) {
		return ErrInvalidState
	}
	f.pending.take(state, in.key)
	if err == nil {
		err = f.signOut(ctx, token)
	}
	if err != nil {
		return fmt.Errorf("%w; revoking its token failed: %w", ErrInvalidState, err)
	}
	return ErrInvalidState
}

// signOut revokes the token of a cancelled sign-in.
func (f *flow) signOut(ctx context.Context, token plexauth.Secret) error {
	ctx, cancel := context.WithTimeout(ctx, signOutTimeout)
	defer cancel()
	theirs := *f.Client
	theirs.Token = plexauth.StaticToken(token)
	return theirs.SignOut(ctx)
}

// signOutTimeout limits how long a browser waits for the account plane.
const signOutTimeout = 10 * time.Second

// waitToken polls for the token, for a short time: the account plane redirects
// the browser after the user has decided, so the token exists already or never
// will.
func (f *flow) waitToken(ctx context.Context, pin *plexauth.PIN) (plexauth.Secret, error) {
	waitCtx, cancel := context.WithTimeout(ctx, f.TokenTimeout)
	defer cancel()
	token, err := f.Client.WaitPIN(waitCtx, pin)
	if errors.Is(err, plexauth.ErrPINExpired) {
		return "", fmt.Errorf("%w: %w", ErrAccessDenied, err)
	}
	if err == nil || waitCtx.Err() == nil || ctx.Err() != nil {
		return token, err
	}
	// The wait timed out. If the last poll failed, the decision is unknown.
	if last := (*plexauth.Error)(nil); errors.As(errors.Unwrap(err), &last) {
		return "", err
	}
	return "", ErrAccessDenied
}

// allowMethods responds with 405 and returns false if the method is not one of
// methods, so that such a request neither starts nor uses up a sign-in. It also
// forbids caching of every response.
func allowMethods(w http.ResponseWriter, r *http.Request, methods ...string) bool {
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

// callbackWith returns the callback URL for a state.
func (f *flow) callbackWith(state string) string {
	u := f.callbackURL
	query := u.Query()
	query.Set("state", state)
	u.RawQuery = query.Encode()
	return u.String()
}

// cookieName returns the name of the cookie for a state. Each state has its own
// cookie, so that a user can sign in in two tabs. With TLS, the prefix __Host-
// prevents other hosts of the domain from setting the cookie (RFC 6265bis,
// section 4.1.3.2).
func (f *flow) cookieName(state string) string {
	name := "sign-in-" + state[:min(len(state), 8)]
	if f.secure() {
		name = "__Host-" + name
	}
	return name
}

// cookie returns the cookie that binds a state to the browser.
func (f *flow) cookie(state, key string, maxAge int) *http.Cookie {
	c := &http.Cookie{
		Name: f.cookieName(state), Value: key, Path: f.callbackURL.EscapedPath(), MaxAge: maxAge,
		HttpOnly: true, Secure: f.secure(), SameSite: http.SameSiteLaxMode,
	}
	if c.Secure || c.Path == "" {
		c.Path = "/" // required by the prefix __Host-
	}
	return c
}

func (f *flow) secure() bool { return f.callbackURL.Scheme == "https" }

// equal compares two hashes in constant time.
func equal(a, b [sha256.Size]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
