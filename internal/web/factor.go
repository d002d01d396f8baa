package web

import (
	"context"
	"encoding/base64"
	"html/template"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/qrcode"
	"github.com/usher-auth/usher/plexauth"
)

// factorForms is the form that sets up a second factor: one's own, or that of an
// account which an admin helps.
type factorForms struct {
	accounts *account.Service
}

// factorOf is whose second factor a form sets up, and where the form is.
type factorOf struct {
	Account account.Account
	Own     bool   // it is the visitor's account
	Page    string // the form's path
	Back    string // the path of the page that links to it
}

// factorData is the form: a key for the authenticator app, and a box for a code.
type factorData struct {
	factorOf
	Enrolment account.Enrolment
	QR        template.URL
	Problem   string
}

// show shows the form with a new key.
func (f factorForms) show(of factorOf) (view, error) {
	return showFactor(of, account.NewEnrolment("usher", of.Account.Username), "")
}

func showFactor(of factorOf, e account.Enrolment, problem string) (view, error) {
	image, err := qrImage(string(e.URL))
	answer := view{name: "factor", data: factorData{of, e, image, problem}}
	if problem != "" {
		answer.status = http.StatusBadRequest
	}
	return answer, err
}

// qrImage returns a QR code as a data URL, so that the key is in no request.
func qrImage(text string) (template.URL, error) {
	picture, err := qrcode.PNG(text)
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(picture)), err
}

// backupData is the page of backup codes.
type backupData struct {
	factorOf
	Codes []plexauth.Secret
}

// submit turns the second factor on if the form's code proves that the
// authenticator app has the key. It shows the backup codes, which are never
// shown again.
func (f factorForms) submit(ctx context.Context, v *visit, of factorOf) (view, error) {
	secret := plexauth.Secret(v.PostFormValue("secret"))
	e, err := account.ReadEnrolment("usher", of.Account.Username, secret)
	if err != nil {
		return view{}, errForm
	}
	var codes []plexauth.Secret
	code := plexauth.Secret(v.PostFormValue("code"))
	if err = confirmPassword(ctx, f.accounts, v); err == nil && code == "" {
		err = account.ErrCode // without a code, Enrol would not verify one
	}
	if err == nil {
		codes, err = f.accounts.Enrol(ctx, v.actor(), of.Account.ID, e, code)
	}
	if text, ok := problem(err); ok {
		return showFactor(of, e, text)
	}
	return view{name: "backup-codes", data: backupData{of, codes}}, err
}
