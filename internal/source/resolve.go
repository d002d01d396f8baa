package source

import (
	"context"
	"fmt"
	"strings"
)

// AmbiguousError reports that a text means more than one source.
type AmbiguousError struct {
	Kind Kind
	// Text is what was asked for, and Sources are those that it means.
	Text    string
	Sources []Source
}

func (e *AmbiguousError) Error() string {
	means := make([]string, len(e.Sources))
	for i, s := range e.Sources {
		means[i] = s.String()
	}
	return fmt.Sprintf("%s means more than one %s: %s", e.Text, e.Kind, strings.Join(means, ", "))
}

// String returns the name and the identifier of the source.
func (s Source) String() string { return fmt.Sprintf("%s (%s)", s.Name, s.Identifier) }

// Resolve returns the source that a person means: by its identifier, by its name
// in any case, or by the beginning of either, in this order. ErrNotFound,
// *AmbiguousError.
func (s *Service) Resolve(ctx context.Context, kind Kind, text string) (Source, error) {
	list, err := s.List(ctx, kind)
	if err != nil {
		return Source{}, err
	}
	if text == "" {
		return Source{}, ErrNotFound
	}
	for _, means := range []func(Source) bool{
		func(src Source) bool { return src.Identifier == text },
		func(src Source) bool { return strings.EqualFold(src.Name, text) },
		func(src Source) bool { return startsWith(src.Identifier, text) || startsWith(src.Name, text) },
	} {
		var found []Source
		for _, src := range list {
			if means(src) {
				found = append(found, src)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return Source{}, &AmbiguousError{kind, text, found}
		}
	}
	return Source{}, ErrNotFound
}

// startsWith reports whether a text starts with a prefix, in any case.
func startsWith(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}
