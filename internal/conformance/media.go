package conformance

import (
	"context"
	"net/http"
	"net/url"
)

// transientChecks are about transient tokens.
func transientChecks() []Check {
	return []Check{
		{"transient/token", "/security/token is 200 with MediaContainer.token, which works on the media plane.", false, "the generated SDKs", Seen, transientToken},
		{"transient/post", "/security/token takes POST as it takes GET.", false, "the SDKs since October 2025", Seen, transientPost},
		{"transient/parameters", "/security/token with another type or scope, or without, is 400.", false, "Plex's document", Documented, transientParameters},
		{"transient/needs-token", "/security/token without a token, or with an unknown one, is 401 or 403.", false, "Plex's document", Documented, transientNeedsToken},
		{"transient/ends", "A transient token ends with the token that it was made from.", true, "a rule of security", Inferred, transientEnds},
	}
}

const tokenPath = "/security/token?type=delegation&scope=all"

// transient returns a device with a transient token of d.
func (p *probe) transient(ctx context.Context, d *device) (*device, error) {
	a, err := p.want(ctx, d.askMedia("GET", tokenPath), http.StatusOK)
	if err != nil {
		return nil, err
	}
	token, err := p.tokenAt(a, "MediaContainer", "token")
	return &device{d.client, token}, err
}

func transientToken(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	t, err := p.transient(ctx, d)
	if err != nil {
		return err
	}
	_, err = p.want(ctx, t.askMedia("GET", "/"), http.StatusOK)
	return err
}

func transientPost(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, d.askMedia("POST", tokenPath), http.StatusOK)
	if err == nil {
		_, err = p.tokenAt(a, "MediaContainer", "token")
	}
	return err
}

func transientParameters(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	for _, query := range []string{"", "?type=delegation", "?scope=all", "?type=other&scope=all", "?type=delegation&scope=some"} {
		if err := p.refused(ctx, d.askMedia("GET", "/security/token"+query), 0, http.StatusBadRequest); err != nil {
			return err
		}
	}
	return nil
}

func transientNeedsToken(ctx context.Context, p *probe) error {
	return p.needsToken(ctx, p.nobody().askMedia("GET", tokenPath), http.StatusUnauthorized, http.StatusForbidden)
}

func transientEnds(ctx context.Context, p *probe) error {
	d, err := p.newDevice(ctx)
	if err != nil {
		return err
	}
	t, err := p.transient(ctx, d)
	if err != nil {
		return err
	}
	if _, err := p.want(ctx, d.ask("DELETE", "/api/v2/users/signout"), http.StatusNoContent, http.StatusOK); err != nil {
		return err
	}
	a, err := p.send(ctx, t.askMedia("GET", "/"))
	if err != nil {
		return err
	}
	return a.denied()
}

// sourceChecks are about a media server and the connections of sources.
func sourceChecks() []Check {
	return []Check{
		{"source/device", "/security/resources is 200 with one Device, its Connections and an accessToken.", false, "the generated SDKs", Seen, sourceDevice},
		{"source/transient", "A transient token of an admin's may ask for a source.", false, "Plex's document", Documented, sourceTransient},
		{"source/malformed", "A source that is missing or malformed is 400.", false, "Plex's document", Documented, sourceMalformed},
		{"source/needs-token", "A source without a token, or with an unknown one, is 401 or 403.", false, "Plex's document", Documented, sourceNeedsToken},
		{"source/needs-admin", "A source for an account that is not an admin is 403.", false, "Plex's document", Documented, sourceNeedsAdmin},
		{"media/identity", "/identity is 200 without a token, with a machineIdentifier.", false, "Tautulli, plex-api.rs", Read, identity},
		{"media/root", "/ of the media plane has the same machineIdentifier, and is 401 or 403 without a token or with an unknown one.", false, "all clients, when they connect", Read, mediaRoot},
	}
}

// machine returns the machine identifier of the media server.
func (p *probe) machine(ctx context.Context) (string, error) {
	a, err := p.want(ctx, request{media: true, path: "/identity"}, http.StatusOK)
	if err != nil {
		return "", err
	}
	id, err := a.text("MediaContainer", "machineIdentifier")
	if err == nil && id == "" {
		err = a.errorf("machineIdentifier is empty")
	}
	return id, err
}

// source returns a request of a device for the media server as a source.
func (p *probe) source(ctx context.Context, d *device) (request, error) {
	id, err := p.machine(ctx)
	r := d.askMedia("GET", "/security/resources")
	r.query = url.Values{"source": {"server://" + id}}
	return r, err
}

// admin returns the account's device, if the account may ask for sources.
func (p *probe) admin(ctx context.Context) (*device, error) {
	d, err := p.account(ctx)
	if err != nil {
		return nil, err
	}
	r, err := p.source(ctx, d)
	if err != nil {
		return nil, err
	}
	a, err := p.send(ctx, r)
	if err == nil && a.status == http.StatusForbidden {
		err = skipf("it needs a token of an admin of the media server")
	}
	return d, err
}

func sourceDevice(ctx context.Context, p *probe) error {
	d, err := p.admin(ctx)
	if err != nil {
		return err
	}
	return p.describes(ctx, d)
}

func sourceTransient(ctx context.Context, p *probe) error {
	d, err := p.admin(ctx)
	if err != nil {
		return err
	}
	t, err := p.transient(ctx, d)
	if err != nil {
		return err
	}
	return p.describes(ctx, t)
}

// describes returns an error unless a device gets what it needs to connect.
func (p *probe) describes(ctx context.Context, d *device) error {
	r, err := p.source(ctx, d)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, r, http.StatusOK)
	if err != nil {
		return err
	}
	v, err := a.value()
	if err != nil {
		return err
	}
	if _, err := p.tokenAt(a, "MediaContainer", "Device", "accessToken"); err != nil {
		return err
	}
	return a.hasFields(at(v, "MediaContainer", "Device"), "text name clientIdentifier", "list Connection")
}

func sourceMalformed(ctx context.Context, p *probe) error {
	d, err := p.admin(ctx)
	if err != nil {
		return err
	}
	for _, source := range []string{"", "?source=", "?source=nothing", "?source=other%3A%2F%2Fid"} {
		if err := p.refused(ctx, d.askMedia("GET", "/security/resources"+source), 0, http.StatusBadRequest); err != nil {
			return err
		}
	}
	return nil
}

func sourceNeedsToken(ctx context.Context, p *probe) error {
	r, err := p.source(ctx, p.nobody())
	if err != nil {
		return err
	}
	return p.needsToken(ctx, r, http.StatusUnauthorized, http.StatusForbidden)
}

func sourceNeedsAdmin(ctx context.Context, p *probe) error {
	d, err := p.other()
	if err != nil {
		return err
	}
	r, err := p.source(ctx, d)
	if err != nil {
		return err
	}
	return p.refused(ctx, r, 0, http.StatusForbidden)
}

func identity(ctx context.Context, p *probe) error {
	_, err := p.machine(ctx)
	return err
}

func mediaRoot(ctx context.Context, p *probe) error {
	id, err := p.machine(ctx)
	if err != nil {
		return err
	}
	if err := p.needsToken(ctx, request{media: true, path: "/"}, http.StatusUnauthorized, http.StatusForbidden); err != nil {
		return err
	}
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, d.askMedia("GET", "/"), http.StatusOK)
	if err != nil {
		return err
	}
	got, err := a.text("MediaContainer", "machineIdentifier")
	if err == nil && got != id {
		err = a.errorf("machineIdentifier is not that of /identity")
	}
	return err
}
