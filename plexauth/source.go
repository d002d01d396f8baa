package plexauth

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Source names something that a media server knows: another server, or a
// provider. Make one with ServerSource, ProviderSource or ParseSource; the
// zero value names nothing. In JSON and XML it is the text that ParseSource
// reads, and the zero value the empty one.
type Source struct {
	kind, id, provider string
}

// The two kinds of source.
const (
	kindServer   = "server"
	kindProvider = "provider"
)

// ServerSource names a server by its machine identifier: server://ID.
func ServerSource(machineIdentifier string) Source {
	return Source{kind: kindServer, id: machineIdentifier}
}

// ProviderSource names a provider: provider://ID.
func ProviderSource(id string) Source { return Source{kind: kindProvider, id: id} }

// ParseSource reads a source as it is written: server://ID, provider://ID, and
// either with /PROVIDER after it.
func ParseSource(s string) (Source, error) {
	kind, rest, found := strings.Cut(s, "://")
	if !found || kind != kindServer && kind != kindProvider {
		return Source{}, fmt.Errorf("plexauth: a source begins with server:// or provider://")
	}
	id, provider, narrowed := strings.Cut(rest, "/")
	src := Source{kind, id, provider}
	if narrowed && provider == "" {
		return Source{}, fmt.Errorf("plexauth: the provider of a source is empty")
	}
	return src, src.check()
}

// String is the source as it is written.
func (s Source) String() string {
	if s.kind == "" {
		return ""
	}
	text := s.kind + "://" + s.id
	if s.provider != "" {
		text += "/" + s.provider
	}
	return text
}

// MarshalText writes the source as String does, for encoding/json, encoding/xml
// and flag.TextVar; the zero value as nothing. What ParseSource would not read
// is an error.
func (s Source) MarshalText() ([]byte, error) {
	if s == (Source{}) {
		return []byte{}, nil
	}
	return []byte(s.String()), s.check()
}

// UnmarshalText reads a source as ParseSource does, and nothing as the zero
// value. After an error, the source is what it was before.
func (s *Source) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = Source{}
		return nil
	}
	src, err := ParseSource(string(text))
	if err == nil {
		*s = src
	}
	return err
}

// check refuses what cannot be written.
func (s Source) check() error {
	switch {
	case s.kind == "":
		return fmt.Errorf("plexauth: the source names nothing")
	case s.id == "":
		return fmt.Errorf("plexauth: the identifier of the source is empty")
	case !utf8.ValidString(s.id + s.provider):
		return fmt.Errorf("plexauth: the identifier of the source is not UTF-8")
	case strings.ContainsFunc(s.id+s.provider, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("/?#", r) }):
		return fmt.Errorf("plexauth: the identifier of the source has a character that it cannot have")
	}
	return nil
}
