package web

import (
	"context"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

// accountsData is the page of all accounts.
type accountsData struct {
	notice
	Accounts []store.Account
	Self     int64 // who looks
}

func (p *Pages) adminAccounts(ctx context.Context, v *visit) (view, error) {
	return p.showAccounts(ctx, v, "")
}

func (p *Pages) showAccounts(ctx context.Context, v *visit, problem string) (view, error) {
	data := accountsData{notice: newNotice(v, problem), Self: v.account.ID}
	var err error
	data.Accounts, err = p.Accounts.List(ctx)
	return data.shown("admin-accounts", data), err
}

// addAccount makes an account. Like everything that decides who signs in as
// whom, it takes the admin's password: an open browser is not enough.
func (p *Pages) addAccount(ctx context.Context, v *visit) (view, error) {
	err := confirmPassword(ctx, p.Accounts, v)
	var added store.Account
	if err == nil {
		added, err = p.Accounts.Add(ctx, account.NewAccount{
			Username: v.PostFormValue("username"), Email: v.PostFormValue("email"),
			Password: plexauth.Secret(v.PostFormValue("password")), Admin: v.PostFormValue("admin") != "",
		})
	}
	return adminChanged(ctx, v, personPath(added.ID), "added", p.showAccounts, err)
}

// personData is the page of one account.
type personData struct {
	notice
	Person store.Account
	Self   bool // it is whose page this is
	Tokens []store.TokenInfo
	// Passkeys sign it in whatever its password is.
	Passkeys []passkey.Passkey
	Servers  []store.Source // that it owns by itself
	Shares   []store.Share
}

func personPath(id int64) string { return "/admin/accounts/" + decimal(id) }

func (p *Pages) adminPerson(ctx context.Context, v *visit) (view, error) {
	return p.showPerson(ctx, v, "")
}

func (p *Pages) showPerson(ctx context.Context, v *visit, problem string) (view, error) {
	id, err := v.pathID()
	if err != nil {
		return view{}, err
	}
	data := personData{notice: newNotice(v, problem), Self: id == v.account.ID}
	if data.Person, err = p.Store.Account(ctx, id); err != nil {
		return view{}, err
	}
	if data.Tokens, err = p.Store.Tokens(ctx, id); err != nil {
		return view{}, err
	}
	if data.Passkeys, err = p.Passkeys.List(ctx, id); err != nil {
		return view{}, err
	}
	servers, err := p.Sources.List(ctx, store.ServerSource)
	if err != nil {
		return view{}, err
	}
	shares, err := p.Sources.Shares(ctx)
	if err != nil {
		return view{}, err
	}
	data.Servers = only(servers, func(s store.Source) bool { return s.OwnerID == id })
	data.Shares = only(shares, func(s store.Share) bool { return s.AccountID == id })
	return data.shown("admin-person", data), nil
}

// only is those of a list that a condition holds for.
func only[T any](list []T, holds func(T) bool) (some []T) {
	for _, x := range list {
		if holds(x) {
			some = append(some, x)
		}
	}
	return some
}

// changePerson makes a change to somebody else's account. sure: it takes the
// admin's password.
func (p *Pages) changePerson(
	ctx context.Context, v *visit, sure bool, done string, change func(ctx context.Context, id int64) error,
) (view, error) {
	id, err := v.pathID()
	if err != nil {
		return view{}, err
	}
	if id == v.account.ID {
		return p.showPerson(ctx, v, sentence(errSelf.Error()))
	}
	if sure {
		err = confirmPassword(ctx, p.Accounts, v)
	}
	if err == nil {
		err = change(ctx, id)
	}
	return adminChanged(ctx, v, personPath(id), done, p.showPerson, err)
}

func (p *Pages) disablePerson(ctx context.Context, v *visit) (view, error) {
	return p.changePerson(ctx, v, false, "disabled", func(ctx context.Context, id int64) error {
		return p.Accounts.SetDisabled(ctx, id, true)
	})
}

func (p *Pages) enablePerson(ctx context.Context, v *visit) (view, error) {
	return p.changePerson(ctx, v, false, "enabled", func(ctx context.Context, id int64) error {
		return p.Accounts.SetDisabled(ctx, id, false)
	})
}

// setPersonPassword gives somebody another password, and ends what was signed
// in with the one before, unless the admin wants it to stay.
func (p *Pages) setPersonPassword(ctx context.Context, v *visit) (view, error) {
	return p.changePerson(ctx, v, true, "password", func(ctx context.Context, id int64) error {
		err := p.Accounts.SetPassword(ctx, id, plexauth.Secret(v.PostFormValue("new")))
		if err == nil && v.PostFormValue("others") != "" {
			err = p.Store.EndOthers(ctx, id, 0)
		}
		return err
	})
}

// personFactor is a person's second factor, as an admin sets it up with them.
func (p *Pages) personFactor(ctx context.Context, v *visit) (factorOf, error) {
	id, err := v.pathID()
	if err != nil {
		return factorOf{}, err
	}
	person, err := p.Store.Account(ctx, id)
	return factorOf{person, id == v.account.ID, personPath(id) + "/second-factor", personPath(id)}, err
}

func (p *Pages) personFactorForm(ctx context.Context, v *visit) (view, error) {
	of, err := p.personFactor(ctx, v)
	if err != nil {
		return view{}, err
	}
	return factorForms{p.Accounts}.show(of)
}

func (p *Pages) enrolPerson(ctx context.Context, v *visit) (view, error) {
	of, err := p.personFactor(ctx, v)
	if err != nil {
		return view{}, err
	}
	return factorForms{p.Accounts}.submit(ctx, v, of)
}

func (p *Pages) removePersonFactor(ctx context.Context, v *visit) (view, error) {
	return p.changePerson(ctx, v, true, "factor", p.Accounts.RemoveSecondFactor)
}

func (p *Pages) removePersonPasskey(ctx context.Context, v *visit) (view, error) {
	return p.changePerson(ctx, v, true, "passkey", func(ctx context.Context, id int64) error {
		return p.Passkeys.Remove(ctx, id, number(v.PathValue("passkey")))
	})
}

// signOutPerson ends everything that is signed in with an account.
func (p *Pages) signOutPerson(ctx context.Context, v *visit) (view, error) {
	return p.changePerson(ctx, v, false, "others", func(ctx context.Context, id int64) error {
		return p.Store.EndOthers(ctx, id, 0)
	})
}

func (p *Pages) removePerson(ctx context.Context, v *visit) (view, error) {
	answer, err := p.changePerson(ctx, v, true, "removed", p.Accounts.Remove)
	if answer.to != "" {
		answer.to = "/admin/accounts?done=removed"
	}
	return answer, err
}
