package web

import (
	"context"
	"encoding/base64"
	"html/template"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/qrcode"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// accountData is everything about one person.
type accountData struct {
	Account  store.Account
	Devices  []store.DeviceInfo
	Sessions []store.Session
	Current  int64 // the session that looks
	Done     string
	Problem  string
	Identity identityData
	Passkeys []passkey.Passkey
	// PasskeyHint says why none can be added here; empty: one can.
	PasskeyHint string
	Recent      []recentSignIn
}

// identityData is the form of the name and the e-mail address.
type identityData struct{ Username, Email string }

// doneTexts is what a page says after a change, by the name in its address.
var doneTexts = map[string]string{
	"identity":        "Saved.",
	"password":        "Your password is changed.",
	"factor":          "The second factor is off.",
	"passkey":         "The passkey is added.",
	"passkey-removed": "The passkey is removed.",
	"device":          "The device is signed out.",
	"browser":         "The browser is signed out.",
	"others":          "Everything but this browser is signed out.",
}

// accountPage shows a person what is theirs.
func (p *Pages) accountPage(ctx context.Context, v *visit) (view, error) {
	return p.showAccount(ctx, v, "")
}

// showAccount is the account's page, with what was wrong with a form.
func (p *Pages) showAccount(ctx context.Context, v *visit, problem string) (view, error) {
	data := accountData{
		Account: v.account, Current: v.session.ID, Done: doneTexts[v.URL.Query().Get("done")], Problem: problem,
		Identity: identityData{v.account.Username, v.account.Email}, PasskeyHint: p.site().hint(v),
	}
	var err error
	if data.Devices, err = p.Store.Devices(ctx, v.account.ID); err != nil {
		return view{}, err
	}
	if data.Sessions, err = p.Sessions.List(ctx, v.account.ID); err != nil {
		return view{}, err
	}
	if data.Passkeys, err = p.Passkeys.List(ctx, v.account.ID); err != nil {
		return view{}, err
	}
	if data.Recent, err = p.recent(ctx, v.account.ID); err != nil {
		return view{}, err
	}
	answer := view{name: "account", data: data}
	if problem != "" {
		answer.status = http.StatusBadRequest
	}
	return answer, nil
}

// changed is where a form of the account's page leads: back to the page, with
// what was done or what was wrong.
func (p *Pages) changed(ctx context.Context, v *visit, done string, err error) (view, error) {
	if text, ok := problem(err); ok {
		return p.showAccount(ctx, v, text)
	}
	return view{to: "/account?done=" + done}, err
}

// confirmPassword makes sure that it is the person who sits there: what
// changes how an account is signed in to takes more than an open browser.
func (p *Pages) confirmPassword(ctx context.Context, v *visit) error {
	_, _, err := p.Accounts.VerifyPassword(ctx, account.Credentials{
		Login: v.account.Username, Password: plexauth.Secret(v.PostFormValue("current")), Address: v.from.Address,
	})
	return err
}

func (p *Pages) setIdentity(ctx context.Context, v *visit) (view, error) {
	err := p.confirmPassword(ctx, v)
	if err == nil {
		err = p.Accounts.SetIdentity(ctx, v.account.ID, v.PostFormValue("username"), v.PostFormValue("email"))
	}
	return p.changed(ctx, v, "identity", err)
}

// setPassword changes the password. What is signed in stays so, unless the
// person wants it to end.
func (p *Pages) setPassword(ctx context.Context, v *visit) (view, error) {
	err := p.confirmPassword(ctx, v)
	if err == nil {
		err = p.Accounts.SetPassword(ctx, v.account.ID, plexauth.Secret(v.PostFormValue("new")))
	}
	if err == nil && v.PostFormValue("others") != "" {
		err = p.Store.EndOthers(ctx, v.account.ID, v.session.ID)
	}
	return p.changed(ctx, v, "password", err)
}

// factorData is the page that sets up an authenticator.
type factorData struct {
	factorOf
	Enrolment account.Enrolment
	QR        template.URL
	Problem   string
}

// factorOf is whose second factor is set up, and where.
type factorOf struct {
	Person store.Account
	Own    bool   // the visitor's
	Page   string // of the form
	Back   string
}

func ownFactor(v *visit) factorOf {
	return factorOf{v.account, true, "/account/second-factor", "/account"}
}

func (p *Pages) factorForm(_ context.Context, v *visit) (view, error) {
	return p.newFactor(ownFactor(v))
}

// newFactor shows a key that is drawn for the page.
func (p *Pages) newFactor(of factorOf) (view, error) {
	return p.showFactor(of, account.NewEnrolment("usher", of.Person.Username), "")
}

func (p *Pages) showFactor(of factorOf, e account.Enrolment, problem string) (view, error) {
	image, err := qrImage(string(e.URL))
	answer := view{name: "factor", data: factorData{of, e, image, problem}}
	if problem != "" {
		answer.status = http.StatusBadRequest
	}
	return answer, err
}

func (p *Pages) enrol(ctx context.Context, v *visit) (view, error) {
	return p.enrolFor(ctx, v, ownFactor(v))
}

// backupData is the page of backup codes.
type backupData struct {
	factorOf
	Codes []plexauth.Secret
}

// enrolFor puts the second factor in force once a code shows that the
// authenticator has it, and shows the backup codes, this once.
func (p *Pages) enrolFor(ctx context.Context, v *visit, of factorOf) (view, error) {
	e, err := account.ReadEnrolment("usher", of.Person.Username, plexauth.Secret(v.PostFormValue("secret")))
	if err != nil {
		return view{}, errForm
	}
	var codes []plexauth.Secret
	code := plexauth.Secret(v.PostFormValue("code"))
	if err = p.confirmPassword(ctx, v); err == nil && code == "" {
		err = account.ErrCode
	}
	if err == nil {
		codes, err = p.Accounts.Enrol(ctx, of.Person, e, code)
	}
	if text, ok := problem(err); ok {
		return p.showFactor(of, e, text)
	}
	return view{name: "backup-codes", data: backupData{of, codes}}, err
}

func (p *Pages) removeFactor(ctx context.Context, v *visit) (view, error) {
	err := p.confirmPassword(ctx, v)
	if err == nil {
		err = p.Accounts.RemoveSecondFactor(ctx, v.account.ID)
	}
	return p.changed(ctx, v, "factor", err)
}

func (p *Pages) revokeDevice(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = p.Store.RevokeDevice(ctx, v.account.ID, id)
	}
	return p.changed(ctx, v, "device", err)
}

func (p *Pages) endSession(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = p.Sessions.End(ctx, v.account.ID, id)
	}
	return p.changed(ctx, v, "browser", err)
}

func (p *Pages) endOthers(ctx context.Context, v *visit) (view, error) {
	return p.changed(ctx, v, "others", p.Store.EndOthers(ctx, v.account.ID, v.session.ID))
}

// qrImage is a QR code as the address of an image. It never leaves the page.
func qrImage(text string) (template.URL, error) {
	picture, err := qrcode.PNG(text)
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(picture)), err
}
