package account

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"github.com/usher-auth/usher/internal/fault"
)

// maxName is how many characters a username has at most.
const maxName = 64

// usernameKey checks a username and folds it for comparing (RFC 8265,
// UsernameCaseMapped). An @ would make it look like an e-mail address.
func usernameKey(name string) (string, error) {
	key, err := precis.UsernameCaseMapped.CompareKey(name)
	switch {
	case name == "":
		return "", fault.Invalidf(Username, "the username is empty")
	case utf8.RuneCountInString(name) > maxName:
		return "", fault.Invalidf(Username, "the username is longer than %d characters", maxName)
	case err != nil || strings.Contains(key, "@"): // folding makes one of U+FF20
		return "", fault.Invalidf(Username,
			"the username has a space, an @ or a character that is not a letter, digit or sign")
	}
	return key, nil
}

// emailKey checks the form of an e-mail address and folds it for comparing.
func emailKey(email string) (string, error) {
	if email == "" {
		return "", nil
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > 254 || strings.ContainsFunc(email, unicode.IsSpace) {
		return "", fault.Invalidf(Email, "the e-mail address is not of the form name@example.org")
	}
	return strings.ToLower(email), nil
}

// loginKey folds what someone signs in with, a username or an e-mail address. A
// text that cannot be folded matches no account.
func loginKey(login string) string {
	login = strings.TrimSpace(login)
	if strings.Contains(login, "@") {
		return strings.ToLower(login)
	}
	if key, err := precis.UsernameCaseMapped.CompareKey(login); err == nil {
		return key
	}
	return strings.ToLower(login)
}

// limitKey folds what someone signs in with, for the limits of names: however a
// name is written, and whatever follows the @, it is one name.
func limitKey(login string) string {
	name := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(strings.TrimSpace(login))))
	if before, _, found := strings.Cut(name, "@"); found && before != "" {
		return before
	}
	return name
}
