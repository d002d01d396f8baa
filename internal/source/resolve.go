package source

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/usher-auth/usher/internal/db"
)

// AmbiguousError reports that a text matches more than one source.
type AmbiguousError struct {
	Kind Kind
	// Text is the text, and Sources are the sources that it matches.
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

// Resolve returns the source that matches a text: by its identifier, by its name in any
// case, or by the beginning of either, in this order. ErrNotFound, *AmbiguousError.
func (s *Service) Resolve(ctx context.Context, kind Kind, text string) (Source, error) {
	if text == "" {
		return Source{}, ErrNotFound
	}
	exact, err := s.cfg.Rows.Get(ctx, s.cfg.DB, kind, text)
	if !errors.Is(err, db.ErrNotFound) {
		return exact, named("finding a source", err)
	}
	var called, beginning []Source
	for src, err := range s.All(ctx, kind) {
		switch {
		case err != nil:
			return Source{}, err
		case strings.EqualFold(src.Name, text):
			called = append(called, src)
		case startsWith(src.Identifier, text) || startsWith(src.Name, text):
			beginning = append(beginning, src)
		}
	}
	for _, found := range [][]Source{called, beginning} {
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
