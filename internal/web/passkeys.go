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

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/store"
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

// forScript makes a handler answer a script: where to go next, or what is
// wrong, in JSON.
func forScript(handle handler) handler {
	return func(p *Pages, ctx context.Context, v *visit) (view, error) {
		answer, err := handle(p, ctx, v)
		said := map[string]string{"to": answer.to}
		if err != nil {
			var text string
			answer, text = p.scriptFailure(v, err)
			said = map[string]string{"problem": text}
		}
		if answer.json == nil {
			answer.to = ""
			answer.json, err = json.Marshal(said)
			return answer, err
		}
		return answer, nil
	}
}

// scriptFailure is failure for a script.
func (p *Pages) scriptFailure(v *visit, err error) (view, string) {
	if errors.Is(err, store.ErrConflict) {
		return view{status: http.StatusConflict}, "That changed a moment ago. Try once more."
	}
	text, ok := problem(err)
	switch {
	case fault.KindOf(err) == fault.Limited:
		return view{status: http.StatusTooManyRequests}, text
	case ok:
		return view{status: http.StatusBadRequest}, text
	}
	page := p.failure(v, err)
	if m, ok := page.data.(message); ok {
		text = m.Text
	}
	return view{status: page.status}, text
}

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
	return view{json: options}, err
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
	id, err := pathID(v)
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
	return view{json: options, also: p.passkeyCookie(v, browser, int(passkeyLife.Seconds()))}, err
}

func (p *Pages) passkeyCookie(v *visit, browser string, age int) *http.Cookie {
	return &http.Cookie{
		Name: passkeyCookie, Value: browser, Path: passkeyPath, MaxAge: age,
		HttpOnly: true, Secure: p.secure(v.Request), SameSite: http.SameSiteStrictMode,
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
		to: localPath(v.PostFormValue("next"), "/account"), cookie: secret, expires: s.ExpiresAt,
		also: p.passkeyCookie(v, "", -1),
	}, nil
}

// passkeySecond begins the second step by passkey.
func (p *Pages) passkeySecond(ctx context.Context, v *visit) (view, error) {
	party, err := p.party(v)
	if err != nil {
		return view{}, err
	}
	options, err := p.Passkeys.BeginSecond(ctx, party, v.session.AccountID, ownSession(v))
	return view{json: options}, err
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
		to: localPath(v.PostFormValue("next"), "/account"), cookie: secret, expires: p.Now().Add(session.Life),
	}, nil
}

// passkeyProblem says what is wrong with a passkey, if that is what an error
// means.
func passkeyProblem(err error) (string, bool) {
	switch {
	case errors.Is(err, passkey.ErrRateLimited):
		return "Too many sign-ins were begun from where you are. Wait a moment, then try again.", true
	case errors.Is(err, passkey.ErrChallenge):
		return "That took too long, or was done before. Try once more.", true
	case errors.Is(err, passkey.ErrCloned):
		return "This passkey was not accepted: it answered as a copy of it would. Sign in another way, and remove it.", true
	case errors.Is(err, passkey.ErrRejected):
		return "This passkey was not accepted.", true
	case errors.Is(err, passkey.ErrNoPasskey):
		return "Your account has no passkey for this address.", true
	case errors.Is(err, passkey.ErrExists):
		return "This passkey is there already.", true
	case errors.Is(err, passkey.ErrFull):
		return "Your account has as many passkeys as it may. Remove one first.", true
	case errors.Is(err, errNoParty):
		return "Passkeys need a whole host name: an IP address does not do, nor a short name.", true
	case errors.Is(err, errOtherPort):
		return otherPort, true
	}
	return "", false
}
