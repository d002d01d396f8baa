package plexauth

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Source identifies a server or a provider that a media server knows. Create
// one with ServerSource, ProviderSource or ParseSource. The zero value
// identifies nothing. Sources are comparable with ==. In JSON and XML, a Source
// is the text that ParseSource reads, and the zero value is the empty text.
type Source struct {
	kind, id, provider string
}

// The two kinds of sources. Each is the scheme of its text form.
const (
	kindServer   = "server"
	kindProvider = "provider"
)

// ServerSource identifies a server by its machine identifier: server://ID. The
// identifier is validated when the Source is used.
func ServerSource(machineIdentifier string) Source {
	return Source{kind: kindServer, id: machineIdentifier}
}

// ProviderSource identifies a provider: provider://ID. The identifier is
// validated when the Source is used.
func ProviderSource(id string) Source { return Source{kind: kindProvider, id: id} }

// ParseSource parses the text form of a source: server://ID or provider://ID,
// optionally followed by /PROVIDER.
func ParseSource(s string) (Source, error) {
	kind, rest, found := strings.Cut(s, "://")
	if !found || kind != kindServer && kind != kindProvider {
		return Source{}, errors.New("plexauth: invalid source: it must begin with server:// or provider://")
	}
	id, provider, narrowed := strings.Cut(rest, "/")
	src := Source{kind, id, provider}
	if narrowed && provider == "" {
		return Source{}, errors.New("plexauth: invalid source: the provider is empty")
	}
	return src, src.check()
}

// String returns the text form of the source, and "" for the zero value. It
// does not validate the source.
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

// MarshalText implements encoding.TextMarshaler, for encoding/json,
// encoding/xml and flag.TextVar. It returns the result of String, or an error
// if ParseSource would not accept that text. The zero value is marshaled as the
// empty text.
func (s Source) MarshalText() ([]byte, error) {
	if s == (Source{}) {
		return []byte{}, nil
	}
	return []byte(s.String()), s.check()
}

// UnmarshalText implements encoding.TextUnmarshaler. It accepts what
// ParseSource accepts, and the empty text for the zero value. If it returns an
// error, s is unchanged.
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

// check validates the source.
func (s Source) check() error {
	switch {
	case s.kind == "":
		return errors.New("plexauth: invalid source: it is empty")
	case s.id == "":
		return errors.New("plexauth: invalid source: the identifier is empty")
	case !utf8.ValidString(s.id + s.provider):
		return errors.New("plexauth: invalid source: the identifier is not valid UTF-8")
	case strings.ContainsFunc(s.id+s.provider, invalidInSource):
		return errors.New("plexauth: invalid source: invalid character in the identifier")
	}
	return nil
}

func invalidInSource(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune("/?#", r)
}
