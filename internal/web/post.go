package web

import (
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/plexauth"
)

// post sends e-mails, in the language of the requesting user.
type post struct {
	sender *mail.Sender // nil: usher sends none
}

// on reports whether usher sends e-mails.
func (p post) on() bool { return p.sender != nil }

// resetLetter writes the e-mails with reset links. nil: usher sends none.
func (p post) resetLetter(lang *language, base plexauth.Secret) account.ResetLetter {
	if !p.on() {
		return nil
	}
	return func(made account.MadeReset) mail.Message { return resetLetter(made, base).in(lang) }
}

// letter is an e-mail before it has a language.
type letter struct {
	to, subject phrase
	text        []phrase
	until       time.Time // see mail.Message
}

func (l letter) in(lang *language) mail.Message {
	var paragraphs []string
	for _, p := range l.text {
		paragraphs = append(paragraphs, p.in(lang))
	}
	return mail.Message{To: l.to.in(lang), Subject: l.subject.in(lang), Text: strings.Join(paragraphs, "\n\n") + "\n", Until: l.until}
}

// linkText is a secret address as a paragraph.
func linkText(address plexauth.Secret) phrase { return say("%s", string(address)) }

// resetLetter is the e-mail with a reset link, which begins with base.
func resetLetter(made account.MadeReset, base plexauth.Secret) letter {
	return letter{
		to: say("%s", made.Account.Email), subject: say("Your way back to usher"),
		text: []phrase{
			say("Hello %s,", made.Account.Username),
			say("with this link you set a new password. It works once, until %s:", exactly(made.ExpiresAt)),
			linkText(base + ResetPath(made.Secret)),
			say("If you did not ask for it, ignore it: nothing has changed."),
		},
		until: made.ExpiresAt,
	}
}

// invitationLetter is the e-mail with the link of an invitation. inviter is the name of
// who invites, and server what the server is called; either may be empty.
func invitationLetter(i invite.Invitation, inviter, server string, link plexauth.Secret) letter {
	l := letter{
		to: say("%s", i.Email), subject: say("An invitation"),
		text: []phrase{
			say("%s invites you. With this link you create your own account. It works once:", inviter), linkText(link),
		},
		until: i.ExpiresAt,
	}
	if server != "" {
		l.subject = say("An invitation to %s", server)
	}
	if inviter == "" {
		l.text[0] = say("You are invited. With this link you create your own account. It works once:")
	}
	return l
}

// Letters writes the e-mails that commands and programs send, in English.
type Letters struct {
	// Base is what their links begin with, and Server what the server is called;
	// empty: it has no name of its own.
	Base   plexauth.Secret
	Server string
}

// Invitation is the e-mail with an invitation.
func (l Letters) Invitation(i invite.Invitation, secret plexauth.Secret) mail.Message {
	return invitationLetter(i, i.Maker, l.Server, l.Base+InvitationLink(secret)).in(english)
}

// Reset is the e-mail with a reset link.
func (l Letters) Reset(made account.MadeReset) mail.Message {
	return resetLetter(made, l.Base).in(english)
}
