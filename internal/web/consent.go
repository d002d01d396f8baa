package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/plexauth"
)

// pinRequest is what a program asks for in the address of /auth: which PIN to
// link, which client created it, and where to go then.
type pinRequest struct {
	ClientID, Code, Product, Forward string
	// Who is the UUID of the chosen user of the visitor's home, or empty.
	Who string
	// FromLink: the browser followed a link from outside these pages, so that the
	// parameters are not the visitor's own.
	FromLink bool
}

// readPINRequest reads the parameters as the real service's page takes them.
// There they are in the fragment, which browsers do not send: a script moves
// them to the query, and adds "led".
func readPINRequest(q url.Values) pinRequest {
	return pinRequest{
		ClientID: q.Get("clientID"), Code: strings.TrimSpace(q.Get("code")),
		Product: q.Get("context[device][product]"), Forward: q.Get("forwardUrl"), Who: q.Get("who"),
		FromLink: q.Has("led"),
	}
}

// query encodes the request for readPINRequest, without FromLink.
func (r pinRequest) query() string {
	q := url.Values{"code": {r.Code}}
	for name, value := range map[string]string{
		"clientID": r.ClientID, "context[device][product]": r.Product, "forwardUrl": r.Forward, "who": r.Who,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

// consent asks the visitor whether a device may sign in with their account.
type consent struct {
	pins    *pin.Service
	origins *origin.Service
	homes   *home.Service
	devices *device.Service
}

func (c *consent) pages() []page {
	return []page{
		{"GET", "/auth/who", signedIn, c.who},
		{"POST", "/auth/consent", signedIn, c.decide},
		{"GET", "/auth/refused", signedIn, c.denied},
		{"GET", "/auth/done", signedIn, orGone(c.allowed)},
	}
}

// consentData is the page that asks for consent.
type consentData struct {
	PIN pin.PIN
	pinRequest
	// Account is whose account is given, and Other says that it is not the visitor's.
	Account account.Account
	Other   bool
	// Home says that there are others to choose from, and Protected that it takes the
	// PIN of the account.
	Home, Protected bool
	sent
	// Target is where the browser goes afterwards. If nil, it stays.
	Target *url.URL
}

// Name is the account's name: the username of a managed user is not shown to users.
func (d consentData) Name() string {
	if d.Other {
		return d.Account.Title
	}
	return d.Account.Username
}

// errOtherForward says that a link leads elsewhere than the program asked.
// Attack: somebody changes the address in a program's link, to receive the proof
// of the person who follows it, or to keep it from the program.
var errOtherForward = fault.New(fault.Invalid,
	"the link leads to another address than the one that the program asked for, so nothing was given to it")

// forwardOf returns where the browser goes after consent: to the address that
// the program gave when it started the PIN or, if it gave none, to that of the
// link. If nil, it stays.
func forwardOf(found pin.PIN, r pinRequest) (*url.URL, error) {
	linked, err := pin.ParseForward(r.Forward)
	if err != nil || found.Forward == "" {
		return linked, err
	}
	if linked != nil && linked.String() != found.Forward {
		return nil, errOtherForward
	}
	return pin.ParseForward(found.Forward)
}

// Shown says which PIN the visitor sees. Attack: a code of four characters is
// freed while the visitor reads the page, and another device gets it.
func (d consentData) Shown() string { return shownAs(d.PIN) }

// shownAs is a text that no two PINs share, and that leads to none.
func shownAs(p pin.PIN) string {
	hash := sha256.Sum256(append([]byte("consent "), p.Nonce[:]...))
	return hex.EncodeToString(hash[:16])
}

// findPIN returns the PIN that a request names. If the request names a client
// too, the PIN must be that client's.
func findPIN(ctx context.Context, pins *pin.Service, v *visit, r pinRequest) (pin.PIN, error) {
	find := pins.Find
	if v.Method == http.MethodGet && !askedHere(v, r) {
		find = pins.FindUnasked
	}
	found, err := find(ctx, v.actor(), r.Code)
	if err == nil && r.ClientID != "" && r.ClientID != found.Device.ClientIdentifier {
		err = pin.ErrNotFound
	}
	return found, err
}

// ask shows which program wants to sign in, from where, and what it would get. If the
// visitor has a home with managed users, they first choose a user.
func (c *consent) ask(ctx context.Context, v *visit, r pinRequest) (view, error) {
	found, asked, err := c.find(ctx, v, &r)
	if asked != nil || err != nil {
		return orNothing(asked), err
	}
	house, err := c.homes.Of(ctx, v.account.ID)
	if err != nil {
		return view{}, err
	}
	if r.Who == "" && len(choices(house)) > 1 {
		return view{to: "/auth/who?" + r.query()}, nil
	}
	return c.page(found, r, house, sent{})
}

// find returns the PIN of a request, or the page that asks for its code first.
func (c *consent) find(ctx context.Context, v *visit, r *pinRequest) (found pin.PIN, asked *view, err error) {
	if pin.Guessable(r.Code) && (r.FromLink || fromOtherSite(v.Request)) {
		page, err := confirmCode(*r)
		return found, &page, err
	}
	found, err = findPIN(ctx, c.pins, v, *r)
	if errors.Is(err, pin.ErrUnasked) {
		page, err := confirmCode(*r)
		return found, &page, err
	}
	if err != nil {
		return found, nil, err
	}
	if linked, err := pin.ParseForward(r.Forward); err == nil && linked != nil {
		r.Forward = linked.String() // as the visitor was shown
	}
	return found, nil, nil
}

// orNothing is a view that may be missing.
func orNothing(page *view) view {
	if page == nil {
		return view{}
	}
	return *page
}

// page asks for consent, for the visitor or for whom they have chosen.
func (c *consent) page(found pin.PIN, r pinRequest, house home.Home, s sent) (view, error) {
	target, err := forwardOf(found, r)
	if err != nil {
		return view{}, err
	}
	u := house.Self
	if r.Who != "" {
		if u, err = chosen(house, r.Who); err != nil {
			return view{}, err
		}
	}
	answer := view{name: "consent", data: consentData{
		PIN: found, pinRequest: r, Account: u.Account, Other: u.Account.ID != house.Self.Account.ID, Target: target,
		Home: len(choices(house)) > 1, Protected: u.Protected(), sent: s,
	}}
	if s.Wrong().Any() {
		answer.status = http.StatusForbidden
	}
	return answer, nil
}

// fromOtherSite reports whether another site sent the browser here. On plain
// HTTP, except for localhost, browsers do not tell.
func fromOtherSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// askedHere reports whether the visitor asks for the page by themselves, or because
// they have just submitted its code. Browsers that do not tell (see fromOtherSite)
// may have been sent by any page.
func askedHere(v *visit, r pinRequest) bool {
	if v.Header.Get("Sec-Fetch-Site") != "" {
		return !fromOtherSite(v.Request)
	}
	code, ok := pin.Normal(r.Code)
	return ok && v.cookie(codeCookieName, codeCookiePath) == plexauth.Secret(code)
}

// The cookie with the code that the visitor has just submitted.
const (
	codeCookieName = "usher_code"
	codeCookiePath = "/auth"
)

// codeCookie remembers a code that the visitor submitted. Other sites can neither
// set it nor have it sent.
func codeCookie(code string) *http.Cookie {
	return &http.Cookie{
		Name: codeCookieName, Path: codeCookiePath, Value: code, MaxAge: 15 * 60, SameSite: http.SameSiteStrictMode,
	}
}

// confirmCode makes the visitor submit a code from a link before it is looked
// up. Attack: another site opens links with wrong codes until the visitor's own
// codes are rate-limited. A code that is not looked up needs no limit, and tells
// a guesser nothing.
func confirmCode(r pinRequest) (view, error) {
	target, err := pin.ParseForward(r.Forward)
	if err != nil {
		return view{}, err
	}
	if target != nil {
		r.Forward = target.String()
	}
	r.FromLink = true
	return view{name: "link", data: newLinkData(r)}, nil
}

// decide links the PIN, or denies it.
func (c *consent) decide(ctx context.Context, v *visit) (view, error) {
	r := readPINRequest(v.PostForm)
	if _, err := pin.ParseForward(r.Forward); err != nil {
		return view{}, err
	}
	found, err := findPIN(ctx, c.pins, v, r)
	if err != nil {
		return view{}, err
	}
	if shown := v.PostFormValue("shown"); shown != "" && shown != shownAs(found) {
		return view{}, pin.ErrNotFound
	}
	if _, err := forwardOf(found, r); err != nil {
		return view{}, err
	}
	if v.PostFormValue("decision") != "allow" {
		return view{to: "/auth/refused"}, c.pins.Deny(ctx, v.actor(), r.Code)
	}
	who := r.Who
	if who == "" {
		who = v.account.UUID
	}
	a, err := c.homes.Choose(ctx, v.actor(), v.account.ID, who, codeOf(v, "pin"))
	if text, ok := pinProblem(err); ok {
		house, err := c.homes.Of(ctx, v.account.ID)
		if err != nil {
			return view{}, err
		}
		return c.page(found, r, house, sent{action: "/auth/consent", field: "pin", problem: text})
	}
	if err != nil {
		return view{}, err
	}
	if err := c.pins.LinkAs(ctx, v.actor(), a.ID, r.Code); err != nil {
		return view{}, err
	}
	switch {
	case found.Forward != "":
		// The proof is on the page only: addresses are logged and remembered.
		q := url.Values{"code": {found.Code}}
		if r.Who != "" {
			q.Set("who", r.Who)
		}
		return view{to: "/auth/done?" + q.Encode()}, nil
	case r.Forward == "" && a.ID != v.account.ID:
		return view{to: "/auth/done?" + url.Values{"who": {a.UUID}}.Encode()}, nil
	case r.Forward == "":
		id, _, err := c.devices.Known(ctx, v.account.ID, found.Device.ClientIdentifier)
		return view{to: "/auth/done?" + url.Values{"device": {decimal(id)}}.Encode()}, err
	}
	return view{to: "/auth/done?" + url.Values{"forwardUrl": {r.Forward}}.Encode()}, nil
}

func (c *consent) denied(context.Context, *visit) (view, error) {
	return view{name: "message", data: message{
		say("Denied"), say("Nothing was given: the device was not signed in. You can close this page."),
		"/account", say("To your account"),
	}}, nil
}

// allowed sends the browser back to the program: immediately to an origin that an
// admin allowed, to any other only when the visitor follows the link.
func (c *consent) allowed(ctx context.Context, v *visit) (view, error) {
	query := v.URL.Query()
	if code := query.Get("code"); code != "" {
		by, err := c.linkedFor(ctx, v, query.Get("who"))
		if err != nil {
			return view{}, err
		}
		to, err := c.pins.Forward(ctx, by, code)
		if err != nil {
			return view{}, err
		}
		return c.forward(ctx, to)
	}
	if who := query.Get("who"); who != "" {
		return c.linkedInHome(ctx, v, who)
	}
	if id := query.Get("device"); id != "" {
		return c.linked(ctx, v, number(id))
	}
	target, err := pin.ParseForward(query.Get("forwardUrl"))
	if err != nil {
		return view{}, err
	}
	if target == nil {
		return view{to: devicesPath}, nil
	}
	return c.forward(ctx, pin.Forward{Address: target, WithProof: target})
}

// linkedFor is the actor for whom a PIN was linked: the visitor, or a managed user of
// the visitor's home.
func (c *consent) linkedFor(ctx context.Context, v *visit, who string) (audit.Actor, error) {
	by := v.actor()
	if who == "" {
		return by, nil
	}
	house, err := c.homes.Of(ctx, v.account.ID)
	if err != nil {
		return by, err
	}
	u, err := chosen(house, who)
	by.AccountID = u.Account.ID
	return by, err
}

// linkedInHome says for which managed user a device was signed in.
func (c *consent) linkedInHome(ctx context.Context, v *visit, who string) (view, error) {
	house, err := c.homes.Of(ctx, v.account.ID)
	if err != nil {
		return view{}, err
	}
	u, err := chosen(house, who)
	return view{name: "message", data: message{
		say("The device is signed in as %s", u.Account.Title), say("Go back to it: it continues automatically. You can close this page."),
		"/account/family", say("To your family"),
	}}, err
}

// linkedData is the page after a device was signed in, from which it can be signed
// out again.
type linkedData struct {
	Account account.Account
	Device  device.Device
}

// linked says which of the visitor's devices was signed in.
func (c *consent) linked(ctx context.Context, v *visit, id int64) (view, error) {
	d, _, err := c.devices.Held(ctx, v.account.ID, id)
	return view{name: "linked", data: linkedData{v.account, d}}, err
}

// forward is the page that leads the browser back to the program. It shows the
// address without the proof.
func (c *consent) forward(ctx context.Context, to pin.Forward) (view, error) {
	automatic, err := c.origins.Allows(ctx, to.Address)
	if err != nil {
		return view{}, err
	}
	answer := view{name: "forward", data: to}
	if automatic {
		answer.refresh = to.WithProof.String()
	}
	return answer, nil
}
