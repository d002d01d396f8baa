package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

// signIn is the page that programs open: it signs a visitor in by password, and
// then asks for consent to the PIN in its address.
type signIn struct {
	accounts *account.Service
	browsers *browserSessions
	site     passkeySite
	consent  *consent
	post     post
}

func (s *signIn) pages() []page {
	return []page{
		{"GET", "/auth", anyone, s.auth},
		{"POST", "/auth/sign-in", anyone, s.submit},
		{"POST", "/auth/sign-out", anyone, s.signOut},
	}
}

// auth shows what the visitor has to do next.
func (s *signIn) auth(ctx context.Context, v *visit) (view, error) {
	request := readPINRequest(v.URL.Query())
	next := nextPath(v.URL.Query())
	if request.Code != "" {
		next = "/auth?" + request.query()
	}
	switch {
	case v.signedIn() && request.Code != "":
		return s.consent.ask(ctx, v, request)
	case v.signedIn():
		return view{to: next}, nil
	case v.halfSignedIn():
		return view{to: halfWayPath(next)}, nil
	}
	return s.show(ctx, v, 0, signInData{Next: next, Product: request.Product, Late: v.URL.Query().Get("late") != ""})
}

// signInData is the sign-in form.
type signInData struct {
	sent
	Next     string
	Product  string // the program that asks, by the name that it gives itself
	Passkeys bool   // passkeys work at this address
	SignUp   string // the page to sign up; empty: an admin adds accounts
	Mail     bool   // users who have lost the password can request a link by e-mail
	// Late: the second step took too long, so the sign-in begins again.
	Late bool
}

// Unsaved reports whether the visitor was signed out before they sent a form.
func (d signInData) Unsaved() bool {
	next, err := url.Parse(d.Next)
	return err == nil && isUnsaved(next)
}

func (s *signIn) show(ctx context.Context, v *visit, status int, data signInData) (view, error) {
	_, err := s.site.party(v)
	data.Passkeys, data.Mail = err == nil, s.post.on()
	open, err := s.accounts.SignUpOpen(ctx)
	if open {
		data.SignUp = signUpPath + "?" + url.Values{"next": {data.Next}}.Encode()
	}
	return view{name: "sign-in", status: status, data: data}, err
}

// submit takes the login and the password.
func (s *signIn) submit(ctx context.Context, v *visit) (view, error) {
	form := signInData{Next: nextPath(v.PostForm), Product: v.PostFormValue("product")}
	answer, err := s.byPassword(ctx, v, form.Next)
	if errors.Is(err, account.ErrCredentials) {
		err = fault.WithField(err, "password", "") // the likelier of the two
	}
	var failed bool
	if form.sent, failed = rejected(v, err); failed {
		return s.show(ctx, v, http.StatusUnauthorized, form)
	}
	return answer, err
}

// byPassword verifies the password and starts a session, which the second step
// completes if the account has a second factor.
func (s *signIn) byPassword(ctx context.Context, v *visit, next string) (view, error) {
	verified, err := s.accounts.VerifyPassword(ctx, v.actor(), account.Credentials{
		Login: v.PostFormValue("login"), Password: plexauth.Secret(v.PostFormValue("password")), Caller: v.caller(),
	})
	if err != nil {
		return view{}, err
	}
	if !verified.Complete {
		next = halfWayPath(next)
	}
	return s.browsers.start(ctx, v, verified.Proof, verified.Complete, next)
}

// halfWayPath is where a visitor goes who lacks the second factor: to the page that
// sets it up, if an admin's link leads there, and to the second step otherwise.
func halfWayPath(next string) string {
	if next == linkedFactorPath {
		return next
	}
	return secondStepPath(next)
}

// secondStepPath is the page of the second factor, which leads to next.
func secondStepPath(next string) string {
	return "/auth/code?" + url.Values{"next": {next}}.Encode()
}

func (s *signIn) signOut(ctx context.Context, v *visit) (view, error) {
	s.browsers.revoke(ctx, v)
	return view{to: "/", cookies: []*http.Cookie{noSessionCookie()}}, nil
}
