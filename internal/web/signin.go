package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// home is what someone sees who just types the server's address.
func (p *Pages) home(ctx context.Context, v *visit) (view, error) {
	if v.signedIn() {
		return view{to: "/account"}, nil
	}
	empty, err := p.empty(ctx)
	if err != nil {
		return view{}, err
	}
	return view{name: "home", data: struct{ Empty bool }{empty}}, nil
}

// signInData is the sign-in form.
type signInData struct {
	Login, Next string
	Product     string // what wants somebody to sign in, as it says itself
	Problem     string
	Passkeys    bool // they can be used at this address
}

// showSignIn is the sign-in page.
func (p *Pages) showSignIn(v *visit, status int, data signInData) view {
	_, err := p.party(v)
	data.Passkeys = err == nil
	return view{name: "sign-in", status: status, data: data}
}

// auth is the page that programs open: it signs somebody in, and then asks for
// consent to what the PIN in its address wants.
func (p *Pages) auth(ctx context.Context, v *visit) (view, error) {
	ask := readAsk(v.URL.Query())
	next := nextPath(v.URL.Query())
	if ask.Code != "" {
		next = "/auth?" + ask.query()
	}
	switch {
	case v.signedIn() && ask.Code != "":
		return p.askConsent(ctx, v, ask)
	case v.signedIn():
		return view{to: next}, nil
	case v.session.ID != 0:
		return view{to: "/auth/code?" + url.Values{"next": {next}}.Encode()}, nil
	}
	return p.showSignIn(v, 0, signInData{Next: next, Product: ask.Product}), nil
}

// signIn takes the form of a login and a password.
func (p *Pages) signIn(ctx context.Context, v *visit) (view, error) {
	form := signInData{
		Login: v.PostFormValue("login"), Next: nextPath(v.PostForm), Product: v.PostFormValue("product"),
	}
	proof, complete, err := p.Accounts.VerifyPassword(ctx, account.Credentials{
		Login: form.Login, Password: plexauth.Secret(v.PostFormValue("password")), Address: v.from.Address,
	})
	var answer view
	if err == nil {
		answer, err = p.begin(ctx, v, proof, complete, form.Next)
	}
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, account.ErrCredentials):
		form.Problem = "The name or the password is not right."
	case errors.Is(err, account.ErrCode):
		form.Problem = "The code after the password is not right, or was used before."
	case fault.KindOf(err) == fault.Limited:
		form.Problem = waitText(fault.WaitOf(err))
	default:
		return view{}, err
	}
	return p.showSignIn(v, http.StatusUnauthorized, form), nil
}

// begin spends a proof on a session and goes on with it. account.ErrCode,
// account.ErrCredentials: the proof does not hold.
func (p *Pages) begin(ctx context.Context, v *visit, proof account.Proof, complete bool, next string) (view, error) {
	cookie, s, err := p.Sessions.Begin(ctx, proof.SignIn, complete, v.from)
	if errors.Is(err, store.ErrConflict) {
		err = p.Accounts.Rejected(ctx, proof)
	}
	if err != nil {
		return view{}, err
	}
	p.endOld(ctx, v)
	if !complete {
		next = "/auth/code?" + url.Values{"next": {next}}.Encode()
	}
	return view{to: next, cookies: []*http.Cookie{sessionCookie(cookie, s.ExpiresAt)}}, nil
}

// endOld ends the session that a browser had before this one.
func (p *Pages) endOld(ctx context.Context, v *visit) {
	if v.session.ID == 0 {
		return
	}
	if err := p.Sessions.End(ctx, v.session.AccountID, v.session.ID); err != nil && !errors.Is(err, session.ErrNotFound) {
		p.Logger.Error("an earlier session could not be ended", "error", err)
	}
}

// codeData is the form of the second factor.
type codeData struct {
	Next, Problem string
	Passkeys      bool // the account has one for this address
}

func (p *Pages) codeForm(ctx context.Context, v *visit) (view, error) {
	return p.showCode(ctx, v, 0, codeData{Next: nextPath(v.URL.Query())})
}

// showCode is the page of the second factor.
func (p *Pages) showCode(ctx context.Context, v *visit, status int, data codeData) (view, error) {
	var err error
	if party, ok := p.party(v); ok == nil {
		data.Passkeys, err = p.Passkeys.Has(ctx, party, v.session.AccountID)
	}
	return view{name: "code", status: status, data: data}, err
}

// giveCode takes the second factor: a code of the authenticator, or a backup
// code.
func (p *Pages) giveCode(ctx context.Context, v *visit) (view, error) {
	form := codeData{Next: nextPath(v.PostForm)}
	code := strings.Join(strings.Fields(v.PostFormValue("code")), "")
	proof, err := p.Accounts.VerifyCode(ctx, v.session.AccountID, plexauth.Secret(code))
	var cookie plexauth.Secret
	if err == nil {
		cookie, err = p.Sessions.Complete(ctx, v.session, proof.SignIn)
	}
	if errors.Is(err, store.ErrConflict) {
		err = p.Accounts.Rejected(ctx, proof)
	}
	switch {
	case err == nil:
		return view{to: form.Next, cookies: []*http.Cookie{sessionCookie(cookie, p.Now().Add(session.Life))}}, nil
	case errors.Is(err, account.ErrCode):
		form.Problem = "This code is not right, or was used before."
	case fault.KindOf(err) == fault.Limited:
		form.Problem = waitText(fault.WaitOf(err))
	default:
		return view{}, err
	}
	return p.showCode(ctx, v, http.StatusUnauthorized, form)
}

// signOut ends the session.
func (p *Pages) signOut(ctx context.Context, v *visit) (view, error) {
	p.endOld(ctx, v)
	return view{to: "/", cookies: []*http.Cookie{noSessionCookie()}}, nil
}
