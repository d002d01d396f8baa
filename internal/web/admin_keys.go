package web

import (
	"context"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

// adminKeys lists, makes and revokes the keys of the admin API.
type adminKeys struct {
	keys     *adminkey.Service
	accounts *account.Service
	caution  caution
	now      func() time.Time
}

const keysPath = "/admin/keys"

func (a *adminKeys) pages() []page {
	return []page{
		{"GET", keysPath, admin, section(a.show).asHandler},
		{"POST", keysPath, admin, a.add},
		{"POST", keysPath + "/{id}/revoke", admin, a.caution.before(risk{a.ask, a.revoke})},
	}
}

// keyRow is a key on the page.
type keyRow struct {
	adminkey.Stored
	Good bool // it counts now
}

type keysData struct {
	notice
	Keys    []keyRow
	Besides neighbours
	Scopes  []adminkey.Meaning
	// Chosen are the scopes that the form had.
	Chosen map[adminkey.Scope]bool
	// MadeKey is the name of the key that was just created, or empty, and Secret is its
	// secret.
	MadeKey string
	Secret  plexauth.Secret
}

func (a *adminKeys) show(ctx context.Context, v *visit, s sent) (view, error) {
	return a.page(ctx, v, keysData{notice: newNotice(v, s)})
}

func (a *adminKeys) page(ctx context.Context, v *visit, data keysData) (view, error) {
	list, err := a.keys.List(ctx, wantedPage(v, "", besideRows))
	for _, k := range list.Rows {
		data.Keys = append(data.Keys, keyRow{k, k.Valid(a.now())})
	}
	data.Besides = besides(v, keysPath, "", "keys", list)
	data.Scopes, data.Chosen = adminkey.Scopes(), make(map[adminkey.Scope]bool)
	for _, name := range data.values["scope"] {
		data.Chosen[adminkey.Scope(name)] = true
	}
	return data.notice.page("admin-keys", data), err
}

// add makes a key, if the admin confirms it by password, and shows it: this once.
func (a *adminKeys) add(ctx context.Context, v *visit) (view, error) {
	expires, err := a.expiry(v.PostFormValue("expires"))
	n := adminkey.NewKey{Name: formText(v, "name"), Scopes: v.PostForm["scope"], Expires: expires, MakerID: v.account.ID}
	err = fault.Join(a.keys.Check(n), err, confirmPassword(ctx, a.accounts, v))
	var secret plexauth.Secret
	var made adminkey.Key
	if err == nil {
		secret, made, err = a.keys.Make(ctx, v.actor(), n)
	}
	if form, ok := rejected(v, err); ok {
		return a.show(ctx, v, form)
	}
	if err != nil {
		return view{}, err
	}
	return a.page(ctx, v, keysData{MadeKey: made.Name, Secret: secret})
}

// expiry is the end of a day, in the time zone of the server, like every time here.
func (a *adminKeys) expiry(text string) (time.Time, error) {
	if strings.TrimSpace(text) == "" {
		return time.Time{}, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, strings.TrimSpace(text), a.now().Location())
	if err != nil {
		return time.Time{}, fault.Invalidf("expires", "this is not a date, such as 2027-01-31")
	}
	return day.AddDate(0, 0, 1), nil
}

func (a *adminKeys) ask(ctx context.Context, v *visit) (question, error) {
	id, err := v.pathID()
	if err != nil {
		return question{}, err
	}
	k, err := a.keys.Get(ctx, id)
	return question{
		Title: say("Revoke the key %s?", k.Name),
		Ends: []phrase{
			say("1 key is revoked. Programs that use it have no access any more."),
			say("Unused invitations and reset links that it has created are revoked, too."),
		},
		Button: say("Revoke the key"), Back: keysPath, Others: k.MakerID != v.account.ID,
	}, err
}

func (a *adminKeys) revoke(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = a.keys.Revoke(ctx, v.actor(), id)
	}
	return adminChanged(ctx, v, keysPath, "key", a.show, err)
}
