package source_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/source"
)

func TestSections(t *testing.T) {
	c := coretest.New(t, core.Config{})
	den, attic := c.AddSource(server("den", "den")), c.AddSource(server("attic", "attic"))
	add := func(src source.Source, sec source.Section) (source.Section, error) {
		return c.Sources.AddSection(t.Context(), operator, src, sec)
	}
	for _, sec := range []source.Section{
		{Title: " Movies "}, {Title: "TV", Kind: "show", Number: 3}, {Title: "Music", Kind: "artist"}, {Title: "Photos", Kind: "photo"},
	} {
		if _, err := add(den, sec); err != nil {
			t.Fatal(err)
		}
	}
	list, err := c.Sources.Sections(t.Context(), den.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range list {
		got = append(got, fmt.Sprint(s.Number, s.Title, s.Kind))
	}
	if want := "1Moviesmovie 2Musicartist 3TVshow 4Photosphoto"; strings.Join(got, " ") != want {
		t.Errorf("the sections are %v, want %s", got, want)
	}
	for _, row := range []struct {
		what string
		src  source.Source
		sec  source.Section
		want error
	}{
		{"a name that is taken", den, source.Section{Title: "MOVIES"}, source.ErrSectionExists},
		{"a number that is taken", den, source.Section{Title: "More", Number: 3}, source.ErrSectionExists},
		{"a server that is gone", source.Source{ID: 99}, source.Section{Title: "Movies"}, source.ErrNotFound},
	} {
		if _, err := add(row.src, row.sec); !errors.Is(err, row.want) {
			t.Errorf("%s: error %v, want %v", row.what, err, row.want)
		}
	}
	for _, sec := range []source.Section{
		{}, {Title: "a\x00b"}, {Title: "a\u200bb"}, {Title: "\xff"}, {Title: strings.Repeat("é", 101)}, {Title: "a", Kind: "x"}, {Title: "a", Number: 1 << 31},
	} {
		if _, err := add(den, sec); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: error %v, want one of kind Invalid", sec, err)
		}
	}

	for i := len(list); i < source.MaxSections; i++ {
		if _, err := add(den, source.Section{Title: fmt.Sprint("Section ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := add(den, source.Section{Title: "One more"}); !errors.Is(err, source.ErrManySections) {
		t.Errorf("one too many: error %v", err)
	}
	if _, err := c.Sources.RemoveSection(t.Context(), operator, attic, "Movies"); !errors.Is(err, source.ErrNoSection) {
		t.Errorf("a section of another server: error %v", err)
	}
	gone, err := c.Sources.RemoveSection(t.Context(), operator, den, "movies")
	if err != nil || gone.ID != list[0].ID {
		t.Errorf("removed %+v, %v", gone, err)
	}
	again, err := add(den, source.Section{Title: "Movies"})
	if err != nil || again.Number != 1 || again.ID <= list[3].ID {
		t.Errorf("a section that is added again is %+v, %v: its ID must be new", again, err)
	}
}

// The same sections in another order, or with duplicates, are the same choice.
func TestSameChoice(t *testing.T) {
	some := func(ids ...int64) source.Choice { return source.Choice{Some: true, Sections: ids} }
	for _, row := range []struct {
		a, b source.Choice
		same bool
	}{
		{source.Choice{}, source.Choice{Sections: []int64{1}}, true}, // all of them
		{some(1, 2), some(2, 1, 2), true},
		{some(), some(), true},
		{some(), source.Choice{}, false},
		{some(1), some(2), false},
		{some(1), some(1, 2), false},
	} {
		if row.a.Same(row.b) != row.same || row.b.Same(row.a) != row.same {
			t.Errorf("%+v and %+v are the same: %v, want %v", row.a, row.b, !row.same, row.same)
		}
	}
	if got := some(2, 1, 2).String(); got != ", 2 sections" {
		t.Errorf("a section that was chosen twice: %q", got)
	}
}
