package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// adminAccount shows one account to admins, and changes it.
type adminAccount struct {
	accounts *account.Service
	tokens   *token.Service
	sessions *session.Service
	passkeys *passkey.Service
	sources  *source.Service
	handover handover
	post     post
	caution  caution
}

func (a *adminAccount) pages() []page {
	const path = "/admin/accounts/{id}"
	return []page{
		{"GET", path, admin, section(a.show).asHandler},
		{"POST", path + "/disable", admin, a.risky(a.askDisable, a.disable)},
		{"POST", path + "/enable", admin, a.enable},
		{"POST", path + "/email", admin, a.setEmail},
		{"POST", path + "/email/confirm", admin, a.confirmEmail},
		{"POST", path + "/rename", admin, a.rename},
		{"POST", path + "/promote", admin, a.risky(a.askPromote, a.promote)},
		{"POST", path + "/demote", admin, a.risky(a.askDemote, a.demote)},
		{"POST", path + "/rules", admin, a.risky(a.askRules, a.setRules)},
		{"POST", path + "/password", admin, a.setPassword},
		{"POST", path + "/reset-link", admin, a.linkReset},
		{"POST", path + "/second-factor", admin, a.linkFactor},
		{"POST", path + "/second-factor/remove", admin, a.risky(a.askFactor, a.removeFactor)},
		{"POST", path + "/passkeys/{passkey}/remove", admin, a.risky(a.askPasskey, a.removePasskey)},
		{"POST", path + "/sign-out", admin, a.risky(a.askSignOut, a.signOut)},
		{"POST", path + "/remove", admin, a.risky(a.askRemove, a.remove)},
	}
}

// oneAccountData is the page of one account.
type oneAccountData struct {
	notice
	Account  account.Account
	Self     bool // it is the visitor's account
	Tokens   []token.Token
	Passkeys []passkey.Passkey
	Servers  []source.Source // those that the account itself owns
	Shares   []source.Share
	// More of each are not shown.
	MoreTokens, MoreServers, MoreShares bool
}

// fewRows is how many rows of a listing are on a page that has more than one listing.
// Others are a link away.
const fewRows = 2

func (a *adminAccount) show(ctx context.Context, v *visit, s sent) (view, error) {
	id, err := v.pathID()
	if err != nil {
		return view{}, err
	}
	data := oneAccountData{notice: newNotice(v, s), Self: id == v.account.ID}
	if data.Account, err = a.accounts.Get(ctx, id); err != nil {
		return view{}, err
	}
	if data.Passkeys, err = a.passkeys.List(ctx, id); err != nil {
		return view{}, err
	}
	some := paging.Request{Limit: fewRows}
	tokens, err := a.tokens.List(ctx, id, some)
	if err != nil {
		return view{}, err
	}
	servers, err := a.sources.Owned(ctx, id, some)
	if err != nil {
		return view{}, err
	}
	shares, err := a.sources.SharesWith(ctx, id, some)
	if err != nil {
		return view{}, err
	}
	data.Tokens, data.MoreTokens = tokens.Rows, tokens.Next != ""
	for i := range data.Tokens {
		data.Tokens[i].Username = "" // the page is about it
	}
	data.Servers, data.MoreServers = servers.Rows, servers.Next != ""
	data.Shares, data.MoreShares = shares.Rows, shares.Next != ""
	return data.page("admin-account", data), nil
}

// accountChange changes the account with an id.
type accountChange func(ctx context.Context, id int64) error

// ownAccount is shown to admins who change their own account here: the page of
// their own account requires the password.
const ownAccount = "This is your own account: change it on your account's page."

// change changes another account than the visitor's.
func (a *adminAccount) change(
	ctx context.Context, v *visit, done string, change accountChange,
) (view, error) {
	id, err := v.pathID()
	if err != nil {
		return view{}, err
	}
	if id == v.account.ID {
		return a.show(ctx, v, sent{problem: say(ownAccount)})
	}
	return adminChanged(ctx, v, accountPath(id), done, a.show, change(ctx, id))
}

// confirmed makes a change require the admin's password.
func (a *adminAccount) confirmed(v *visit, change accountChange) accountChange {
	return func(ctx context.Context, id int64) error {
		if err := confirmPassword(ctx, a.accounts, v); err != nil {
			return err
		}
		return change(ctx, id)
	}
}

// risky makes a change of another account ask first, and take the admin's password
// or passkey.
func (a *adminAccount) risky(
	ask func(ctx context.Context, of account.Account) (question, error), change handler,
) handler {
	careful := a.caution.before(risk{func(ctx context.Context, v *visit) (question, error) {
		id, err := v.pathID()
		if err != nil {
			return question{}, err
		}
		of, err := a.accounts.Get(ctx, id)
		if err != nil {
			return question{}, err
		}
		q, err := ask(ctx, of)
		q.Back, q.Others = accountPath(id), true
		return q, err
	}, change})
	return func(ctx context.Context, v *visit) (view, error) {
		if v.PathValue("id") == decimal(v.account.ID) {
			return a.show(ctx, v, sent{problem: say(ownAccount)})
		}
		return careful(ctx, v)
	}
}

// signedIn says what is signed in with an account.
func (a *adminAccount) signedIn(ctx context.Context, of account.Account) ([]phrase, error) {
	tokens, err := a.tokens.CountSelected(ctx, token.Selection{AccountID: of.ID})
	if err != nil {
		return nil, err
	}
	browsers, err := a.sessions.CountOf(ctx, of.ID)
	return []phrase{
		say("%s of programs and devices", countOf(tokens, "token", "tokens")), countOf(browsers, "browser", "browsers"),
	}, err
}

func (a *adminAccount) askSignOut(ctx context.Context, of account.Account) (question, error) {
	ends, err := a.signedIn(ctx, of)
	return question{
		Title: say("Sign out everything of %s?", of.Username), Ends: ends, Button: say("Sign out everything"),
	}, err
}

func (a *adminAccount) askDisable(ctx context.Context, of account.Account) (question, error) {
	ends, err := a.signedIn(ctx, of)
	return question{
		Title: say("Disable %s?", of.Username), Ends: ends, Button: say("Disable %s", of.Username),
		Later: say("Nobody can sign in with a disabled account, and nothing that is signed in with it works. " +
			"It can be enabled again, and then everything works as before."),
	}, err
}

func (a *adminAccount) askFactor(_ context.Context, of account.Account) (question, error) {
	return question{
		Title: say("Turn off the second factor of %s?", of.Username),
		Ends: []phrase{
			say("1 authenticator app and %s work no longer.", countOf(of.BackupCodes, "backup code", "backup codes")),
			say("%s then signs in with the password alone. Make sure that the request is from them.", of.Username),
		},
		Button: say("Turn their second factor off"),
	}, nil
}

func (a *adminAccount) askPasskey(_ context.Context, of account.Account) (question, error) {
	return question{
		Title:  say("Remove a passkey of %s?", of.Username),
		Ends:   []phrase{say("1 passkey does not sign %s in any more.", of.Username)},
		Button: say("Remove this passkey"),
	}, nil
}

// manyShares is how far shares are counted, with countOf: one more than it names.
const manyShares = paging.Counted + 1

func (a *adminAccount) askRemove(ctx context.Context, of account.Account) (question, error) {
	ends, err := a.signedIn(ctx, of)
	if err != nil {
		return question{}, err
	}
	shares, err := a.sources.SharesWith(ctx, of.ID, paging.Request{Limit: manyShares})
	if err != nil {
		return question{}, err
	}
	servers, err := a.sources.Owned(ctx, of.ID, paging.Request{Limit: manyShares})
	ends = append(ends, countOf(len(shares.Rows), "share", "shares"))
	if n := len(servers.Rows); n > 0 {
		ends = append(ends, countOf(n, "server goes to the admins", "servers go to the admins"))
	}
	return question{
		Title: say("Remove %s for good?", of.Username), Ends: ends, Button: say("Remove %s", of.Username),
	}, err
}

func (a *adminAccount) disable(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "disabled", func(ctx context.Context, id int64) error {
		return a.accounts.Disable(ctx, v.actor(), id)
	})
}

func (a *adminAccount) enable(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "enabled", func(ctx context.Context, id int64) error {
		return a.accounts.Enable(ctx, v.actor(), id)
	})
}

// setEmail sets and confirms the e-mail address, with which people sign in and by
// which programs may know them.
func (a *adminAccount) setEmail(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "email", a.confirmed(v, func(ctx context.Context, id int64) error {
		return a.accounts.SetEmail(ctx, v.actor(), id, v.PostFormValue("email"))
	}))
}

// rename gives the account another name, with which people sign in.
func (a *adminAccount) rename(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "renamed", a.confirmed(v, func(ctx context.Context, id int64) error {
		return a.accounts.Rename(ctx, v.actor(), id, v.PostFormValue("username"))
	}))
}

func (a *adminAccount) askPromote(_ context.Context, of account.Account) (question, error) {
	return question{
		Title: say("Make %s an admin?", of.Username), Button: say("Make them an admin"),
		Ends:  []phrase{say("An admin owns this server, sees these pages, and can change every other account.")},
		Later: say("It can be undone: an admin can be made a member again."),
	}, nil
}

func (a *adminAccount) promote(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "promoted", func(ctx context.Context, id int64) error {
		return a.accounts.Promote(ctx, v.actor(), id)
	})
}

func (a *adminAccount) askDemote(_ context.Context, of account.Account) (question, error) {
	return question{
		Title: say("Make %s a member?", of.Username), Button: say("Make them a member"),
		Ends:  []phrase{say("%s loses these pages, and the tokens for servers that only admins reach.", of.Username)},
		Later: say("It can be undone: a member can be made an admin again."),
	}, nil
}

func (a *adminAccount) demote(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "demoted", func(ctx context.Context, id int64) error {
		return a.accounts.Demote(ctx, v.actor(), id, a.sources)
	})
}

func (a *adminAccount) askRules(_ context.Context, of account.Account) (question, error) {
	return question{
		Title: say("Change how %s signs in?", of.Username), Button: say("Change the rules"),
		Later: say("What is signed in stays signed in. It can be changed back here."),
	}, nil
}

// setRules says whether the account takes its password, and a passkey.
func (a *adminAccount) setRules(ctx context.Context, v *visit) (view, error) {
	off, required := v.PostFormValue("password-off") != "", v.PostFormValue("passkey-required") != ""
	return a.change(ctx, v, "rules", func(ctx context.Context, id int64) error {
		return a.accounts.SetRules(ctx, v.actor(), id, &off, &required, a.passkeys)
	})
}

// confirmEmail confirms the e-mail address that the admin was shown.
func (a *adminAccount) confirmEmail(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "confirm", a.confirmed(v, func(ctx context.Context, id int64) error {
		return a.accounts.ConfirmEmail(ctx, v.actor(), id, v.PostFormValue("email"))
	}))
}

// setPassword sets a new password. It revokes the account's tokens and sessions
// if the admin checks "others".
func (a *adminAccount) setPassword(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "password", a.confirmed(v, func(ctx context.Context, id int64) error {
		err := a.accounts.SetPassword(ctx, v.actor(), id, plexauth.Secret(v.PostFormValue("new")))
		if err == nil && v.PostFormValue("others") != "" {
			err = a.sessions.RevokeOthers(ctx, v.actor(), id, 0)
		}
		return err
	}))
}

// factorLinkData is the page that shows an admin's link.
type factorLinkData struct {
	handed
	Account account.Account
}

// linkFactor makes a link by which the account's owner sets up a second factor, and
// shows it once. The admin never sees the key.
func (a *adminAccount) linkFactor(ctx context.Context, v *visit) (view, error) {
	var data factorLinkData
	answer, err := a.change(ctx, v, "", a.confirmed(v, func(ctx context.Context, id int64) error {
		secret, expires, err := a.accounts.NewLink(ctx, v.actor(), id)
		if err != nil {
			return err
		}
		if data.handed, err = newHanded(a.handover.base(v)+FactorLink(secret), expires, accountPath(id)); err != nil {
			return err
		}
		data.Account, err = a.accounts.Get(ctx, id)
		return err
	}))
	if err != nil || data.Link == "" {
		return answer, err
	}
	return view{name: "factor-link", data: data}, nil
}

func (a *adminAccount) removeFactor(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "factor", func(ctx context.Context, id int64) error {
		return a.accounts.RemoveSecondFactor(ctx, v.actor(), id)
	})
}

func (a *adminAccount) removePasskey(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "passkey", func(ctx context.Context, id int64) error {
		return a.passkeys.Remove(ctx, v.actor(), id, number(v.PathValue("passkey")))
	})
}

// signOut revokes all tokens and sessions of the account.
func (a *adminAccount) signOut(ctx context.Context, v *visit) (view, error) {
	return a.change(ctx, v, "others", func(ctx context.Context, id int64) error {
		return a.sessions.RevokeOthers(ctx, v.actor(), id, 0)
	})
}

func (a *adminAccount) remove(ctx context.Context, v *visit) (view, error) {
	answer, err := a.change(ctx, v, "removed", func(ctx context.Context, id int64) error {
		return a.accounts.Remove(ctx, v.actor(), id)
	})
	if answer.to != "" {
		answer.to = done(accountsPath, "removed")
	}
	return answer, err
}
