package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/store"
)

// ask is what the address of /auth says: which PIN is to be linked, who made
// it, and where to go then.
type ask struct {
	ClientID, Code, Product, Forward string
	// Led: the browser was led here by something that is not a page of ours,
	// the parameters of the fragment included.
	Led bool
}

// readAsk reads the parameters of the real service's page. There they stand in
// the fragment, which never reaches a server: a script moves them here.
func readAsk(q url.Values) ask {
	return ask{
		ClientID: q.Get("clientID"), Code: strings.TrimSpace(q.Get("code")),
		Product: q.Get("context[device][product]"), Forward: q.Get("forwardUrl"), Led: q.Has("led"),
	}
}

// query is the way back from readAsk.
func (a ask) query() string {
	q := url.Values{"code": {a.Code}}
	for name, value := range map[string]string{
		"clientID": a.ClientID, "context[device][product]": a.Product, "forwardUrl": a.Forward,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

// consentData is the page that asks for consent.
type consentData struct {
	PIN store.PIN
	ask
	// Target is where the browser goes afterwards; nil: nowhere.
	Target *url.URL
}

// findPIN returns the PIN that is asked for. A client identifier in the address
// must be that of who made it.
func (p *Pages) findPIN(ctx context.Context, v *visit, a ask) (store.PIN, error) {
	found, err := p.PINs.Find(ctx, a.Code, pin.By{AccountID: v.account.ID, Address: v.from.Address})
	if err == nil && a.ClientID != "" && a.ClientID != found.Device.ClientIdentifier {
		err = pin.ErrNotFound
	}
	return found, err
}

// askConsent shows which program asks, from where, and what it would get.
func (p *Pages) askConsent(ctx context.Context, v *visit, a ask) (view, error) {
	if pin.Guessable(a.Code) && (a.Led || ledHere(v.Request)) {
		return confirmCode(a)
	}
	found, err := p.findPIN(ctx, v, a)
	if err != nil {
		return view{}, err
	}
	target, err := forwardTarget(a.Forward)
	if err != nil {
		return view{}, err
	}
	return view{name: "consent", data: consentData{found, a, target}}, nil
}

// ledHere reports whether another site led the browser here. Over plain HTTP,
// but for localhost, browsers do not tell.
func ledHere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// confirmCode has the person send a code that stood in a link. Attack: another
// site opens links with wrong codes, so that the person's own have to wait.
// What is not looked up needs no count, and tells a guesser nothing.
func confirmCode(a ask) (view, error) {
	if _, err := forwardTarget(a.Forward); err != nil {
		return view{}, err
	}
	data := newLinkData(a)
	data.Led = true
	return view{name: "link", data: data}, nil
}

// consent takes the answer.
func (p *Pages) consent(ctx context.Context, v *visit) (view, error) {
	a := readAsk(v.PostForm)
	if _, err := forwardTarget(a.Forward); err != nil {
		return view{}, err
	}
	if _, err := p.findPIN(ctx, v, a); err != nil {
		return view{}, err
	}
	by := pin.By{AccountID: v.account.ID, Address: v.from.Address}
	if v.PostFormValue("decision") != "allow" {
		return view{to: "/auth/refused"}, p.PINs.Refuse(ctx, a.Code, by)
	}
	if err := p.PINs.Link(ctx, a.Code, by); err != nil {
		return view{}, err
	}
	if a.Forward == "" {
		return view{to: "/auth/done"}, nil
	}
	return view{to: "/auth/done?" + url.Values{"forwardUrl": {a.Forward}}.Encode()}, nil
}

// refused says that nothing was given.
func (p *Pages) refused(context.Context, *visit) (view, error) {
	return view{name: "message", data: message{
		"Nothing was given", "The device was not signed in. You can close this page.", "/account", "To your account",
	}}, nil
}

// done sends the browser back to where it came from: by itself to an origin
// that an admin allowed, anywhere else once the person has seen where to.
func (p *Pages) done(ctx context.Context, v *visit) (view, error) {
	target, err := forwardTarget(v.URL.Query().Get("forwardUrl"))
	if err != nil {
		return view{}, err
	}
	if target == nil {
		return view{name: "message", data: message{
			"You are signed in", "Go back to your device: it goes on by itself. You can close this page.", "/account", "To your account",
		}}, nil
	}
	allowed, err := p.Origins.Allows(ctx, target)
	if err != nil {
		return view{}, err
	}
	answer := view{name: "forward", data: target}
	if allowed {
		answer.refresh = target.String()
	}
	return answer, nil
}

// errForward says that nobody can be sent there.
var errForward = errors.New("the address to go on to is not a web address")

// forwardTarget reads a forwardUrl; nil when there is none. Attack: a target
// that runs a script ("javascript:"), or that reads like one host to people and
// another to browsers (a user name in front of the host).
func forwardTarget(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return nil, errForward
	}
	return u, nil
}

// linkData is the page with four boxes.
type linkData struct {
	ask
	Boxes   [4]string
	Problem string
}

func newLinkData(a ask) linkData {
	d := linkData{ask: a}
	for i, r := range []rune(strings.ToUpper(strings.TrimSpace(a.Code))) {
		if i < len(d.Boxes) {
			d.Boxes[i] = string(r)
		}
	}
	return d
}

// linkForm asks for the code that a device shows.
func (p *Pages) linkForm(_ context.Context, v *visit) (view, error) {
	if !v.signedIn() {
		return view{to: signInPath(v)}, nil
	}
	code := strings.TrimSpace(v.URL.Query().Get("pin"))
	if len(code) > len(linkData{}.Boxes) {
		return view{to: "/auth?" + ask{Code: code}.query()}, nil // one that is scanned, and never typed
	}
	return view{name: "link", data: newLinkData(ask{Code: code})}, nil
}

// link looks the code up and goes on to the consent page.
func (p *Pages) link(ctx context.Context, v *visit) (view, error) {
	a := readAsk(v.PostForm)
	a.Code = strings.ToUpper(strings.Join(strings.Fields(strings.Join(v.PostForm["code"], "")), ""))
	_, err := p.findPIN(ctx, v, a)
	if errors.Is(err, pin.ErrNotFound) {
		data := newLinkData(a)
		data.Problem = "No device shows this code now. Compare each character; a code that has run out is replaced on the device."
		return view{name: "link", status: http.StatusNotFound, data: data}, nil
	}
	if err != nil {
		return view{}, err
	}
	return view{to: "/auth?" + a.query()}, nil
}
