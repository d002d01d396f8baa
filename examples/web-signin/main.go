// Web-signin is a small web program with a "Sign in" button, which greets the
// user. Package login does the sign-in; the program has its own sessions.
//
// Run it against usher. Start the server, and add a user:
//
//	usher serve
//	usher account add mia --email mia@example.org
//
// Then, in another terminal:
//
//	go run ./examples/web-signin
//
// Open http://127.0.0.1:8080 in a browser. With -account-url https://plex.tv,
// users sign in at the real service.
package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"html"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauth/login"
)

func main() {
	accountURL := flag.String("account-url", "http://127.0.0.1:32400", "base `URL` of the account plane")
	listen := flag.String("listen", "127.0.0.1:8080", "listen `address`")
	flag.Parse()
	id, err := plexauth.LoadClientIdentifier("usher-web-signin")
	if err != nil {
		log.Fatal(err)
	}
	client := &plexauth.Client{
		ClientIdentifier: id, Product: "Web example", AccountURL: *accountURL,
	}
	site, err := newSite(client, "http://"+*listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("Open http://%s", *listen)
	server := &http.Server{Addr: *listen, Handler: site, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// site is the web program. It stores sessions in memory, so a restart removes
// them.
type site struct {
	http.ServeMux
	sessions sync.Map // from the value of a session cookie to a *plexauth.Account
}

const sessionCookie = "session"

// newSite returns the program. baseURL is the URL that browsers reach it by.
func newSite(client *plexauth.Client, baseURL string) (*site, error) {
	s := &site{}
	start, callback, err := login.Handlers(login.Config{
		Client: client, CallbackURL: baseURL + "/signed-in", Done: s.signedIn,
	})
	if err != nil {
		return nil, err
	}
	s.Handle("/sign-in", start)
	s.Handle("/signed-in", callback)
	s.HandleFunc("POST /sign-out", s.signOut)
	s.HandleFunc("GET /{$}", s.home)
	return s, nil
}

// signedIn creates a session after a sign-in. Package login calls it.
func (s *site) signedIn(
	w http.ResponseWriter, r *http.Request, account *plexauth.Account, err error,
) {
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
	s.sessions.Store(session, account)
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: session, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, // and Secure, if baseURL is https
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		s.sessions.Delete(cookie.Value)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		if account, ok := s.sessions.Load(cookie.Value); ok {
			name := html.EscapeString(account.(*plexauth.Account).Username)
			fmt.Fprintf(w, `<p>Hello, %s!</p>`, name)
			fmt.Fprintln(w, `<form method="post" action="/sign-out"><button>Sign out</button></form>`)
			return
		}
	}
	fmt.Fprintln(w, `<form method="post" action="/sign-in"><button>Sign in</button></form>`)
}
