package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

const (
	// timeout is how long a server may take for an answer.
	timeout = 10 * time.Second
	// cleanUpTimeout is how long all requests that clean up may take.
	cleanUpTimeout = 30 * time.Second
	// maxBody is how much of an answer is read.
	maxBody = 4 << 20
)

// probe sends the requests of a run, and has what its checks share.
type probe struct {
	Config
	http    *http.Client
	run     string // tells the run's devices and names from those of another
	devices int
	main    *device   // signed in with Config.Token, or by a sign-in
	secrets []string  // what reasons must not have in them
	added   []request // remove what checks have added
	leaked  error     // the first answer that has a token in a URL of its header
}

// device is a client identifier with a token.
type device struct {
	client string
	token  plexauth.Secret
}

func newProbe(cfg Config) *probe {
	p := &probe{Config: cfg, run: strings.ToLower(rand.Text()[:8])}
	if p.Media == nil {
		p.Media = p.URL
	}
	client := http.Client{Timeout: timeout}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p.http = &client
	p.hide(string(cfg.Password), string(cfg.Token), string(cfg.OtherToken))
	return p
}

// hide keeps texts out of the reasons.
func (p *probe) hide(secrets ...string) {
	for _, s := range secrets {
		if s != "" {
			p.secrets = append(p.secrets, s, url.QueryEscape(s))
		}
	}
}

// blank returns a text without the secrets of the run.
func (p *probe) blank(text string) string {
	for _, s := range p.secrets {
		text = strings.ReplaceAll(text, s, "…")
	}
	return text
}

// cleanUp removes what checks have added, the last one first. A request that fails is
// no reason to leave the rest; a server that does not answer any more is.
func (p *probe) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, cleanUpTimeout)
	defer cancel()
	for i := len(p.added); i > 0 && ctx.Err() == nil; i-- {
		_, _ = p.send(ctx, p.added[i-1])
	}
}

// later removes what a check has added.
func (p *probe) later(r request) { p.added = append(p.added, r) }

// reach returns an error if nothing answers.
func (p *probe) reach(ctx context.Context) error {
	for _, media := range []bool{false, true} {
		if _, err := p.send(ctx, request{media: media, path: choose(media, "/identity", "/api/v2/ping")}); err != nil {
			return fmt.Errorf("%w at %s: %w", ErrUnreachable, choose(media, p.Media, p.URL).Redacted(), err)
		}
	}
	return nil
}

func choose[T any](cond bool, yes, no T) T {
	if cond {
		return yes
	}
	return no
}

// newClient returns a client identifier that the server does not know yet.
func (p *probe) newClient() string {
	p.devices++
	return fmt.Sprintf("usher-conformance-%s-%d", p.run, p.devices)
}

// newDevice signs in on a new device. It is signed out in the end.
func (p *probe) newDevice(ctx context.Context) (*device, error) {
	if p.Login == "" || p.Password == "" {
		return nil, skipf("it needs a login and a password")
	}
	if !p.AllowWrites {
		return nil, skipf("it needs to sign in, and writes are not allowed")
	}
	d := &device{client: p.newClient()}
	a, err := p.want(ctx, p.signIn(d.client, p.Login, string(p.Password)), http.StatusCreated, http.StatusOK)
	if err != nil {
		return nil, fmt.Errorf("signing in: %w", err)
	}
	if d.token, err = p.tokenAt(a, "authToken"); err != nil {
		return nil, err
	}
	p.later(d.ask("DELETE", "/api/v2/users/signout"))
	return d, nil
}

// signIn is a request that signs in.
func (p *probe) signIn(client, login, password string) request {
	return request{
		method: "POST", path: "/api/v2/users/signin", client: client,
		form: url.Values{"login": {login}, "password": {password}, "rememberMe": {"false"}},
	}
}

// account returns the account's own device.
func (p *probe) account(ctx context.Context) (*device, error) {
	if p.main == nil && p.Token != "" {
		p.main = &device{p.newClient(), p.Token}
	}
	if p.main != nil {
		return p.main, nil
	}
	d, err := p.newDevice(ctx)
	if skip := (*skipError)(nil); errors.As(err, &skip) {
		return nil, skipf("it needs a token of an account, or a login and a password and allowed writes")
	}
	p.main = d
	return d, err
}

// other returns a device of the other account.
func (p *probe) other() (*device, error) {
	if p.OtherToken == "" {
		return nil, skipf("it needs a token of another account, without rights on the media server")
	}
	return &device{"usher-conformance-" + p.run + "-other", p.OtherToken}, nil
}

// ask is a request of a device on the account plane. what has "path?query".
func (d *device) ask(method, what string) request {
	r := request{method: method, client: d.client, token: d.token}
	path, query, _ := strings.Cut(what, "?")
	r.path = path
	r.query, _ = url.ParseQuery(query)
	return r
}

// askMedia is a request of a device on the media plane.
func (d *device) askMedia(method, what string) request {
	r := d.ask(method, what)
	r.media = true
	return r
}

// request is a request of a check.
type request struct {
	method, path string // GET, if method is empty
	media        bool   // for the media plane
	client       string
	token        plexauth.Secret
	accept       string // application/json if empty; "none" for no Accept header
	header       map[string]string
	query, form  url.Values
	json         any
}

// in is r with another Accept header.
func (r request) in(accept string) request { r.accept = accept; return r }

// with is r with a header.
func (r request) with(name, value string) request {
	r.header = map[string]string{name: value}
	return r
}

// send sends a request. What comes back is an answer, or an error without the URL.
func (p *probe) send(ctx context.Context, r request) (*answer, error) {
	method := choose(r.method == "", http.MethodGet, r.method)
	a := &answer{what: method + " " + r.path}
	to := *choose(r.media, p.Media, p.URL)
	to.Path, to.RawQuery = strings.TrimSuffix(to.Path, "/")+r.path, r.query.Encode()
	var body io.Reader
	if r.form != nil {
		body = strings.NewReader(r.form.Encode())
	}
	if r.json != nil {
		text, err := json.Marshal(r.json)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, to.String(), body)
	if err != nil {
		return nil, errors.New(a.what + ": no request can be made of it")
	}
	r.setHeader(req.Header)
	res, err := p.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: no answer: %w", a.what, withoutTexts(err))
	}
	defer res.Body.Close()
	a.status, a.header = res.StatusCode, res.Header
	if p.leaked == nil {
		p.leaked = p.leaks(a)
	}
	if a.body, err = io.ReadAll(io.LimitReader(res.Body, maxBody)); err != nil {
		return nil, fmt.Errorf("%s: reading the answer: %w", a.what, withoutTexts(err))
	}
	return a, nil
}

// setHeader sets the headers of a request.
func (r request) setHeader(h http.Header) {
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	h.Set("User-Agent", "usher-conformance")
	set("X-Plex-Client-Identifier", r.client)
	set("X-Plex-Token", string(r.token))
	if r.client != "" {
		h.Set("X-Plex-Product", "usher conformance")
	}
	if r.accept != "none" {
		h.Set("Accept", choose(r.accept == "", "application/json", r.accept))
	}
	if r.form != nil {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if r.json != nil {
		h.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		h.Set(name, value)
	}
}

// withoutTexts is the error of a request without its URL, which may have a token in it,
// and without what the server has sent.
func withoutTexts(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var header textproto.ProtocolError
	if errors.As(err, &header) {
		return errors.New("the header of the answer is no HTTP")
	}
	const broken = "transport connection broken: "
	if _, why, ok := strings.Cut(err.Error(), broken); ok {
		why, _, _ = strings.Cut(why, ` "`) // the package quotes the input
		return errors.New("the answer is no HTTP: " + why)
	}
	return err
}

// want sends a request that must have one of some statuses.
func (p *probe) want(ctx context.Context, r request, status ...int) (*answer, error) {
	a, err := p.send(ctx, r)
	if err != nil {
		return nil, err
	}
	return a, a.is(status...)
}

// refused sends a request that must be refused with a status and, if it is not 0, a
// code of the protocol.
func (p *probe) refused(ctx context.Context, r request, code int, status ...int) error {
	a, err := p.want(ctx, r, status...)
	if err != nil {
		return err
	}
	if code != 0 {
		return a.hasCode(code)
	}
	if !strings.HasPrefix(r.path, version2) || r.accept != "" {
		return nil // a page, as media servers send, or a text of version 1
	}
	list, err := a.list("errors")
	if err == nil && len(list) == 0 {
		err = a.errorf("it has no errors")
	}
	return err
}

// version2 is how paths begin whose errors are in the format that was asked for.
const version2 = "/api/v2/"

// tokenAt returns the token of a JSON answer, which is kept out of all reasons.
func (p *probe) tokenAt(a *answer, path ...string) (plexauth.Secret, error) {
	text, err := a.text(path...)
	if err == nil && text == "" {
		err = fmt.Errorf("%s: %s is empty", a.what, strings.Join(path, "."))
	}
	p.hide(text)
	return plexauth.Secret(text), err
}
