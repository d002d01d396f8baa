package web

import (
	"context"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/qrcode"
	"github.com/usher-auth/usher/plexauth"
)

// errNewCode says that the authenticator app does not show the code of the key on
// the page.
var errNewCode = fault.WithField(fault.New(fault.Unauthenticated,
	"the code is not right: scan the key on this page, and give the digits that the app shows for it now"), "code", "")

// issuer is what authenticator apps call this server.
const issuer = "usher"

// factorForms is the form that sets up a second factor. The key is the one that
// the server keeps for the visitor's session: the form does not say which.
type factorForms struct {
	accounts *account.Service
}

// factorOf is whose second factor a form sets up, and where the form is.
type factorOf struct {
	Account account.Account
	Page    string // the form's path
	Back    string // the path of the page that links to it
	Present bool   // the form asks for a code of the present factor
	Passkey bool   // a passkey of the account's will do
	Due     bool   // an admin needs it before anything else
}

// factorData is the form: a key for the authenticator app, and a box for a code.
type factorData struct {
	sent
	factorOf
	Enrolment account.Enrolment
	QR        template.URL
}

// show shows the form, with what was wrong with it.
func (f factorForms) show(ctx context.Context, v *visit, of factorOf, s sent) (view, error) {
	e, err := f.accounts.Pending(ctx, issuer, of.Account, v.session.ID)
	if err != nil {
		return view{}, err
	}
	image, err := qrImage(string(e.URL))
	answer := view{name: "factor", data: factorData{s, of, e, image}}
	if !s.problem.empty() {
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

// File is the codes as a file that the browser saves without asking the server, which
// does not have them any more.
func (d backupData) File() template.URL {
	text := "usher: " + d.Account.Username + "\r\n\r\n"
	for _, code := range d.Codes {
		text += string(code) + "\r\n"
	}
	return template.URL("data:text/plain;charset=utf-8;base64," + base64.StdEncoding.EncodeToString([]byte(text)))
}

// submit turns the second factor on if the form's code proves that the
// authenticator app has the key. It shows the backup codes, which are never
// shown again. The code of the new key is checked first, so that a mistake in it
// uses up no code of the present factor.
func (f factorForms) submit(
	ctx context.Context, v *visit, of factorOf, enrol func(code plexauth.Secret) ([]plexauth.Secret, error),
) (view, error) {
	code := codeOf(v, "code")
	err := f.accounts.CheckPending(ctx, of.Account, v.session.ID, code)
	if errors.Is(err, account.ErrCode) {
		err = errNewCode
	}
	var codes []plexauth.Secret
	if err == nil {
		codes, err = enrol(code)
	}
	if form, ok := rejected(v, err); ok {
		return f.show(ctx, v, of, form)
	}
	return view{name: "backup-codes", data: backupData{of, codes}}, err
}
