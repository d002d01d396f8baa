package conformance

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// pinChecks are about PINs, by which a device signs in without a keyboard.
func pinChecks() []Check {
	return []Check{
		{"pins/weak", "A PIN is 201, with a code of four capital letters and digits.", true, "plex-oauth, PlexAPI", Read, weakPIN},
		{"pins/strong", "A PIN with strong has a code of at least 20 letters and digits.", true, "Plex's document", Documented, strongPIN},
		{"pins/fields", "A PIN has the keys that typed clients demand, and no authToken yet.", true, "the generated SDKs, plex-api.rs", Seen, pinFields},
		{"pins/expiry", "expiresIn is a positive number of seconds, an hour at most, and agrees with expiresAt.", true, "PlexAPI, the generated SDKs", Read, pinExpiry},
		{"pins/needs-client", "A PIN without a client identifier is 400 with code 1000.", true, "the generated SDKs", Documented, pinNeedsClient},
		{"pins/xml", "A PIN in XML is an element pin with id, code and an authToken.", true, "PlexAPI", Read, pinXML},
		{"pins/version-1", "/pins.xml is 201, with the elements id and code in pin.", true, "plex-api-pinauth", Read, pinVersion1},
		{"pins/distinct", "Two PINs have different numbers and codes.", true, "a rule of security", Inferred, pinsDistinct},
		{"pins/poll", "The client that started a PIN polls it: 200, with the same code and no token.", true, "all clients with PINs", Read, pollPIN},
		{"pins/unknown", "Polling a PIN that does not exist is 404 with code 1020.", false, "measured by a client's authors", Read, unknownPIN},
		{"pins/link", "A linked PIN gives its client a token that works, and the same one at each poll.", true, "PlexAPI, plex-api.rs", Read, linkPIN},
		{"pins/link-needs-token", "Linking a PIN without a token is 401.", true, "PlexAPI", Read, linkNeedsToken},
		{"pins/link-once", "A code is linked once: a second time it is refused.", true, "a rule of security", Inferred, linkOnce},
	}
}

// pin is a PIN that was started.
type pin struct {
	client, code string
	id           int64
	answer       *answer
}

// newPIN starts a PIN on a new client.
func (p *probe) newPIN(ctx context.Context, strong bool, more url.Values) (*pin, error) {
	r := request{method: "POST", path: "/api/v2/pins", client: p.newClient(), form: url.Values{"strong": {fmt.Sprint(strong)}}}
	for key, value := range more {
		r.form[key] = value
	}
	a, err := p.want(ctx, r, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	found := &pin{client: r.client, answer: a}
	if found.id, err = a.number("id"); err != nil {
		return nil, err
	}
	if found.code, err = a.text("code"); err == nil {
		p.hide(found.code)
	}
	return found, err
}

// poll is a request for the PIN by a client.
func (n *pin) poll(client string) request {
	return request{path: fmt.Sprintf("/api/v2/pins/%d", n.id), client: client}
}

var (
	weakCode   = regexp.MustCompile(`^[0-9A-Z]{4}$`)
	strongCode = regexp.MustCompile(`^[0-9A-Za-z]{20,}$`)
)

func weakPIN(ctx context.Context, p *probe) error {
	n, err := p.newPIN(ctx, false, nil)
	if err == nil && !weakCode.MatchString(n.code) {
		err = n.answer.errorf("the code is not four capital letters and digits")
	}
	return err
}

func strongPIN(ctx context.Context, p *probe) error {
	n, err := p.newPIN(ctx, true, nil)
	if err == nil && !strongCode.MatchString(n.code) {
		err = n.answer.errorf("the code is not at least 20 letters and digits")
	}
	return err
}

func pinFields(ctx context.Context, p *probe) error {
	n, err := p.newPIN(ctx, true, nil)
	if err != nil {
		return err
	}
	v, err := n.answer.value()
	if err != nil {
		return err
	}
	err = n.answer.hasFields(v, "number id expiresIn", "text code product qr clientIdentifier createdAt expiresAt",
		"boolean trusted", "object location", "null authToken", "any newRegistration")
	if err == nil && at(v, "clientIdentifier") != n.client {
		err = n.answer.errorf("clientIdentifier is not that of the request")
	}
	if err == nil && (n.id <= 0 || n.id >= 1<<31) {
		err = n.answer.errorf("id is not a positive number of 31 bits")
	}
	return err
}

func pinExpiry(ctx context.Context, p *probe) error {
	for _, strong := range []bool{false, true} {
		n, err := p.newPIN(ctx, strong, nil)
		if err != nil {
			return err
		}
		seconds, err := n.answer.number("expiresIn")
		if err != nil {
			return err
		}
		var times [2]time.Time
		for i, key := range []string{"createdAt", "expiresAt"} {
			text, err := n.answer.text(key)
			if err != nil {
				return err
			}
			if times[i], err = time.Parse(time.RFC3339, text); err != nil {
				return n.answer.errorf("%s is not a time by RFC 3339", key)
			}
		}
		life := time.Duration(seconds) * time.Second
		if life <= 0 || life > time.Hour {
			return n.answer.errorf("expiresIn is not between a second and an hour")
		}
		if off := times[1].Sub(times[0]) - life; off.Abs() > 5*time.Second {
			return n.answer.errorf("expiresAt and expiresIn differ")
		}
	}
	return nil
}

func pinNeedsClient(ctx context.Context, p *probe) error {
	return p.refused(ctx, request{method: "POST", path: "/api/v2/pins", form: url.Values{"strong": {"true"}}}, 1000, http.StatusBadRequest)
}

func pinXML(ctx context.Context, p *probe) error {
	a, err := p.want(ctx, request{
		method: "POST", path: "/api/v2/pins", client: p.newClient(), accept: "none", form: url.Values{"strong": {"true"}},
	}, http.StatusCreated)
	if err != nil {
		return err
	}
	root, err := a.element()
	if err != nil {
		return err
	}
	if root.name != "pin" || root.attrs["id"] == "" || root.attrs["code"] == "" {
		return a.errorf("the root is not a pin with id and code")
	}
	if token, ok := root.attrs["authToken"]; !ok || token != "" {
		return a.errorf("the root has no empty authToken")
	}
	return nil
}

func pinVersion1(ctx context.Context, p *probe) error {
	a, err := p.want(ctx, request{method: "POST", path: "/pins.xml", client: p.newClient(), accept: "none"}, http.StatusCreated)
	if err != nil {
		return err
	}
	root, err := a.element()
	if err != nil {
		return err
	}
	if root.name != "pin" || root.first("id") == "" || root.first("code") == "" {
		return a.errorf("there is no pin with id and code")
	}
	return nil
}

func pinsDistinct(ctx context.Context, p *probe) error {
	first, err := p.newPIN(ctx, true, nil)
	if err != nil {
		return err
	}
	second, err := p.newPIN(ctx, true, nil)
	if err == nil && (first.id == second.id || first.code == second.code) {
		err = second.answer.errorf("two PINs have the same number or code")
	}
	return err
}

func pollPIN(ctx context.Context, p *probe) error {
	n, err := p.newPIN(ctx, true, nil)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, n.poll(n.client), http.StatusOK)
	if err != nil {
		return err
	}
	v, err := a.value()
	if err != nil {
		return err
	}
	if at(v, "code") != n.code {
		return a.errorf("the code is another one")
	}
	return a.hasFields(v, "null authToken")
}

func unknownPIN(ctx context.Context, p *probe) error {
	return p.refused(ctx, request{path: "/api/v2/pins/2147483646", client: p.newClient()}, 1020, http.StatusNotFound)
}

// link links a PIN to the account.
func (p *probe) link(ctx context.Context, n *pin) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	_, err = p.want(ctx, linkRequest(d, n), http.StatusNoContent)
	return err
}

func linkRequest(d *device, n *pin) request {
	r := d.ask("PUT", "/api/v2/pins/link")
	r.form = url.Values{"code": {n.code}}
	return r
}

// given is the token that a poll of a PIN gives.
func (p *probe) given(ctx context.Context, n *pin) (*device, error) {
	a, err := p.want(ctx, n.poll(n.client), http.StatusOK)
	if err != nil {
		return nil, err
	}
	d := &device{client: n.client}
	d.token, err = p.tokenAt(a, "authToken")
	return d, err
}

func linkPIN(ctx context.Context, p *probe) error {
	n, err := p.newPIN(ctx, false, nil)
	if err != nil {
		return err
	}
	if err := p.link(ctx, n); err != nil {
		return err
	}
	first, err := p.given(ctx, n)
	if err != nil {
		return err
	}
	p.later(first.ask("DELETE", "/api/v2/users/signout"))
	second, err := p.given(ctx, n)
	if err != nil {
		return err
	}
	if first.token != second.token {
		return n.answer.errorf("two polls give two tokens")
	}
	return p.authenticates(ctx, first)
}

func linkNeedsToken(ctx context.Context, p *probe) error {
	n, err := p.newPIN(ctx, false, nil)
	if err != nil {
		return err
	}
	return p.refused(ctx, linkRequest(&device{p.newClient(), plexauth.Secret("")}, n), 0, http.StatusUnauthorized)
}

func linkOnce(ctx context.Context, p *probe) error {
	n, err := p.newPIN(ctx, false, nil)
	if err != nil {
		return err
	}
	if err := p.link(ctx, n); err != nil {
		return err
	}
	if d, err := p.given(ctx, n); err == nil {
		p.later(d.ask("DELETE", "/api/v2/users/signout"))
	}
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.send(ctx, linkRequest(d, n))
	if err != nil {
		return err
	}
	return a.denied()
}
