package plexauth_test

import (
	"encoding/json"
	"encoding/xml"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/plexauth"
)

// settings is a type that a program might store.
type settings struct {
	Source   plexauth.Source            `json:"source" xml:"source,attr"`
	Optional *plexauth.Source           `json:"optional,omitempty" xml:"optional"`
	Names    map[plexauth.Source]string `json:"names,omitempty" xml:"-"`
	Unset    plexauth.Source            `json:"unset,omitzero" xml:"unset"`
}

func TestSourceInJSON(t *testing.T) {
	guide := plexauth.ProviderSource("tv.plex.epg")
	narrow, err := plexauth.ParseSource("server://m1/library")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]settings{
		`{"source":"server://abc"}`:                                      {Source: plexauth.ServerSource("abc")},
		`{"source":"server://m1/library"}`:                               {Source: narrow},
		`{"source":""}`:                                                  {},
		`{"source":"","optional":""}`:                                    {Optional: &plexauth.Source{}},
		`{"source":"","optional":"provider://tv.plex.epg"}`:              {Optional: &guide},
		`{"source":"","names":{"provider://tv.plex.epg":"TV"}}`:          {Names: map[plexauth.Source]string{guide: "TV"}},
		`{"source":"server://\u003c\u2028\u003e","unset":"server://m1"}`: {Source: plexauth.ServerSource("<\u2028>"), Unset: plexauth.ServerSource("m1")},
	} {
		written, err := json.Marshal(want)
		if err != nil || string(written) != text {
			t.Errorf("%+v is written as %s, %v; want %s", want, written, err, text)
		}
		got := settings{Source: plexauth.ServerSource("before")}
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b plexauth.Source) bool { return a == b })); diff != "" {
			t.Errorf("%s is read as something else (-want +got):\n%s", text, diff)
		}
	}
}

func TestSourceInXML(t *testing.T) {
	want := settings{Source: plexauth.ServerSource("abc")}
	text, err := xml.Marshal(want)
	if err != nil || string(text) != `<settings source="server://abc"><unset></unset></settings>` {
		t.Fatalf("it is written as %s, %v", text, err)
	}
	var got settings
	if err := xml.Unmarshal(text, &got); err != nil || got.Source != want.Source || got.Unset != want.Unset {
		t.Errorf("it is read as %+v, %v", got, err)
	}
}

// An invalid source is neither marshaled nor unmarshaled, and the previous
// value stays.
func TestSourceRefusesText(t *testing.T) {
	for _, src := range []plexauth.Source{
		plexauth.ServerSource(""), plexauth.ProviderSource(""), plexauth.ServerSource("a/b"), plexauth.ServerSource("a b"),
		plexauth.ProviderSource("a?b"), plexauth.ServerSource("\xff"),
	} {
		if text, err := json.Marshal(src); err == nil {
			t.Errorf("%q is written as %s", src.String(), text)
		}
	}
	for _, text := range []string{`"abc"`, `"server://"`, `"server:///x"`, `"server://a/"`, `"http://a"`, `"server://a b"`, `{}`, `7`} {
		src := plexauth.ServerSource("before")
		if err := json.Unmarshal([]byte(text), &src); err == nil || src != plexauth.ServerSource("before") {
			t.Errorf("%s is read as %v, %v", text, src, err)
		}
	}
	if src, err := plexauth.ParseSource("server://\xff"); err == nil {
		t.Errorf("bytes that are not text are %q", src)
	}
}
