package web

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/plexauth"
)

// post sends e-mails, in the language of the person who asks for them.
type post struct {
	sender *mail.Sender // nil: usher sends none
	log    *slog.Logger
}

// on reports whether usher sends e-mails.
func (p post) on() bool { return p.sender != nil }

// letter is an e-mail before it has a language.
type letter struct {
	to, subject phrase
	text        []phrase
}

func (l letter) in(lang *language) mail.Message {
	var paragraphs []string
	for _, p := range l.text {
		paragraphs = append(paragraphs, p.in(lang))
	}
	return mail.Message{To: l.to.in(lang), Subject: l.subject.in(lang), Text: strings.Join(paragraphs, "\n\n") + "\n"}
}

// send sends a letter to an address, if there is one and usher sends e-mails, and
// returns the address that it is on its way to. It is in the visitor's hands, too: that
// it cannot be sent is no error of the page.
func (p post) send(v *visit, address string, subject phrase, text ...phrase) (to string) {
	if !p.on() || address == "" {
		return ""
	}
	if err := p.sender.Send(letter{say("%s", address), subject, text}.in(v.language())); err != nil {
		p.log.Warn("an e-mail is not sent", "error", err)
		return ""
	}
	return address
}

// linkText is a secret address as a paragraph.
func linkText(address plexauth.Secret) phrase { return say("%s", string(address)) }

const forgotPath = "/forgot"

// forgot is the page of somebody who has lost the password, and gets a link by e-mail.
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
// or the time that it takes, tells which accounts exist. So everything that depends on
// the account is done later, by the person who sends the e-mails.
func (f *forgot) submit(_ context.Context, v *visit) (view, error) {
	if !f.post.on() {
		return view{}, errNoPage
	}
	login, by, lang, base := v.PostFormValue("login"), v.actor(), v.language(), f.handover.base(v)
	err := f.accounts.AskForReset(by)
	if form, ok := rejected(v, err); ok {
		return view{name: "forgot", status: 429, data: forgotData{sent: form}}, nil
	}
	if err == nil {
		err = f.post.sender.Do(func(ctx context.Context) (mail.Message, bool, error) {
			a, secret, err := f.accounts.ResetByEmail(ctx, by, login)
			if errors.Is(err, account.ErrNotFound) || fault.KindOf(err) == fault.Limited {
				return mail.Message{}, false, nil
			}
			return resetLetter(a, base+ResetPath(secret)).in(lang), true, err
		})
	}
	return view{to: forgotPath + "?done=1"}, err
}

// resetLetter is the e-mail with a reset link.
func resetLetter(a account.Account, address plexauth.Secret) letter {
	return letter{
		to: say("%s", a.Email), subject: say("Your way back to usher"),
		text: []phrase{
			say("Hello %s,", a.Username),
			say("with this link you set a new password. It works once, for an hour:"), linkText(address),
			say("If you did not ask for it, ignore it: nothing has changed."),
		},
	}
}
