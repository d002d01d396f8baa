package web

import (
	"strings"
	"unicode"

	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/plexauth"
)

// NoticeMessage is the e-mail with notices, in the language in which their owner reads
// the pages. It has no secret: its link is that of the page.
func (p *Pages) NoticeMessage(m notify.Mail) mail.Message {
	return noticeLetter(m, p.base+noticesPath).in(allLanguages().named(m.Language))
}

// noticeLetter is the e-mail with some notices.
func noticeLetter(m notify.Mail, address plexauth.Secret) letter {
	subject := say("%d notices about your account", len(m.Notices))
	if len(m.Notices) == 1 {
		subject = whatHappened(m.Notices[0])
	}
	text := []phrase{say("Hello %s,", m.Username), say("this happened to your account:")}
	for _, n := range m.Notices {
		text = append(text, noticeLine(n))
	}
	return letter{
		to: say("%s", m.To), subject: subject,
		text: append(text, say("If it was you, there is nothing to do. If it was not, this page says what to do:"), linkText(address)),
	}
}

// noticeLine is a notice in an e-mail.
func noticeLine(n notify.Notice) phrase {
	line := []phrase{whatHappened(n), exactly(n.At)}
	if who := whoDid(n); who.Any() {
		line = append(line, who)
	}
	if name := tame(n.Device); name != "" {
		line = append(line, say("on %s", quoted(name)))
	}
	if n.Address != "" {
		line = append(line, say("from the address %s", n.Address))
	}
	return commas(line)
}

// commas joins phrases with commas, and ends them with a full stop.
func commas(list []phrase) phrase {
	args := make([]any, len(list))
	for i, p := range list {
		args[i] = p
	}
	return phrase{format: strings.TrimSuffix(strings.Repeat("%s, ", len(list)), ", ") + ".", args: args}
}

// tame converts a device's name to a text in which e-mail programs find no link. Attack: a
// device has the name "Your account is locked: https://attacker.example".
func tame(name string) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_'()", r) {
			return r
		}
		return ' '
	}, name)
	return clamp(strings.Join(strings.Fields(plain), " "))
}
