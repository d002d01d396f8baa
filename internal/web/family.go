package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// family shows visitors their home. Its owner and admins add managed users, set
// their PINs and remove them; everybody sets their own PIN.
type family struct {
	homes    *home.Service
	accounts *account.Service
	tokens   *token.Service
	caution  caution
}

const familyPath = "/account/family"

func (f *family) pages() []page {
	return []page{
		{"GET", "/account/family", signedIn, f.show},
		{"POST", "/account/family", signedIn, f.add},
		{"POST", "/account/family/guest", signedIn, f.addGuest},
		{"POST", "/account/family/pin", signedIn, f.setOwnPIN},
		{"POST", "/account/family/leave", signedIn, f.caution.before(risk{f.askLeave, f.leave})},
		{"POST", "/account/family/{id}", signedIn, f.change},
		{"POST", "/account/family/{id}/pin", signedIn, f.setPIN},
		{"POST", "/account/family/{id}/remove", signedIn, f.caution.before(risk{f.askRemove, f.remove})},
	}
}

// familyData is the page of a home.
type familyData struct {
	home.Home
	HasGuest bool
	Full     bool
	notice
}

// restrictionNames are the restrictions as people read them.
var restrictionNames = map[string]string{
	"": "None", "little_kid": "Little kid", "older_kid": "Older kid", "teen": "Teen",
}

// restrictionChoice is the field of a restriction in a form.
type restrictionChoice struct {
	Form form
	Now  string
	All  []string
}

// newRestrictionChoice returns the field of a form, with what was chosen or, if the
// form was not sent, the restriction that there is now.
func newRestrictionChoice(f form, now string) restrictionChoice {
	return restrictionChoice{f, f.Value("restriction", now), home.Restrictions}
}

// familyTexts are the confirmations of a change, by the "done" in the address.
var familyTexts = map[string]string{
	"added": "Added.", "changed": "Saved.", "pin": "The PIN is set.", "pin-removed": "The PIN is removed.",
	"removed": "Removed.", "left": "You have left the home.",
}

func (f *family) show(ctx context.Context, v *visit) (view, error) {
	return f.page(ctx, v, notice{Done: familyTexts[v.URL.Query().Get("done")]}, 0)
}

func (f *family) page(ctx context.Context, v *visit, n notice, status int) (view, error) {
	house, err := f.homes.Of(ctx, v.account.ID)
	_, guest := house.Guest()
	return view{name: "family", status: status, data: familyData{house, guest, len(house.Users) >= home.MaxSize, n}}, err
}

// changed answers a form of the page: with a redirect to the page and the
// confirmation, or with the page and what is wrong with the form.
func (f *family) changed(ctx context.Context, v *visit, confirmation string, err error) (view, error) {
	form, ok := rejected(v, err)
	if !ok {
		return view{to: done(familyPath, confirmation)}, err
	}
	return f.page(ctx, v, notice{sent: form}, http.StatusBadRequest)
}

func (f *family) add(ctx context.Context, v *visit) (view, error) {
	_, err := f.homes.AddManaged(ctx, v.actor(), v.account.ID, v.PostFormValue("name"), v.PostFormValue("restriction"))
	return f.changed(ctx, v, "added", err)
}

func (f *family) addGuest(ctx context.Context, v *visit) (view, error) {
	_, err := f.homes.AddGuest(ctx, v.actor(), v.account.ID)
	return f.changed(ctx, v, "added", err)
}

// setOwnPIN sets the visitor's PIN. It takes the password: on a shared screen, an
// open browser is not enough. So it takes no PIN before, and forgets wrong ones.
func (f *family) setOwnPIN(ctx context.Context, v *visit) (view, error) {
	err := confirmPassword(ctx, f.accounts, v)
	if err == nil {
		err = f.homes.ResetPIN(ctx, v.actor(), v.account.ID, pinOf(v))
	}
	return f.changed(ctx, v, pinDone(v), err)
}

// pinOf is the PIN of a form; empty to remove it.
func pinOf(v *visit) plexauth.Secret {
	if v.PostFormValue("remove") != "" {
		return ""
	}
	if pin := codeOf(v, "pin"); pin != "" {
		return pin
	}
	return "?" // no PIN: an empty field removes nothing
}

func pinDone(v *visit) string {
	if v.PostFormValue("remove") != "" {
		return "pin-removed"
	}
	return "pin"
}

// change changes the name and the restriction of a managed user.
func (f *family) change(ctx context.Context, v *visit) (view, error) {
	id, err := f.managed(v)
	if err == nil {
		err = f.homes.Rename(ctx, v.actor(), v.account.ID, id, v.PostFormValue("name"))
	}
	if err == nil {
		err = f.homes.Restrict(ctx, v.actor(), v.account.ID, id, v.PostFormValue("restriction"))
	}
	return f.changed(ctx, v, "changed", err)
}

// managed is the user in the page's path.
func (f *family) managed(v *visit) (string, error) {
	id, err := v.pathID()
	return strconv.FormatInt(id, 10), err
}

// setPIN sets the PIN of a managed user. Attack: a child at the owner's open browser
// removes a PIN.
func (f *family) setPIN(ctx context.Context, v *visit) (view, error) {
	id, err := f.managed(v)
	if err == nil {
		err = confirmPassword(ctx, f.accounts, v)
	}
	if err == nil {
		err = f.homes.SetManagedPIN(ctx, v.actor(), v.account.ID, id, pinOf(v))
	}
	return f.changed(ctx, v, pinDone(v), err)
}

// askRemove asks about a managed user, whose account ends with it.
func (f *family) askRemove(ctx context.Context, v *visit) (question, error) {
	id, err := v.pathID()
	if err != nil {
		return question{}, err
	}
	house, err := f.homes.Of(ctx, v.account.ID)
	if err != nil {
		return question{}, err
	}
	u, err := house.Find(decimal(id))
	switch {
	case err != nil:
		return question{}, err
	case !house.Self.Admin() || !u.Managed():
		return question{}, home.ErrNotAdmin
	}
	tokens, err := f.tokens.CountSelected(ctx, token.Selection{AccountID: id})
	return question{
		Title: say("Remove %s from your home?", u.Account.Title),
		Ends: []phrase{
			say("1 user disappears, with everything that programs keep for them."),
			say("%s of the devices that are linked for them", countOf(tokens, "token", "tokens")),
		},
		Button: say("Remove %s", u.Account.Title), Back: familyPath, Others: true,
	}, err
}

// remove takes a user out of the home.
func (f *family) remove(ctx context.Context, v *visit) (view, error) {
	id, err := f.managed(v)
	if err == nil {
		err = f.homes.Remove(ctx, v.actor(), v.account.ID, id)
	}
	return f.changed(ctx, v, "removed", err)
}

// askLeave asks for confirmation before the visitor leaves the home: they cannot join again
// on their own.
func (f *family) askLeave(ctx context.Context, v *visit) (question, error) {
	house, err := f.homes.Of(ctx, v.account.ID)
	switch {
	case err != nil:
		return question{}, err
	case house.Self.Role == home.Owner:
		return question{}, home.ErrOwner
	}
	return question{
		Title: say("Leave this home?"),
		Ends: []phrase{
			say("You keep your account. Nobody in the home can switch to you any more, and your devices cannot switch to others."),
		},
		Button: say("Leave this home"), Back: familyPath,
	}, nil
}

func (f *family) leave(ctx context.Context, v *visit) (view, error) {
	err := f.homes.Remove(ctx, v.actor(), v.account.ID, v.account.UUID)
	return f.changed(ctx, v, "left", err)
}
