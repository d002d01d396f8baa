package web

import (
	"context"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/session"
)

// accountPage shows visitors their own account. The features whose forms are on
// the page return to it by changed.
type accountPage struct {
	devices  *device.Service
	sessions *session.Service
	passkeys *passkey.Service
	site     passkeySite
	audit    *audit.Log
	accounts *account.Service
	check    factorCheck
}

func (p *accountPage) pages() []page {
	return []page{
		{"GET", "/account", signedIn, p.show},
	}
}

// accountData is everything about the visitor's account.
type accountData struct {
	Account  account.Account
	Devices  []device.Device
	Sessions []session.Session
	Current  int64 // the id of the visitor's own session
	// More devices and sessions are on other pages.
	BesidesDevices, BesidesSessions neighbours
	Done                            string
	Problem                         string
	Passkeys                        []passkey.Passkey
	// MayEmail says that the visitor may change the e-mail address.
	MayEmail bool
	// PasskeyHint says why no passkey can be added here. Empty: one can.
	PasskeyHint string
	Recent      []recentSignIn
	// Guesses are those at the codes that the visitor has not read of yet.
	Guesses account.Guesses
	// Factor is what the forms that change how to sign in ask for.
	Factor factorFields
}

// factorFields are the fields of a form for the second factor.
type factorFields struct {
	On      bool // the account has one
	Passkey bool // a passkey of the account's will do
}

// doneTexts are the confirmations of a change, by the "done" in the address.
var doneTexts = map[string]string{
	"identity":        "Saved.",
	"password":        "Your password is changed.",
	"factor":          "The second factor is off.",
	"guesses":         "The notice is gone.",
	"passkey":         "The passkey is added.",
	"passkey-removed": "The passkey is removed.",
	"device":          "The device is signed out.",
	"browser":         "The browser is signed out.",
	"others":          "Everything but this browser is signed out.",
}

func (p *accountPage) show(ctx context.Context, v *visit) (view, error) {
	data, err := p.data(ctx, v)
	return view{name: "account", data: data}, err
}

// changed answers a form of the page: with a redirect to the page and the
// confirmation, or with the page and what is wrong with the form.
func (p *accountPage) changed(ctx context.Context, v *visit, done string, err error) (view, error) {
	text, ok := problem(err)
	if !ok {
		return view{to: "/account?done=" + done}, err
	}
	data, err := p.data(ctx, v)
	data.Problem = text
	return view{name: "account", status: http.StatusBadRequest, data: data}, err
}

func (p *accountPage) data(ctx context.Context, v *visit) (data accountData, err error) {
	data = accountData{
		Account: v.account, Current: v.session.ID, Done: doneTexts[v.URL.Query().Get("done")],
		PasskeyHint: p.site.hint(v), MayEmail: p.accounts.MaySetEmail(v.account),
	}
	devices, err := p.devices.List(ctx, v.account.ID, wantedPage(v, "devices-", someRows))
	if err != nil {
		return data, err
	}
	sessions, err := p.sessions.List(ctx, v.account.ID, wantedPage(v, "browsers-", someRows))
	if err != nil {
		return data, err
	}
	data.Devices, data.BesidesDevices = devices.Rows, besides(v, "devices-", "devices", devices)
	data.Sessions, data.BesidesSessions = sessions.Rows, besides(v, "browsers-", "browsers", sessions)
	if data.Passkeys, err = p.passkeys.List(ctx, v.account.ID); err != nil {
		return data, err
	}
	if data.Guesses, err = p.accounts.Guesses(ctx, v.account.ID); err != nil {
		return data, err
	}
	if data.Factor.On = v.account.HasSecondFactor(); data.Factor.On {
		if data.Factor.Passkey, err = p.check.hasPasskey(ctx, v); err != nil {
			return data, err
		}
	}
	data.Recent, err = recentSignIns(ctx, p.audit, v.account.ID)
	return data, err
}
