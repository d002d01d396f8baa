package web

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/plexauth"
)

const forgotPath = "/forgot"

// forgot is the page for users who have lost the password, and request a link by e-mail.
type forgot struct {
	accounts *account.Service
	post     post
	handover handover
}

func (f *forgot) pages() []page {
	return []page{
		{"GET", forgotPath, anyone, f.form},
		{"POST", forgotPath, anyone, f.submit},
	}
}

// forgotData is the form.
type forgotData struct {
	sent
	Done bool // it was sent
}

func (f *forgot) form(_ context.Context, v *visit) (view, error) {
	if !f.post.on() {
		return view{}, errNoPage
	}
	return view{name: "forgot", data: forgotData{Done: v.URL.Query().Has("done")}}, nil
}

// submit sends a link to the confirmed e-mail address of an account. Attack: the answer,
// or the time that it takes, tells which accounts exist. So it only queues a task, which
// is the same for every name: what depends on the account is done later, when e-mails
// are sent.
func (f *forgot) submit(ctx context.Context, v *visit) (view, error) {
	if !f.post.on() {
		return view{}, errNoPage
	}
	q := asked{Login: v.PostFormValue("login"), By: v.actor(), Language: v.language().tag, Base: string(f.handover.base(v))}
	err := f.accounts.AskForReset(q.By)
	if form, ok := rejected(v, err); ok {
		return view{name: "forgot", status: 429, data: forgotData{sent: form}}, nil
	}
	if len(q.Login) > maxLogin {
		q.Login = "" // nobody's
	}
	what, failed := json.Marshal(q)
	if err = errors.Join(err, failed); err == nil {
		err = f.post.sender.Outbox().AddTask(ctx, forgotTask, what)
	}
	return view{to: forgotPath + "?done=1"}, err
}

// forgotTask is the task of handling a request for a link.
const forgotTask = "reset link"

// maxLogin is the maximum length of what may be a name.
const maxLogin = 1000

// asked is what somebody has asked for. It is sealed while it waits.
type asked struct {
	Login    string
	By       audit.Actor
	Language string
	Base     string // what the link begins with
}

// answer sends the requested link. The request does not reveal whether there
// is such an account, nor whether too many links were sent to it.
func (f *forgot) answer(ctx context.Context, what []byte, turn *mail.Turn) error {
	var q asked
	if err := json.Unmarshal(what, &q); err != nil {
		return errors.New("reading the request for a link") // the error of json may repeat the text
	}
	letter := f.post.resetLetter(allLanguages().named(q.Language), plexauth.Secret(q.Base))
	err := f.accounts.ResetByEmail(ctx, q.By, q.Login, letter, turn)
	if errors.Is(err, account.ErrNotFound) || fault.KindOf(err) == fault.Limited {
		return nil
	}
	return err
}
