package scene_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/trouble"
)

const text = `
accounts:
  - username: mia
    email: mia@example.org
    password: mia's password
    token: aTokenThatIsChosen01
    totp: KVJUQRKSKVJUQRKSKVJUQRKSKVJUQRKS
    admin: true
  - {username: kid, managed: true}
servers:
  - name: Attic
    id: attic
    owner: mia
    sharedWith: [kid]
    connections:
      - {uri: "http://192.0.2.9:32400", local: true}
providers:
  - {name: Guide, id: guide}
time: 2030-01-02T03:04:05Z
frozen: true
seed: 7
faults:
  - {fault: rate-limit, path: /api/v2/user, times: 2, skip: 1, seconds: 0.5, chance: 0.5}
`

func TestRead(t *testing.T) {
	got, err := scene.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := scene.Scene{
		Accounts: []scene.Account{
			{
				Username: "mia", Email: "mia@example.org", Password: "mia's password", Token: "aTokenThatIsChosen01",
				Seed: "KVJUQRKSKVJUQRKSKVJUQRKSKVJUQRKS", Admin: true,
			},
			{Username: "kid", Managed: true},
		},
		Sources: []scene.Source{
			{
				Kind: source.Server, Name: "Attic", Identifier: "attic", Owner: "mia", SharedWith: []string{"kid"},
				Connections: []source.Connection{{URI: "http://192.0.2.9:32400", Local: true}},
			},
			{Kind: source.Provider, Name: "Guide", Identifier: "guide", Connections: scene.Nowhere()},
		},
		Time: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Frozen: true, Seed: "7",
		Faults: []trouble.Fault{{Name: "rate-limit", Path: "/api/v2/user", Times: 2, Skip: 1, Seconds: 0.5, Chance: 0.5}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if now := got.Clock().Now(); !now.Equal(want.Time) {
		t.Errorf("the clock says %v", now)
	}
	if _, err := got.Play(t.Context(), audit.Actor{}, open(t)); err != nil {
		t.Error(err)
	}
}

// The scene in docs/testing.md is one.
func TestDocument(t *testing.T) {
	document, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(document), "```yaml\n")
	text, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/testing.md has no scene")
	}
	s, err := scene.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Accounts) != 2 || len(s.Sources) != 1 || len(s.Faults) != 1 || s.Seed == "" || !s.Frozen {
		t.Errorf("it is %+v", s)
	}
	if _, err := s.Play(t.Context(), audit.Actor{}, open(t)); err != nil {
		t.Error(err)
	}
}

// A mistake is an error that says where it is, and what was probably meant.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"acounts: []":                                      `line 1: a scene has no key "acounts"; did you mean "accounts"?`,
		"accounts:\n- username: a\n  pasword: b":           `line 3: accounts has no key "pasword"; did you mean "password"?`,
		"servers:\n- connections:\n  - {urI: x, lokal: y}": `line 3: connections has no key "urI"; did you mean "uri"?`,
		"faults:\n- {fault: slwo}":                         `fault 1: there is no fault "slwo"; did you mean "slow"?`,
		"faults:\n- {fault: slow, tims: 1}":                `line 2: faults has no key "tims"; did you mean "times"?`,
		"faults:\n- {fault: slow, chance: 2}":              "not between 0 and 1",
		"colour: red":                                      `line 1: a scene has no key "colour"`,
		"accounts: 7":                                      "line 1: cannot unmarshal",
		"accounts:\n- username: [a]":                       "line 2: cannot unmarshal",
		"time: yesterday":                                  `parsing time "yesterday"`,
		"- a":                                              "not a mapping",
		"a":                                                "not a mapping",
		"":                                                 "the file is empty",
		"accounts: []\n---\naccounts: []":                  "more than one document",
		"accounts: [":                                      "line 1",
		"frozen: true\nfrozen: false":                      `mapping key "frozen" already defined`,
	} {
		_, err := scene.Read([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: the error is %v, want it to have %s", text, err, want)
		}
	}
}

// The schema has the keys that are read, and no others.
func TestSchema(t *testing.T) {
	type object struct {
		Properties map[string]json.RawMessage
	}
	var schema struct {
		object
		Defs struct{ Source object } `json:"$defs"`
	}
	if err := json.Unmarshal(scene.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	var accounts, connections, faults struct{ Items object }
	for raw, into := range map[string]any{
		string(schema.Properties["accounts"]): &accounts, string(schema.Properties["faults"]): &faults,
		string(schema.Defs.Source.Properties["connections"]): &connections,
	} {
		if err := json.Unmarshal([]byte(raw), into); err != nil {
			t.Fatal(err)
		}
	}
	for where, o := range map[string]object{
		"": schema.object, "accounts": accounts.Items, "servers": schema.Defs.Source, "connections": connections.Items,
		"faults": faults.Items,
	} {
		if diff := cmp.Diff(scene.Keys(where), keysOf(o.Properties)); diff != "" {
			t.Errorf("%s (-read +schema):\n%s", where, diff)
		}
	}
}

// The schema has the names of all faults.
func TestSchemaOfFaults(t *testing.T) {
	var schema struct {
		Properties struct {
			Faults struct {
				Items struct {
					Properties struct {
						Fault struct{ Enum []string }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(scene.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(trouble.Names(), schema.Properties.Faults.Items.Properties.Fault.Enum); diff != "" {
		t.Errorf("(-table +schema):\n%s", diff)
	}
}

func keysOf(m map[string]json.RawMessage) map[string]bool {
	set := make(map[string]bool)
	for k := range m {
		set[k] = true
	}
	return set
}

// Any text is read or rejected.
func FuzzRead(f *testing.F) {
	f.Add([]byte(text))
	f.Add([]byte("accounts: &a\n- username: a\n  <<: *a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = scene.Read(text)
	})
}
