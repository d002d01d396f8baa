package plexauth

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted is printed in place of a Secret.
const redacted = "…"

// redact returns "…", or "" if text is empty.
func redact(text string) string { return Secret(text).String() }

// A Secret is a token, a password or a code. Package fmt (with every verb),
// slog, encoding/json and encoding/xml print it as "…". Only the conversion
// string(s) returns the text, so every place that reveals a secret can be found
// by a search. The empty Secret prints as the empty string.
//
// Package fmt does not call the methods of a value in an unexported field, so it prints
// the text of a Secret there. Such a field can be a *Secret.
type Secret string

// String implements fmt.Stringer. It returns "…", or "" for the empty Secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter. It writes the result of String for every
// verb, since %x, %q and %#v of a string type would print the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer. It returns the result of String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler. It returns the result of
// String, so a Secret cannot be stored as JSON or XML without a conversion to
// string.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Equal reports whether s and other are the same text. The time that it takes
// depends on the lengths only.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s), []byte(other)) == 1
}

// kept is a Secret in an unexported field of a struct that a program may print: package
// fmt prints the address. The zero value holds the empty Secret.
type kept struct{ at *Secret }

func keep(s Secret) kept { return kept{&s} }

func (k kept) secret() Secret {
	if k.at == nil {
		return ""
	}
	return *k.at
}
