package web

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/plexauth"
)

const invitationPath = "/invitation"

// invitationCookie holds the secret of an invitation between the link and the form.
// The link's address is replaced immediately, so that the secret is in no history and in
// no Referer.
const invitationCookie = "usher_invitation"

// keptLink is how long a browser keeps the secret of a link.
const keptLink = 24 * time.Hour

var errNoInvitation = fault.New(fault.Denied, "open the link of your invitation again: this browser has forgotten it")

// invitation is the page of the person who was invited. They choose a name and a
// password or a passkey, and are signed in.
type invitation struct {
	invites  *invite.Service
	accounts *account.Service
	passkeys *passkey.Service
	browsers *browserSessions
	site     passkeySite
	// server is what this server is called; empty: it has no name of its own.
	server string
}

func (i *invitation) pages() []page {
	return []page{
		{"GET", invitationPath, anyone, i.form},
		{"POST", invitationPath, anyone, i.submit},
		{"POST", invitationPath + "/passkey/challenge", anyone, asJSON(i.challenge)},
		{"POST", invitationPath + "/passkey", anyone, asJSON(i.submitPasskey)},
	}
}

// InvitationLink returns the path of the link with a secret of invite.Service.Make.
func InvitationLink(secret plexauth.Secret) plexauth.Secret { return invitationPath + "?key=" + secret }

// invitationData is the form.
type invitationData struct {
	sent
	invite.Invitation
	Server   string
	Present  string // the account that is signed in in this browser, or empty
	Passkeys bool   // passkeys work at this address
}

// form shows the form. Opening the link changes nothing: programs that look at the
// links in an e-mail do not use it up.
func (i *invitation) form(ctx context.Context, v *visit) (view, error) {
	if key := v.URL.Query().Get("key"); key != "" {
		return view{to: invitationPath, cookies: []*http.Cookie{linkCookie(invitationCookie, invitationPath, key)}}, nil
	}
	return i.show(ctx, v, sent{})
}

// linkCookie keeps the secret of a link; an empty one deletes it.
func linkCookie(name, path, secret string) *http.Cookie {
	age := int(keptLink.Seconds())
	if secret == "" {
		age = -1
	}
	return &http.Cookie{Name: name, Value: secret, Path: path, MaxAge: age}
}

// secret returns the secret of the link that this browser opened. errNoInvitation.
func (i *invitation) secret(v *visit) (plexauth.Secret, error) {
	secret := v.cookie(invitationCookie, invitationPath)
	if secret == "" {
		return "", errNoInvitation
	}
	return secret, nil
}

func (i *invitation) show(ctx context.Context, v *visit, s sent) (view, error) {
	secret, err := i.secret(v)
	if err != nil {
		return view{}, err
	}
	data := invitationData{sent: s, Server: i.server, Present: v.account.Username}
	if data.Invitation, err = i.invites.Find(ctx, v.actor(), secret); err != nil {
		return view{}, err
	}
	_, err = i.site.party(v)
	data.Passkeys = err == nil
	answer := view{name: "invitation", data: data}
	if !s.problem.empty() {
		answer.status = http.StatusBadRequest
	}
	return answer, nil
}

// submit makes the account with a password.
func (i *invitation) submit(ctx context.Context, v *visit) (view, error) {
	answer, err := i.accept(ctx, v, invite.Chosen{Password: plexauth.Secret(v.PostFormValue("password"))})
	if form, ok := rejected(v, err); ok && fault.KindOf(err) != fault.Limited {
		return i.show(ctx, v, form)
	}
	return answer, err
}

func (i *invitation) accept(ctx context.Context, v *visit, chosen invite.Chosen) (view, error) {
	secret, err := i.secret(v)
	if err != nil {
		return view{}, err
	}
	chosen.Username = v.PostFormValue("username")
	made, err := i.invites.Accept(ctx, v.actor(), secret, chosen)
	if err != nil {
		return view{}, err
	}
	answer, err := i.browsers.startFirst(ctx, v, made.Proof, "/account")
	answer.cookies = append(answer.cookies, linkCookie(invitationCookie, invitationPath, ""))
	return answer, err
}

// joiningBrowser names the browser in which a passkey is made: only it has the secret
// of the invitation.
func joiningBrowser(secret plexauth.Secret) string { return "invitation " + string(secret) }

// challenge returns what the script needs to make a passkey for the name that was
// typed.
func (i *invitation) challenge(ctx context.Context, v *visit) (view, error) {
	party, err := i.site.party(v)
	if err != nil {
		return view{}, err
	}
	secret, err := i.secret(v)
	if err != nil {
		return view{}, err
	}
	found, err := i.invites.Find(ctx, v.actor(), secret)
	if err == nil {
		err = i.accounts.CheckNew(ctx, v.PostFormValue("username"), found.Email)
	}
	if err != nil {
		return view{}, err
	}
	options, err := i.passkeys.BeginJoin(ctx, party, v.PostFormValue("username"), joiningBrowser(secret))
	return view{json: json.RawMessage(options)}, err
}

// submitPasskey makes the account with the passkey that the browser created.
func (i *invitation) submitPasskey(ctx context.Context, v *visit) (view, error) {
	party, err := i.site.party(v)
	if err != nil {
		return view{}, err
	}
	secret, err := i.secret(v)
	if err != nil {
		return view{}, err
	}
	made, err := i.passkeys.FinishJoin(
		ctx, party, joiningBrowser(secret), browserName(v.userAgent), []byte(v.PostFormValue("answer")))
	if err != nil {
		return view{}, err
	}
	return i.accept(ctx, v, invite.Chosen{Passkey: &made})
}
