package login_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauth/login"
	"github.com/usher-auth/usher/plexauthtest"
)

// program is a web program that greets the user. It stores its sessions in
// memory.
type program struct {
	http.ServeMux
	sessions sync.Map // from the value of a session cookie to a *plexauth.Account
}

const sessionCookie = "session"

// newProgram returns a program. Your program leaves AccountURL empty to have
// users sign in at the real service, or sets it to the address of usher.
func newProgram(accountURL, home string) (*program, error) {
	p := &program{}
	start, callback, err := login.Handlers(login.Config{
		// Use plexauth.LoadClientIdentifier for the identifier.
		Client:      &plexauth.Client{ClientIdentifier: "my-program", Product: "My program", AccountURL: accountURL},
		CallbackURL: home + "/signed-in",
		Done:        p.done,
	})
	if err != nil {
		return nil, err
	}
	p.Handle("/sign-in", start)
	p.Handle("/signed-in", callback)
	p.HandleFunc("/{$}", p.home)
	return p, nil
}

// done is called at the end of a sign-in. If it succeeded, account.AuthToken is
// a token of the user, and done creates a session.
func (p *program) done(w http.ResponseWriter, r *http.Request, account *plexauth.Account, err error) {
	switch {
	case errors.Is(err, login.ErrAccessDenied), errors.Is(err, login.ErrInvalidState):
		http.Error(w, "You are not signed in. Go back and try again.", http.StatusForbidden)
		return
	case err != nil:
		log.Print(err)
		http.Error(w, "Sign-in is not available. Try again later.", http.StatusBadGateway)
		return
	}
	session := rand.Text()
	p.sessions.Store(session, account)
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: session, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (p *program) home(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		if account, ok := p.sessions.Load(cookie.Value); ok {
			fmt.Fprintf(w, "Hello, %s!", html.EscapeString(account.(*plexauth.Account).Username))
			return
		}
	}
	fmt.Fprint(w, `<a href="/sign-in">Sign in</a>`)
}

// A complete web program with a "Sign in" link, and a user who signs in.
func Example() {
	t := &exampleTB{}
	defer t.stop()
	srv := plexauthtest.New(t, plexauthtest.Config{})
	var p *program
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.ServeHTTP(w, r) }))
	defer web.Close()
	var err error
	if p, err = newProgram(srv.AccountURL, web.URL); err != nil {
		fmt.Println(err)
		return
	}

	// The start handler redirects the browser to a page that reads the code
	// from the URL.
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), srv.AccountURL+"/auth") {
			query, _ := url.ParseQuery(strings.TrimPrefix(r.URL.EscapedFragment(), "?"))
			// The user signs in there, allows access, and is sent back.
			r.URL, _ = url.Parse(srv.Member.LinkPIN(query.Get("code")))
			r.Host = r.URL.Host
		}
		return nil
	}}
	for _, path := range []string{"/", "/sign-in"} {
		res, err := browser.Get(web.URL + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(string(text))
	}
	// Output:
	// <a href="/sign-in">Sign in</a>
	// Hello, member!
}

// exampleTB is the testing.TB that plexauthtest needs and that an example
// lacks.
type exampleTB struct {
	testing.TB // nil: only the methods below are called
	cleanups   []func()
}

// Helper implements testing.TB.
func (*exampleTB) Helper() {}

// Cleanup implements testing.TB.
func (t *exampleTB) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *exampleTB) stop() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}
