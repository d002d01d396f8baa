package pin

import "strings"

// Normal returns a code as it is kept, whatever the case in which it was typed
// and whatever space is around it, and whether it has the form of a code at
// all.
func Normal(typed string) (code string, ok bool) {
	typed = strings.TrimSpace(typed)
	alphabet := strongAlphabet
	switch len(typed) {
	case shortLength:
		alphabet, code = shortAlphabet, strings.ToUpper(typed)
	case strongLength:
		code = strings.ToLower(typed)
	}
	// A letter from elsewhere may have its other case in the alphabet and be
	// longer than it.
	if len(code) != len(typed) || code == "" || strings.Trim(code, alphabet) != "" {
		return "", false
	}
	return code, true
}

// Guessable reports whether a code has the form of those that are short enough
// to be guessed, and so to be typed.
func Guessable(code string) bool {
	code, ok := Normal(code)
	return ok && len(code) == shortLength
}
