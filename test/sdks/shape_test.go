package sdks_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A kind is what an SDK's type accepts for a field. It returns an error for a value that is
// not accepted and not null.
type kind func(v any) error

// A shape is the type of an answer in an SDK: paths of fields, separated by spaces, and the
// kind of each. A path has dots between names, and "*" for each element of a list. A path
// that ends in "?" may be absent, or null if the SDK accepts nulls.
type shape map[string]kind

// check returns everything in an answer that the SDK could not read.
func (s shape) check(answer any, nulls bool) error {
	var wrong []error
	for paths, accepts := range s {
		for path := range strings.FieldsSeq(paths) {
			name, optional := strings.CutSuffix(path, "?")
			w := walker{accepts: accepts, absent: optional, null: optional && nulls}
			if err := w.walk(answer, strings.Split(name, ".")); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	return errors.Join(wrong...)
}

// A walker follows one path of a shape.
type walker struct {
	accepts      kind
	absent, null bool // the field may be absent, or null
}

func (w walker) walk(v any, path []string) error {
	switch {
	case v == nil && w.null:
		return nil
	case v == nil:
		return errors.New("it is null")
	case len(path) == 0:
		return w.accepts(v)
	case path[0] == "*":
		list, ok := v.([]any)
		if !ok || len(list) == 0 {
			return fmt.Errorf("got %v, want a list with something in it", v)
		}
		for _, element := range list {
			if err := w.walk(element, path[1:]); err != nil {
				return err
			}
		}
		return nil
	}
	object, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("got %v, want an object", v)
	}
	member, ok := object[path[0]]
	switch {
	case !ok && w.absent:
		return nil
	case !ok:
		return errors.New("it is absent")
	}
	return w.walk(member, path[1:])
}

// is accepts the values of one type of JSON.
func is[T any](v any) error {
	if _, ok := v.(T); !ok {
		return fmt.Errorf("got %T %v, want %T", v, v, *new(T))
	}
	return nil
}

// The kinds of fields.
var (
	text   kind = is[string]
	number kind = whole
	truth  kind = is[bool]
	list   kind = is[[]any]
	object kind = is[map[string]any]
)

// whole accepts numbers without a fraction.
func whole(v any) error {
	if n, ok := v.(json.Number); !ok || strings.Trim(n.String(), "-0123456789") != "" {
		return fmt.Errorf("got %T %v, want a whole number", v, v)
	}
	return nil
}

// oneOf accepts the members of an enumeration: texts, or numbers.
func oneOf[T string | json.Number](members ...T) kind {
	return func(v any) error {
		if member, ok := v.(T); !ok || !slices.Contains(members, member) {
			return fmt.Errorf("got %T %v, want one of %v", v, v, members)
		}
		return nil
	}
}

// written accepts times in one layout.
func written(layout string) kind {
	return func(v any) error {
		s, _ := v.(string)
		t, err := time.Parse(layout, s)
		if err != nil {
			return fmt.Errorf("got %v, want a time like %s", v, layout)
		}
		if age := time.Since(t).Abs(); age > 24*time.Hour {
			return fmt.Errorf("got %v, which is %v away", v, age)
		}
		return nil
	}
}

func TestShape(t *testing.T) {
	t.Parallel()
	s := shape{"a list.*.b": text, "c?": truth, "n": whole, "e": oneOf("0", "1")}
	for _, good := range []string{
		`{"a": "", "list": [{"b": "x"}], "n": 7, "e": "1"}`,
		`{"a": "", "list": [{"b": "x"}, {"b": ""}], "n": -7, "e": "0", "c": true}`,
	} {
		if err := s.check(decode(t, []byte(good)), false); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	null := decode(t, []byte(`{"a": "", "list": [{"b": "x"}], "n": 7, "e": "1", "c": null}`))
	if s.check(null, true) != nil || s.check(null, false) == nil {
		t.Error("null is accepted where it is an error, or the other way round")
	}
	for _, bad := range []string{
		`{"a": null, "list": [{"b": "x"}], "n": 7, "e": "1"}`,
		`{"list": [{"b": "x"}], "n": 7, "e": "1"}`,
		`{"a": "", "list": [{"b": "x"}, {}], "n": 7, "e": "1"}`,
		`{"a": "", "list": [], "n": 7, "e": "1"}`,
		`{"a": "", "list": {}, "n": 7, "e": "1"}`,
		`{"a": "", "list": [{"b": "x"}], "n": 7, "e": "1", "c": 1}`,
		`{"a": "", "list": [{"b": "x"}], "n": "7", "e": "1"}`,
		`{"a": "", "list": [{"b": "x"}], "n": 7.5, "e": "1"}`,
		`{"a": "", "list": [{"b": "x"}], "n": 7, "e": 1}`,
		`{"a": "", "list": [{"b": "x"}], "n": 7, "e": "2"}`,
		`[]`, `null`,
	} {
		if s.check(decode(t, []byte(bad)), true) == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
