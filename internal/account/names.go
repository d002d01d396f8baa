package account

import (
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/glyph"
)

// maxName is the maximum length of a username, in characters.
const maxName = 64

// checkUsername validates a new username of an account, and folds it. Accounts keep
// names that were accepted before a rule existed.
func checkUsername(name string) (key string, err error) {
	if key, err = usernameKey(name); err != nil {
		return "", err
	}
	if glyph.HasInvisible(name) {
		return "", fault.Invalidf(Username, "the username has an invisible character")
	}
	if glyph.MixesScripts(key) {
		return "", fault.Invalidf(Username, "the username mixes letters or digits of different scripts, which look like others")
	}
	return key, nil
}

// usernameKey checks the form of a username and folds it for comparing (RFC 8265,
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

// checkEmail validates a new e-mail address of an account, and folds it.
func checkEmail(email string) (key string, err error) {
	if key, err = emailKey(email); err != nil || key == "" {
		return key, err
	}
	if glyph.HasInvisible(email) {
		return "", fault.Invalidf(Email, "the e-mail address has an invisible character")
	}
	local, domain := splitEmail(email)
	shown, err := idna.Lookup.ToUnicode(domain)
	switch {
	case isPlainASCII(domain):
		shown = domain
	case err != nil:
		return "", fault.Invalidf(Email, "the e-mail address has a domain that cannot exist")
	}
	// A character that is mapped to another one, such as the ideographic full stop to a
	// dot, only looks like it.
	mapped := !isPunycode(domain) && shown != strings.ToLower(domain) && !isPlainASCII(domain)
	if mapped || !norm.NFKC.IsNormalString(email) {
		return "", fault.Invalidf(Email, "the e-mail address has a character that looks like another one, such as a fullwidth letter")
	}
	for part := range strings.SplitSeq(local+"."+shown, ".") {
		if glyph.MixesScripts(part) {
			return "", fault.Invalidf(Email, "the e-mail address mixes letters or digits of different scripts, which look like others")
		}
	}
	return key, nil
}

// isPlainASCII reports whether a domain contains neither non-ASCII nor Punycode labels.
func isPlainASCII(domain string) bool {
	return !strings.ContainsFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }) && !isPunycode(domain)
}

func isPunycode(domain string) bool { return strings.Contains(strings.ToLower(domain), "xn--") }

func splitEmail(email string) (local, domain string) {
	at := strings.LastIndexByte(email, '@')
	return email[:max(at, 0)], email[at+1:]
}

// skeletons returns the skeletons of the names of an account. For a domain, they are
// those of the form that mail programs display.
func skeletons(a Account) []string {
	if a.Managed() {
		return nil // its name is unique in its home only
	}
	list := glyph.Skeletons(a.Username)
	if a.Email != "" {
		list = append(list, emailSkeletons(a.Email)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func emailSkeletons(email string) []string {
	local, domain := splitEmail(email)
	if shown, err := idna.Lookup.ToUnicode(domain); err == nil {
		domain = shown
	}
	return glyph.Skeletons(local + "@" + domain)
}

// loginKey folds a login: a username or an e-mail address. A text that cannot be folded
// matches no account.
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

// SearchKey folds the beginning of a name for a search, as stored names are folded.
func SearchKey(text string) string { return loginKey(text) }

// limitKey folds a login for the limits of names. All spellings of a name have the same
// key, whatever follows the @.
func limitKey(login string) string {
	name := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(strings.TrimSpace(login))))
	if before, _, found := strings.Cut(name, "@"); found && before != "" {
		return before
	}
	return name
}
