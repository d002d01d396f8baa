package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/session"
)

const (
	// passkeyCookie names a browser from the challenge to the answer of a
	// sign-in by passkey: it has no session yet.
	passkeyCookie = "usher_passkey"
	passkeyPath   = "/auth/passkey"
	passkeyLife   = 5 * time.Minute
)

// Errors of pages at whose address there are no passkeys.
var (
	errNoParty   = errors.New("a passkey needs a host name")
	errOtherPort = errors.New("a passkey needs the address that this server is at")
)

// party is the site that passkeys are for, where a visitor sees it.
func (p *Pages) party(v *visit) (passkey.Party, error) {
	party, ok := passkey.NewParty(p.PublicURL, v.Host, v.TLS != nil)
	switch {
	case !ok:
		return passkey.Party{}, errNoParty
	case p.PublicURL == "" && !ownPort(v.Request):
		return passkey.Party{}, errOtherPort
	}
	return party, nil
}

// ownPort reports whether the port that was asked for is the one that the
// request came to, or the scheme's own, as of a proxy in front. Attack: another
// program on this computer, at a port of its own, has people show it their
// passkeys, which browsers keep apart by host name only, and passes the answers
// on with its own address as what was asked for.
func ownPort(r *http.Request) bool {
	_, asked, err := net.SplitHostPort(r.Host)
	if err != nil || asked == "80" || asked == "443" {
		return true
	}
	here, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	_, port, err := net.SplitHostPort(here.String())
	return err == nil && asked == port
}

// passkeyHint says why there are no passkeys at the address of the page; empty:
// there are.
func (p *Pages) passkeyHint(v *visit) string {
	_, err := p.party(v)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errOtherPort):
		return otherPort
	}
	example := "http://localhost"
	if _, port, err := net.SplitHostPort(v.Host); err == nil {
		example += ":" + port
	}
	return "Passkeys need a whole host name, such as usher.example.org: an IP address does not do, nor a short name. " +
		"On the computer that usher runs on, open " + example + " instead."
}

const otherPort = "Passkeys need to know where this page is, which is at another port than usher itself: " +
	"whoever runs usher can say so by --public-url."

// ownSession names a browser by its session.
func ownSession(v *visit) string { return strconv.FormatInt(v.session.ID, 10) }

// passkeyToAdd gives the script of the account's page what to make a passkey
// from.
func (p *Pages) passkeyToAdd(ctx context.Context, v *visit) (view, error) {
	party, err := p.party(v)
	if err == nil {
		err = p.confirmPassword(ctx, v)
	}
	if err != nil {
		return view{}, err
	}
	options, err := p.Passkeys.BeginAdd(ctx, party, v.account, ownSession(v))
	return view{json: json.RawMessage(options)}, err
}

// addPasskey takes the passkey that the browser made.
func (p *Pages) addPasskey(ctx context.Context, v *visit) (view, error) {
	party, err := p.party(v)
	if err != nil {
		return view{}, err
	}
	name := v.PostFormValue("name")
	if name == "" {
		name = browserName(v.from.UserAgent)
	}
	err = p.Passkeys.FinishAdd(ctx, party, v.account, ownSession(v), name, []byte(v.PostFormValue("answer")))
	return view{to: "/account?done=passkey"}, err
}

func (p *Pages) removePasskey(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = p.confirmPassword(ctx, v)
	}
	if err == nil {
		err = p.Passkeys.Remove(ctx, v.account.ID, id)
	}
	return p.changed(ctx, v, "passkey-removed", err)
}

// passkeyAlone begins a sign-in by passkey, for a browser that has not said
// whose it is.
func (p *Pages) passkeyAlone(_ context.Context, v *visit) (view, error) {
	party, err := p.party(v)
	if err != nil {
		return view{}, err
	}
	browser := rand.Text()
	options, err := p.Passkeys.BeginAlone(party, browser, v.from.Address)
	return view{json: json.RawMessage(options), cookies: []*http.Cookie{passkeyBrowser(browser, int(passkeyLife.Seconds()))}}, err
}

func passkeyBrowser(browser string, age int) *http.Cookie {
	return &http.Cookie{
		Name: passkeyCookie, Value: browser, Path: passkeyPath, MaxAge: age,
		SameSite: http.SameSiteStrictMode,
	}
}

// signInByPasskey takes the passkey's answer, and begins a session.
func (p *Pages) signInByPasskey(ctx context.Context, v *visit) (view, error) {
	party, err := p.party(v)
	if err != nil {
		return view{}, err
	}
	cookie, err := v.Cookie(passkeyCookie)
	if err != nil {
		return view{}, passkey.ErrChallenge
	}
	proof, err := p.Passkeys.FinishAlone(ctx, party, cookie.Value, []byte(v.PostFormValue("answer")))
	if err != nil {
		return view{}, err
	}
	secret, s, err := p.Sessions.Begin(ctx, proof.SignIn, true, v.from)
	if err != nil {
		return view{}, err
	}
	p.endOld(ctx, v)
	return view{
		to: nextPath(v.PostForm), cookies: []*http.Cookie{sessionCookie(secret, s.ExpiresAt), passkeyBrowser("", -1)},
	}, nil
}

// passkeySecond begins the second step by passkey.
func (p *Pages) passkeySecond(ctx context.Context, v *visit) (view, error) {
	party, err := p.party(v)
	if err != nil {
		return view{}, err
	}
	options, err := p.Passkeys.BeginSecond(ctx, party, v.session.AccountID, ownSession(v))
	return view{json: json.RawMessage(options)}, err
}

// completeByPasskey takes the passkey's answer in place of a code.
func (p *Pages) completeByPasskey(ctx context.Context, v *visit) (view, error) {
	party, err := p.party(v)
	if err != nil {
		return view{}, err
	}
	proof, err := p.Passkeys.FinishSecond(ctx, party, v.session.AccountID, ownSession(v), []byte(v.PostFormValue("answer")))
	if err != nil {
		return view{}, err
	}
	secret, err := p.Sessions.Complete(ctx, v.session, proof.SignIn)
	if err != nil {
		return view{}, fmt.Errorf("completing a session by passkey: %w", err)
	}
	return view{
		to: nextPath(v.PostForm), cookies: []*http.Cookie{sessionCookie(secret, p.Now().Add(session.Life))},
	}, nil
}
