package web

import (
	"context"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/session"
)

// The sections of the visitor's account, each with an address of its own.
const (
	ownPath      = "/account"
	devicesPath  = "/account/devices"
	browsersPath = "/account/browsers"
	securityPath = "/account/security"
	profilePath  = "/account/profile"
	signInsPath  = "/account/sign-ins"
	webhooksPath = "/account/webhooks"
)

// accountTabs are the links between the sections.
var accountTabs = tabs{
	Label: "Your account",
	Tabs: []tab{
		{Path: ownPath, Name: "Overview"},
		{Path: noticesPath, Name: "Notices"},
		{Path: devicesPath, Name: "Devices"},
		{Path: browsersPath, Name: "Browsers"},
		{Path: securityPath, Name: "Security"},
		{Path: profilePath, Name: "Profile"},
		{Path: signInsPath, Name: "Sign-ins"},
		{Path: webhooksPath, Name: "Webhooks"},
	},
}

// doneTexts are the confirmations of a change, by the "done" in the address.
var doneTexts = map[string]string{
	"identity":        "Saved.",
	"password":        "Your password is changed.",
	"factor":          "The second factor is off.",
	"guesses":         "The notice is gone.",
	"notices":         "The notices are marked as read.",
	"mails-off":       "No more e-mails about new devices are sent.",
	"mails-on":        "E-mails about new devices are sent again.",
	"passkey":         "The passkey is added.",
	"passkey-removed": "The passkey is removed.",
	"device":          "The device is signed out.",
	"merged":          "The two are one device now.",
	"browser":         "The browser is signed out.",
	"webhook":         "The address is added.",
	"webhook-removed": "The address is removed.",
	"others":          "Everything but this browser is signed out.",
}

// ownNotice is the result of a form, at the top of a section.
type ownNotice struct {
	sent
	Account account.Account
	Done    string
}

func newOwnNotice(v *visit, s sent) ownNotice {
	n := ownNotice{sent: s, Account: v.account}
	if s.problem.empty() {
		n.Done = doneTexts[v.URL.Query().Get("done")]
	}
	return n
}

// section shows a section of the account, with the form that the page answers.
type section func(ctx context.Context, v *visit, s sent) (view, error)

// asHandler shows the section without a form.
func (s section) asHandler(ctx context.Context, v *visit) (view, error) { return s(ctx, v, sent{}) }

// changed answers a form of a section at a path: with a redirect there and the
// confirmation, or with the section and what is wrong with the form.
func (s section) changed(ctx context.Context, v *visit, path, confirmation string, err error) (view, error) {
	form, ok := rejected(v, err)
	if !ok {
		return view{to: done(v.back(path), confirmation)}, err
	}
	answer, err := s(ctx, v, form)
	answer.status = http.StatusBadRequest
	return answer, err
}

// accountPage shows visitors their own account: an overview, and the sections that
// have no forms of another feature.
type accountPage struct {
	devices  *device.Service
	sessions *session.Service
	passkeys *passkey.Service
	audit    *audit.Log
	accounts *account.Service
	notices  *notify.Service
	steps    firstSteps
}

func (p *accountPage) pages() []page {
	return []page{
		{"GET", ownPath, signedIn, section(p.show).asHandler},
		{"GET", signInsPath, signedIn, p.signIns},
		{"POST", ownFactorPath + "/guesses", signedIn, p.readGuesses},
	}
}

// overviewOfOwn is what the visitor sees first of the account.
type overviewOfOwn struct {
	ownNotice
	Devices, Browsers, Passkeys int
	Steps                       stepsData
	Notices                     int // that are not seen
	// Latest is the last sign-in that succeeded. It is zero if none is known.
	Latest time.Time
	// FactorDue is when the visitor begins to need a second factor. It is zero if they have
	// one, or need none.
	FactorDue time.Time
	// Guesses are those at the codes that the visitor has not read of yet.
	Guesses account.Guesses
}

func (p *accountPage) show(ctx context.Context, v *visit, s sent) (view, error) {
	data := overviewOfOwn{ownNotice: newOwnNotice(v, s), FactorDue: v.factorDue}
	var err error
	if data.Guesses, err = p.accounts.Guesses(ctx, v.account.ID); err != nil {
		return view{}, err
	}
	if data.Devices, err = p.devices.Count(ctx, v.account.ID); err != nil {
		return view{}, err
	}
	if data.Browsers, err = p.sessions.CountOf(ctx, v.account.ID); err != nil {
		return view{}, err
	}
	if data.Notices, err = p.notices.Unseen(ctx, v.account.ID); err != nil {
		return view{}, err
	}
	if data.Steps, err = p.steps.of(ctx, v); err != nil {
		return view{}, err
	}
	keys, err := p.passkeys.List(ctx, v.account.ID)
	if err != nil {
		return view{}, err
	}
	data.Passkeys = len(keys)
	data.Latest, err = latestSignIn(ctx, p.audit, v.account.ID)
	return view{name: "account", data: data}, err
}

// readGuesses removes the notice that somebody guessed at codes.
func (p *accountPage) readGuesses(ctx context.Context, v *visit) (view, error) {
	err := p.accounts.ReadGuesses(ctx, v.account.ID)
	return section(p.show).changed(ctx, v, ownPath, "guesses", err)
}

// signInsData is the section of sign-ins.
type signInsData struct {
	ownNotice
	Recent  []recentSignIn
	Besides neighbours
}

func (p *accountPage) signIns(ctx context.Context, v *visit) (view, error) {
	list, err := recentSignIns(ctx, p.audit, v.account.ID, wantedPage(v, "", tallRows))
	return view{name: "account-sign-ins", data: signInsData{
		newOwnNotice(v, sent{}), list.Rows, besides(v, signInsPath, "", "sign-ins", list),
	}}, err
}
