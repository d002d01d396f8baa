package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/signin"
)

// question is what a visitor is asked before a change that cannot be undone.
type question struct {
	// Title asks, and Button does it.
	Title, Button phrase
	// Ends says what the change will end, by count.
	Ends []phrase
	// Later says how to undo it. It is empty if that is impossible.
	Later phrase
	// Back is the path of the page with the form. The visitor returns to the same part of
	// that page.
	Back string
	// Others: the change affects another user, so it requires the
	// visitor's password or a passkey.
	Others bool
}

// risk is a change that cannot be undone.
type risk struct {
	// ask returns the question, or an error if there is nothing to ask about.
	ask func(context.Context, *visit) (question, error)
	// change does it.
	change handler
}

// caution asks before changes that cannot be undone. It works without JavaScript:
// a form that was not confirmed is answered by the question, which sends the same
// form again with "sure".
type caution struct {
	accounts *account.Service
	passkeys *passkey.Service
	site     passkeySite
}

func (c caution) pages() []page {
	return []page{
		{"POST", "/account/confirm/challenge", signedIn, asJSON(c.challenge)},
	}
}

// questionData is the page with the question.
type questionData struct {
	sent
	question
	// Path is where the form is sent, with Fields, as it was the first time.
	Path   string
	Fields []field
	// Passkey: a passkey will do instead of the password.
	Passkey bool
}

// field is a field of a form that is sent again.
type field struct{ Name, Value string }

// secrets are the fields that no page repeats, and "sure" and "back", which it adds.
var secrets = []string{"current", "new", "password", "code", "present", "answer", "sure", "back"}

// own are those of them that authenticate the visitor. The page that asks for a passkey
// repeats the others, so that a new password for another account is not lost.
var own = []string{"current", "code", "present", "answer", "sure", "back"}

// before makes a change ask first.
func (c caution) before(r risk) handler {
	return func(ctx context.Context, v *visit) (view, error) {
		q, err := r.ask(ctx, v)
		if err != nil {
			return view{}, err
		}
		q.Back = v.back(q.Back)
		if v.PostFormValue("sure") == "" {
			return c.show(ctx, v, q, sent{})
		}
		if q.Others {
			err = c.confirm(ctx, v)
			if form, ok := rejected(v, err); ok {
				return c.show(ctx, v, q, form)
			}
		}
		if err != nil {
			return view{}, err
		}
		return r.change(ctx, v)
	}
}

func (c caution) show(ctx context.Context, v *visit, q question, s sent) (view, error) {
	data := questionData{sent: s, question: q, Path: v.URL.Path, Fields: repeated(v.PostForm, secrets)}
	if v.account.ByPasskeyOnly() {
		data.Fields = repeated(v.PostForm, own)
	}
	if party, err := c.site.party(v); err == nil && q.Others {
		if data.Passkey, err = c.passkeys.Has(ctx, party, v.account.ID); err != nil {
			return view{}, err
		}
	}
	answer := view{name: "sure", data: data}
	if !s.problem.empty() {
		answer.status = http.StatusBadRequest
	}
	return answer, nil
}

// repeated returns the fields of a form that are sent again, but for some, in order of
// their names.
func repeated(values url.Values, but []string) (fields []field) {
	for name, list := range values {
		if slices.Contains(but, name) {
			continue
		}
		for _, value := range list {
			fields = append(fields, field{name, value})
		}
	}
	slices.SortStableFunc(fields, func(a, b field) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	return fields
}

// challenge returns what the script needs to ask for a passkey instead of the
// password. It is the one of a sign-in: the passkey's owner must be there, and not
// only the passkey.
func (c caution) challenge(ctx context.Context, v *visit) (view, error) {
	party, err := c.site.party(v)
	if err != nil {
		return view{}, err
	}
	options, err := c.passkeys.BeginSignIn(ctx, party, confirmingBrowser(v), v.address)
	return view{json: json.RawMessage(options)}, err
}

// confirmingBrowser names the browser in which a passkey confirms a change. No
// sign-in has that name.
func confirmingBrowser(v *visit) string { return "confirm " + browserOf(v) }

// confirm verifies the visitor's password or passkey.
func (c caution) confirm(ctx context.Context, v *visit) error {
	if v.PostFormValue("answer") == "" {
		return confirmPassword(ctx, c.accounts, v)
	}
	return c.confirmByPasskey(ctx, v)
}

// confirmByPasskey verifies the visitor's passkey. errByPasskey.
func (c caution) confirmByPasskey(ctx context.Context, v *visit) error {
	proof, err := c.byPasskey(ctx, v)
	if err != nil {
		return err
	}
	return confirmed(c.accounts.Confirm(ctx, v.actor(), proof))
}

// errByPasskey says that the form has no answer of a passkey, and its sender confirms
// changes in no other way. The frame answers it with a page that asks for one and
// sends the form again.
var errByPasskey = errors.New("this takes a passkey")

// errAnswer is errByPasskey for our own scripts.
var errAnswer = fault.New(fault.Unauthenticated, "this requires a passkey of your account")

// ask answers a form that lacks the answer of a passkey.
func (c caution) ask(ctx context.Context, v *visit) (view, error) {
	return c.show(ctx, v, question{
		Title: say("Confirm it with your passkey"), Button: say("Continue"), Back: ownPath, Others: true,
		Later: say("You sign in with passkeys only. Nothing has changed yet."),
	}, sent{})
}

// byPasskey verifies a passkey's answer in the form. Attack: the passkey of another
// account. errByPasskey.
func (c caution) byPasskey(ctx context.Context, v *visit) (signin.Proof, error) {
	answer := []byte(v.PostFormValue("answer"))
	if len(answer) == 0 {
		return signin.Proof{}, errByPasskey
	}
	party, err := c.site.party(v)
	if err != nil {
		return signin.Proof{}, err
	}
	verified, err := c.passkeys.FinishSignIn(ctx, v.actor(), party, confirmingBrowser(v), answer)
	if err == nil && verified.Account.ID != v.account.ID {
		err = passkey.ErrRejected
	}
	return verified.Proof, err
}
