package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// homeChecks are about homes, whose users switch among themselves.
func homeChecks() []Check {
	return []Check{
		{"home/users", "/api/v2/home/users has the account itself, with the keys that clients read.", false, "plex-api.rs, watchstate", Read, homeUsers},
		{"home/needs-token", "The users of a home without a token, or with an unknown one, are 401.", false, "plex-api.rs", Read, homeNeedsToken},
		{"home/version-1", "/api/home/users has elements User with id, title and protected.", false, "plex-api.rs", Read, homeVersion1},
		{"home/switch", "A switch to a user without a PIN is 201, with a token of that user.", true, "plex-api.rs, watchstate", Read, homeSwitch},
		{"home/switch-version-1", "The switch of version 1 has the attribute authenticationToken.", true, "PlexAPI, @ctrl/plex", Read, homeSwitchVersion1},
		{"home/outsider", "A switch to somebody who is not in the home is refused.", true, "a rule of security", Inferred, homeOutsider},
		{"home/right-pin", "A switch with the right PIN, in the query, is 201.", true, "plex-api.rs, PlexAPI", Read, homeRightPIN},
		{"home/wrong-pin", "A PIN that is sent is checked: a wrong one is 403 with code 1041, also for the owner.", true, "240-MP", Read, homeWrongPIN},
	}
}

// user is a user of a home.
type user struct{ id, uuid string }

// homeOf lists the users of a device's home.
func (p *probe) homeOf(ctx context.Context, d *device) (*answer, []any, error) {
	a, err := p.want(ctx, d.ask("GET", "/api/v2/home/users"), http.StatusOK)
	if err != nil {
		return nil, nil, err
	}
	list, err := a.list("users")
	return a, list, err
}

// kidPIN is the PIN of protected users that checks add.
const kidPIN = "2749"

// newKid adds a managed user to the account's home, with or without a PIN. It is
// removed in the end.
func (p *probe) newKid(ctx context.Context, protected bool) (*user, error) {
	d, err := p.account(ctx)
	if err != nil {
		return nil, err
	}
	p.devices++
	r := d.ask("POST", "/api/home/users")
	r.accept, r.query = "none", url.Values{"title": {fmt.Sprintf("Conformance %s %d", p.run, p.devices)}}
	a, err := p.send(ctx, r)
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusForbidden || a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed {
		return nil, skipf("the account cannot add a user to its home: status %d", a.status)
	}
	if err := a.is(http.StatusOK, http.StatusCreated); err != nil {
		return nil, err
	}
	root, err := a.element()
	if err != nil {
		return nil, err
	}
	kid := &user{id: root.attrs["id"]}
	if kid.id == "" {
		return nil, a.errorf("the answer has no id of the new user")
	}
	p.later(d.ask("DELETE", "/api/home/users/"+kid.id))
	if kid.uuid, err = p.uuidOf(ctx, d, kid.id); err != nil || !protected {
		return kid, err
	}
	_, err = p.want(ctx, d.ask("POST", "/api/v2/home/users/restricted/"+kid.id+"?pin="+kidPIN), http.StatusOK, http.StatusCreated, http.StatusNoContent)
	return kid, err
}

// uuidOf finds the UUID of a user of the home.
func (p *probe) uuidOf(ctx context.Context, d *device, id string) (string, error) {
	a, list, err := p.homeOf(ctx, d)
	if err != nil {
		return "", err
	}
	for _, u := range list {
		if n, ok := at(u, "id").(json.Number); ok && n.String() == id {
			if uuid, _ := at(u, "uuid").(string); uuid != "" {
				return uuid, nil
			}
		}
	}
	return "", a.errorf("the new user is not among the users of the home, with a uuid")
}

// switchTo is a request of a device that switches to a user, with a query.
func (d *device) switchTo(u *user, query string) request {
	return d.ask("POST", "/api/v2/home/users/"+u.uuid+"/switch?"+query)
}

// switchToV1 is switchTo by version 1.
func (d *device) switchToV1(u *user, query string) request {
	return d.ask("POST", "/api/home/users/"+u.id+"/switch?"+query).in("none")
}

// become switches to a user.
func (p *probe) become(ctx context.Context, d *device, u *user, query string) (*device, error) {
	a, err := p.want(ctx, d.switchTo(u, query), http.StatusCreated)
	if err != nil {
		return nil, err
	}
	token, err := p.tokenAt(a, "authToken")
	return &device{d.client, token}, err
}

// is returns an error unless a device's token is of a user.
func (p *probe) isUser(ctx context.Context, d *device, u *user) error {
	a, err := p.want(ctx, d.ask("GET", "/api/v2/user"), http.StatusOK)
	if err != nil {
		return err
	}
	id, err := a.number("id")
	if err == nil && fmt.Sprint(id) != u.id {
		err = a.errorf("the token is not of the user of the switch")
	}
	return err
}

func homeUsers(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, list, err := p.homeOf(ctx, d)
	if err != nil {
		return err
	}
	for _, u := range list {
		err := a.hasFields(u, "number id", "text uuid title username email friendlyName thumb", "boolean admin guest restricted protected hasPassword")
		if err != nil {
			return err
		}
	}
	details, err := p.want(ctx, d.ask("GET", "/api/v2/user"), http.StatusOK)
	if err != nil {
		return err
	}
	self, err := details.number("id")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(u any) bool { return at(u, "id") == json.Number(fmt.Sprint(self)) }) {
		return a.errorf("the account itself is not among them")
	}
	return nil
}

func homeNeedsToken(ctx context.Context, p *probe) error {
	return p.needsToken(ctx, request{path: "/api/v2/home/users"}, http.StatusUnauthorized)
}

func homeVersion1(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, d.ask("GET", "/api/home/users").in("none"), http.StatusOK)
	if err != nil {
		return err
	}
	root, err := a.element()
	if err != nil {
		return err
	}
	users := root.all("User")
	if len(users) == 0 {
		return a.errorf("there is no User")
	}
	for _, u := range users {
		for _, name := range []string{"id", "title", "protected"} {
			if u.attrs[name] == "" {
				return a.errorf("a User lacks the attribute %s", name)
			}
		}
	}
	return nil
}

func homeSwitch(ctx context.Context, p *probe) error {
	return switches(ctx, p, false, "")
}

func homeRightPIN(ctx context.Context, p *probe) error {
	return switches(ctx, p, true, "pin="+kidPIN)
}

// switches switches to a new user, and looks at whose token that gives.
func switches(ctx context.Context, p *probe, protected bool, query string) error {
	kid, err := p.newKid(ctx, protected)
	if err != nil {
		return err
	}
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	as, err := p.become(ctx, d, kid, query)
	if err != nil {
		return err
	}
	return p.isUser(ctx, as, kid)
}

func homeSwitchVersion1(ctx context.Context, p *probe) error {
	kid, err := p.newKid(ctx, false)
	if err != nil {
		return err
	}
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, d.switchToV1(kid, ""), http.StatusCreated, http.StatusOK)
	if err != nil {
		return err
	}
	root, err := a.element()
	if err != nil {
		return err
	}
	token := root.attrs["authenticationToken"]
	if token == "" {
		return a.errorf("the root has no authenticationToken")
	}
	p.hide(token)
	return p.isUser(ctx, &device{d.client, secret(token)}, kid)
}

func homeOutsider(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	for _, who := range []string{"2147483646", "00000000-0000-4000-8000-000000000000"} {
		a, err := p.send(ctx, d.switchTo(&user{uuid: who}, ""))
		if err != nil {
			return err
		}
		if err := a.denied(); err != nil {
			return err
		}
	}
	return nil
}

func homeWrongPIN(ctx context.Context, p *probe) error {
	kid, err := p.newKid(ctx, true)
	if err != nil {
		return err
	}
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.send(ctx, d.switchToV1(kid, "pin=0000"))
	if err != nil {
		return err
	}
	if err := a.denied(); err != nil {
		return err
	}
	return p.refused(ctx, d.switchTo(kid, "pin=0000"), 1041, http.StatusForbidden)
}
