package conformance

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
)

// signInChecks are about signing in and out by password.
func signInChecks() []Check {
	return []Check{
		{"sign-in/created", "The right password is answered by 201 and the account, with a token that works.", true, "the generated SDKs", Seen, signInCreates},
		{"sign-in/wrong-password", "A wrong password is 401 with code 1001.", true, "the generated SDKs", Documented, wrongPassword},
		{"sign-in/unknown-login", "An unknown login gets the same response as a wrong password, so accounts are not revealed.", true, "a rule of security", Inferred, unknownLogin},
		{"sign-in/needs-client", "A sign-in without a client identifier is 400 with code 1000.", true, "Plex's document", Documented, signInNeedsClient},
		{"sign-in/version-1", "Version 1 takes HTTP Basic, and answers 201 with the attribute authenticationToken.", true, "plex-api-credentials, @ctrl/plex", Read, signInVersion1},
		{"sign-in/sign-out", "Signing out is 204, and the token is 401 from then on.", true, "plex-api.rs, PlexAPI", Read, signOut},
		{"sign-in/sign-out-alone", "Signing out ends no other device's token.", true, "clients of one account on many devices", Inferred, signOutAlone},
	}
}

// authenticates returns an error unless a device's token works.
func (p *probe) authenticates(ctx context.Context, d *device) error {
	_, err := p.want(ctx, d.ask("GET", "/api/v2/user"), http.StatusOK)
	return err
}

func signInCreates(ctx context.Context, p *probe) error {
	if _, err := p.newDevice(ctx); err != nil {
		return err
	}
	client := p.newClient()
	a, err := p.want(ctx, p.signIn(client, p.Login, string(p.Password)), http.StatusCreated)
	if err != nil {
		return err
	}
	d := &device{client: client}
	if d.token, err = p.tokenAt(a, "authToken"); err != nil {
		return err
	}
	p.later(d.ask("DELETE", "/api/v2/users/signout"))
	return p.authenticates(ctx, d)
}

// wrong is a password that nobody has.
const wrong = "no password of anybody 7f3a"

func wrongPassword(ctx context.Context, p *probe) error {
	if p.Login == "" {
		return skipf("it needs a login")
	}
	return p.refused(ctx, p.signIn(p.newClient(), p.Login, wrong), 1001, http.StatusUnauthorized)
}

func unknownLogin(ctx context.Context, p *probe) error {
	if p.Login == "" {
		return skipf("it needs a login")
	}
	known, err := p.want(ctx, p.signIn(p.newClient(), p.Login, wrong), http.StatusUnauthorized)
	if err != nil {
		return err
	}
	unknown, err := p.want(ctx, p.signIn(p.newClient(), "nobody-"+p.run, wrong), http.StatusUnauthorized)
	if err != nil {
		return err
	}
	if !bytes.Equal(known.body, unknown.body) {
		return unknown.errorf("the answer differs from that to a wrong password")
	}
	return nil
}

func signInNeedsClient(ctx context.Context, p *probe) error {
	return p.refused(ctx, p.signIn("", "nobody-"+p.run, wrong), 1000, http.StatusBadRequest)
}

func signInVersion1(ctx context.Context, p *probe) error {
	if p.Login == "" || p.Password == "" {
		return skipf("it needs a login and a password")
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Login+":"+string(p.Password)))
	p.hide(basic)
	client := p.newClient()
	a, err := p.want(ctx, request{method: "POST", path: "/users/sign_in.xml", client: client, accept: "none", form: url.Values{}}.
		with("Authorization", basic), http.StatusCreated)
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
	d := &device{client: client}
	d.token = secret(token)
	p.later(d.ask("DELETE", "/api/v2/users/signout"))
	return p.authenticates(ctx, d)
}

func signOut(ctx context.Context, p *probe) error {
	d, err := p.newDevice(ctx)
	if err != nil {
		return err
	}
	if _, err := p.want(ctx, d.ask("DELETE", "/api/v2/users/signout"), http.StatusNoContent); err != nil {
		return err
	}
	return p.refused(ctx, d.ask("GET", "/api/v2/user"), 0, http.StatusUnauthorized)
}

func signOutAlone(ctx context.Context, p *probe) error {
	stays, err := p.newDevice(ctx)
	if err != nil {
		return err
	}
	leaves, err := p.newDevice(ctx)
	if err != nil {
		return err
	}
	if _, err := p.want(ctx, leaves.ask("DELETE", "/api/v2/users/signout"), http.StatusNoContent, http.StatusOK); err != nil {
		return err
	}
	return p.authenticates(ctx, stays)
}
