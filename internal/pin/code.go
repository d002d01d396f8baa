package pin

import "strings"

// Normal returns a typed code in its stored form, without surrounding space and in the
// stored case, and whether it has the form of a code.
func Normal(typed string) (code string, ok bool) {
	typed = strings.TrimSpace(typed)
	alphabet := strongAlphabet
	switch len(typed) {
	case shortLength:
		alphabet, code = shortAlphabet, strings.ToUpper(typed)
	case strongLength:
		code = strings.ToLower(typed)
	}
	// The upper or lower case of a non-ASCII letter may be in the alphabet, and have
	// another length.
	if len(code) != len(typed) || code == "" || strings.Trim(code, alphabet) != "" {
		return "", false
	}
	return code, true
}

// Guessable reports whether a code is a short one, which a user can type and an
// attacker can guess.
func Guessable(code string) bool {
	code, ok := Normal(code)
	return ok && len(code) == shortLength
}
