package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"sync"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/plexauth"
)

const setupPath = "/setup"

// setupCookie holds the set-up key between the link and the form. The link's
// address is replaced immediately, so that the key is in no history.
const setupCookie = "usher_setup"

// setup creates the first admin, for the visitor who has the set-up link.
type setup struct {
	accounts *account.Service
	browsers *browserSessions
	key      setupKey
}

func (s *setup) pages() []page {
	return []page{
		{"GET", setupPath, anyone, s.form},
		{"POST", setupPath, anyone, s.submit},
	}
}

// link returns the path of the set-up page with a new key. Earlier links stop
// working.
func (s *setup) link() plexauth.Secret { return setupPath + "?key=" + s.key.generate() }

// setupData is the form of the first admin.
type setupData struct{ sent }

func (s *setup) form(ctx context.Context, v *visit) (view, error) {
	if none, err := noAccounts(ctx, s.accounts); err != nil || !none {
		return view{to: "/"}, err
	}
	if key := plexauth.Secret(v.URL.Query().Get("key")); key != "" {
		if !s.key.matches(key) {
			return view{}, errSetupKey
		}
		cookie := &http.Cookie{Name: setupCookie, Value: string(key), Path: setupPath}
		return view{to: setupPath, cookies: []*http.Cookie{cookie}}, nil
	}
	if !s.allowed(v) {
		return view{}, errSetupKey
	}
	return view{name: "setup", data: setupData{}}, nil
}

// allowed reports whether the visitor has the key.
func (s *setup) allowed(v *visit) bool {
	return s.key.matches(v.cookie(setupCookie, setupPath))
}

// submit creates the first admin and signs them in.
func (s *setup) submit(ctx context.Context, v *visit) (view, error) {
	if !s.allowed(v) {
		return view{}, errSetupKey
	}
	first, err := s.accounts.AddFirst(ctx, v.actor(), account.NewAccount{
		Username: v.PostFormValue("username"), Email: v.PostFormValue("email"), Admin: true,
		Password: plexauth.Secret(v.PostFormValue("password")),
	})
	if errors.Is(err, account.ErrExists) {
		return view{to: "/"}, nil // another request created it first
	}
	if form, ok := rejected(v, err); ok {
		return view{name: "setup", status: http.StatusBadRequest, data: setupData{form}}, nil
	}
	if err != nil {
		return view{}, err
	}
	s.key.revoke()
	answer, err := s.browsers.startFirst(ctx, v, first.Proof, "/account")
	used := &http.Cookie{Name: setupCookie, Path: setupPath, MaxAge: -1}
	answer.cookies = append(answer.cookies, used)
	return answer, err
}

// setupKey is the secret of the set-up link. It is in memory only, from the
// creation of the link to its use.
type setupKey struct {
	// shared is the key of all nodes of a database; empty: this process makes its
	// own.
	shared plexauth.Secret

	mu  sync.Mutex
	key plexauth.Secret
}

// generate replaces the key by a new one, unless it is that of other nodes, too.
func (k *setupKey) generate() plexauth.Secret {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key = k.shared; k.key == "" {
		k.key = plexauth.Secret(rand.Text())
	}
	return k.key
}

// matches reports whether key is the current one.
func (k *setupKey) matches(key plexauth.Secret) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(k.key)) == 1
}

// revoke makes the key invalid.
func (k *setupKey) revoke() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key = ""
}
