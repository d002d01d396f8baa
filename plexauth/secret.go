package plexauth

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted stands wherever a Secret would otherwise be printed.
const redacted = "…"

// hidden is what stands for text that is not shown: nothing for nothing.
func hidden(text string) string { return Secret(text).String() }

// A Secret is a token, password or code. It prints as "…" with every verb of
// package fmt, in slog, in JSON and in XML; only the explicit conversion
// string(s) gives the text, so each place that reveals one can be searched
// for. The empty Secret prints as the empty string, because whether there is
// one at all is worth knowing and gives nothing away.
type Secret string

// String returns "…", or "" for the empty Secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format writes what String returns, whatever the verb: %x, %q and %#v of a
// plain string type would print the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps the text out of slog's handlers.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps the text out of encoding/json and encoding/xml.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Equal reports in constant time whether both hold the same text.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s), []byte(other)) == 1
}
