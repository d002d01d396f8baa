package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/plexauth"
)

const signUpPath = "/auth/sign-up"

// signUp adds an account for a visitor, where the server allows it.
type signUp struct {
	accounts *account.Service
	browsers *browserSessions
}

func (s *signUp) pages() []page {
	return []page{
		{"GET", signUpPath, anyone, s.form},
		{"POST", signUpPath, anyone, s.submit},
	}
}

// signUpData is the form of a new account.
type signUpData struct {
	sent
	Next string
}

// SignIn is the page for those who have an account.
func (d signUpData) SignIn() string { return "/auth?" + url.Values{"next": {d.Next}}.Encode() }

// open returns an error if there is no such page.
func (s *signUp) open(ctx context.Context) error {
	open, err := s.accounts.SignUpOpen(ctx)
	if err == nil && !open {
		err = errNoPage
	}
	return err
}

func (s *signUp) form(ctx context.Context, v *visit) (view, error) {
	data := signUpData{Next: nextPath(v.URL.Query())}
	if err := s.open(ctx); err != nil {
		return view{}, err
	}
	if v.signedIn() {
		return view{to: data.Next}, nil
	}
	return view{name: "sign-up", data: data}, nil
}

// submit adds the account and signs the visitor in.
func (s *signUp) submit(ctx context.Context, v *visit) (view, error) {
	if err := s.open(ctx); err != nil {
		return view{}, err
	}
	data := signUpData{Next: nextPath(v.PostForm)}
	added, err := s.accounts.SignUp(ctx, v.actor(), account.NewAccount{
		Username: v.PostFormValue("username"), Email: v.PostFormValue("email"),
		Password: plexauth.Secret(v.PostFormValue("password")),
	})
	var failed bool
	if data.sent, failed = rejected(v, err); failed {
		return view{name: "sign-up", status: http.StatusBadRequest, data: data}, nil
	}
	if err != nil {
		return view{}, err
	}
	return s.browsers.startFirst(ctx, v, added.Proof, data.Next)
}
