package scene_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/device"
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
    pin: 0123
  - {username: kid, managed: true}
  - {username: noa, password: noa's password, home: mia, homeAdmin: true, pin: 4321}
  - {username: Tim, managed: true, home: mia, pin: "5678", restriction: teen}
  - {username: Visitor, managed: true, home: mia, guest: true}
servers:
  - name: Attic
    id: attic
    owner: mia
    sections:
      - Films
      - {name: Songs, type: artist, number: 7}
    sharedWith: [kid]
    connections:
      - {uri: "http://192.0.2.9:32400", local: true}
providers:
  - {name: Guide, id: guide}
friends:
  - [mia, noa]
shares:
  - {server: attic, with: noa, sections: [Songs]}
  - {server: attic, with: Tim}
invitations:
  - {from: mia, to: zoe@example.org, server: attic, sections: [Films]}
  - {from: noa, to: ned}
devices:
  - {account: mia, id: tv, name: Den, product: Player, version: "1.2", platform: tvOS, platformVersion: "17", device: TV, model: T1, vendor: Maker, token: aTokenThatIsChosen02}
signUp: true
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
				Seed: "KVJUQRKSKVJUQRKSKVJUQRKSKVJUQRKS", Admin: true, PIN: "0123",
			},
			{Username: "kid", Managed: true},
			{Username: "noa", Password: "noa's password", Home: "mia", HomeAdmin: true, PIN: "4321"},
			{Username: "Tim", Managed: true, Home: "mia", PIN: "5678", Restriction: "teen"},
			{Username: "Visitor", Managed: true, Home: "mia", Guest: true},
		},
		Sources: []scene.Source{
			{
				Kind: source.Server, Name: "Attic", Identifier: "attic", Owner: "mia", SharedWith: []string{"kid"},
				Connections: []source.Connection{{URI: "http://192.0.2.9:32400", Local: true}},
				Sections:    []source.Section{{Title: "Films"}, {Title: "Songs", Kind: "artist", Number: 7}},
			},
			{Kind: source.Provider, Name: "Guide", Identifier: "guide", Connections: scene.Nowhere()},
		},
		Friends:     [][]string{{"mia", "noa"}},
		Shares:      []scene.Share{{Server: "attic", With: "noa", Sections: []string{"Songs"}}, {Server: "attic", With: "Tim"}},
		Invitations: []scene.Invitation{{From: "mia", To: "zoe@example.org", Server: "attic", Sections: []string{"Films"}}, {From: "noa", To: "ned"}},
		Devices: []scene.Device{{Account: "mia", Token: "aTokenThatIsChosen02", Device: device.Device{
			ClientIdentifier: "tv", Name: "Den", Product: "Player", Version: "1.2", Platform: "tvOS", PlatformVersion: "17", Device: "TV",
			Model: "T1", Vendor: "Maker",
		}}},
		SignUp: true, Time: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Frozen: true, Seed: "7",
		Faults: []trouble.Fault{{Name: "rate-limit", Path: "/api/v2/user", Times: 2, Skip: 1, Seconds: 0.5, Chance: 0.5}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if now := got.Clock().Now(); !now.Equal(want.Time) {
		t.Errorf("the clock shows %v", now)
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
	if len(s.Accounts) != 3 || len(s.Sources) != 1 || len(s.Shares) != 2 || len(s.Invitations) != 1 || len(s.Devices) != 1 ||
		len(s.Faults) != 1 || s.Seed == "" || !s.Frozen {
		t.Errorf("it is %+v", s)
	}
	if _, err := s.Play(t.Context(), audit.Actor{}, open(t)); err != nil {
		t.Error(err)
	}
	if err := validate(t, text); err != nil {
		t.Error(err)
	}
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal(scene.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	for key := range schema.Properties {
		if !strings.Contains(string(document), "`"+key+"`") {
			t.Errorf("docs/testing.md does not explain %s", key)
		}
	}
}

// The error for a mistake names its line, and suggests a correction.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"acounts: []":                                      `line 1: a scene has no key "acounts"; did you mean "accounts"?`,
		"accounts:\n- username: a\n  pasword: b":           `line 3: accounts has no key "pasword"; did you mean "password"?`,
		"servers:\n- connections:\n  - {urI: x, lokal: y}": `line 3: connections has no key "urI"; did you mean "uri"?`,
		"servers:\n- sections:\n  - {name: Films, typ: x}": `line 3: sections has no key "typ"; did you mean "type"?`,
		"shares:\n- {server: a, width: b}":                 `line 2: shares has no key "width"; did you mean "with"?`,
		"invitations:\n- {form: a}":                        `line 2: invitations has no key "form"; did you mean "from"?`,
		"devices:\n- {accuont: a}":                         `line 2: devices has no key "accuont"; did you mean "account"?`,
		"accounts:\n- {username: a, hoem: b}":              `line 2: accounts has no key "hoem"; did you mean "home"?`,
		"providers:\n- {sections: [a]}":                    `line 2: providers has no key "sections"`,
		"friends: [a, b]":                                  `line 1: "a" is not a list`,
		"faults:\n- {fault: slwo}":                         `fault 1: there is no fault "slwo"; did you mean "slow"?`,
		"faults:\n- {fault: slow, tims: 1}":                `line 2: faults has no key "tims"; did you mean "times"?`,
		"faults:\n- {fault: slow, chance: 2}":              "not between 0 and 1",
		"colour: red":                                      `line 1: a scene has no key "colour"`,
		"accounts: 7":                                      `line 1: "7" is not a list`,
		"accounts: {username: a}":                          "line 1: a mapping is not a list",
		"accounts: [a]":                                    `line 1: "a" is not a mapping with keys`,
		"servers: [{connections: [x]}]":                    `line 1: "x" is not a mapping with keys`,
		"servers: [{sections: [{name: a, number: x}]}]":    `line 1: "x" is not a whole number`,
		"shares: [{sections: Films}]":                      `line 1: "Films" is not a list`,
		"frozen: 1":                                        `line 1: "1" is not true or false`,
		"seed: [1]":                                        "line 1: a list is not a text",
		"faults: [slow]":                                   `line 1: "slow" is not a mapping with keys`,
		"faults: [{fault: slow, seconds: x}]":              `line 1: "x" is not a number`,
		"faults: [{fault: slow, times: 1.5}]":              `line 1: "1.5" is not a whole number`,
		"servers: [{sections: [{name: a, number: 1.5}]}]":  `line 1: "1.5" is not a whole number`,
		"accounts:\n- username: [a]":                       "line 2: a list is not a text",
		"time: yesterday":                                  `line 1: "yesterday" is not a time from 1970 to 2105, such as 2030-01-02T03:04:05Z`,
		"time: 1969-12-31T23:59:59Z":                       "from 1970 to 2105",
		"time: 0001-01-01":                                 "from 1970 to 2105",
		"time: 2106-01-01":                                 "from 1970 to 2105",
		"time: 2030-01-02 03:04:05":                        "is not a time",
		"accounts:\n- username: true":                      `line 2: "true" is not a text`,
		"frozen: yes":                                      `line 1: "yes" is not true or false`,
		"accounts:\n-\n- {username: a}":                    "line 2: an item of accounts is empty",
		"1: a":                                             `line 1: a scene has no key "1"`,
		"? [a]\n: b":                                       "a key is not a text",
		"null":                                             "not a mapping",
		"---\n---\naccounts: []":                           "not a mapping",
		"accounts:\n\t- username: a":                       "line 2",
		"servers: [&a {name: A, id: a}]\naccounts: [*a]":   `line 1: accounts has no key "name"`,
		"servers: [&a {name: A, id: a}]\naccounts: [{<<: *a, username: a}]":   `line 1: accounts has no key "name"`,
		"servers: [&a {name: A, id: a}]\naccounts: [{<<: [*a], username: a}]": `line 1: accounts has no key "name"`,
		"accounts: &a [*a]": "contains itself",
		"servers: [{sections: [{name: a, number: 99999999999999999999}]}]": "is not a whole number",
		"faults: [{fault: slow, seconds: 1e300}]":                          "more than a century",
		"faults: [{fault: slow, seconds: .nan}]":                           "more than a century",
		"faults: [{fault: slow, times: -1}]":                               "negative",
		"- a":                                                              "not a mapping",
		"a":                                                                "not a mapping",
		"signup: true":                                                     `line 1: a scene has no key "signup"; did you mean "signUp"?`,
		"signUp: perhaps":                                                  `line 1: "perhaps" is not true or false`,
		"":                                                                 "the file is empty",
		"accounts: []\n---\naccounts: []":                                  "more than one document",
		"accounts: [":                                                      "line 1",
		"frozen: true\nfrozen: false":                                      `mapping key "frozen" already defined`,
	} {
		_, err := scene.Read([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: the error is %v, want it to have %s", text, err, want)
		}
	}
}

// The error for an impossible scene names the reason.
func TestImpossible(t *testing.T) {
	const mia = "accounts:\n- {username: mia, password: mia's password}\n- {username: noa, password: noa's password}\n"
	const attic = mia + "servers: [{name: Attic, id: attic, owner: mia, sections: [Films]}]\n"
	c := open(t)
	if err := c.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"accounts: [{password: a password}]": "adding the account at place 1: the username is empty",
		"servers: [{id: a}]":                 "adding the server a: the name is empty",
		"servers: [{}]":                      "adding the server at place 1: the identifier is empty",
		mia + "- {username: ned, password: ned has one, token: aTokenThatIsChosen01}\n- {username: ida, password: ida has one, token: aTokenThatIsChosen01}": "adding the account ida: the account ned has the same token",
		mia + "devices: [{account: mia, id: d, token: aTokenThatIsChosen01}, {account: noa, id: e, token: aTokenThatIsChosen01}]":                            "adding the device e: the device d has the same token",
		attic + "shares: [{server: attic}]":                                                     "adding the share at place 1: with is missing",
		attic + "shares: [{with: noa}]":                                                         "adding the share at place 1: server is missing",
		attic + "shares: [{server: attic, with: mia}]":                                          "mia shares it, and has it already",
		attic + "invitations: [{from: mia}]":                                                    "adding the invitation at place 1: to is missing",
		attic + "invitations: [{to: mia}]":                                                      "adding the invitation at place 1: from is missing",
		attic + "invitations: [{from: mia, to: noa, sections: [Films]}]":                        "sections are those of a server, and server is missing",
		mia + "- {username: off, password: off has one, disabled: true}\nfriends: [[mia, off]]": "off is disabled",
		"signUp: true": "signUp needs an account in the scene",
		mia + "- {username: kid, managed: true, home: mya}":                               `its home belongs to mya, which is not listed before it; did you mean "mia"?`,
		mia + "- {username: kid, managed: true, home: kid}":                               "is not listed before it",
		mia + "- {username: noa, managed: true, home: mia}":                               "there is an account with this username already",
		mia + "- {username: kid, managed: true, home: mia, password: a password}":         "a managed account has no e-mail address, password",
		mia + "- {username: kid, managed: true, home: mia, homeAdmin: true}":              "homeAdmin is for an account that signs in",
		mia + "- {username: kid, managed: true, restriction: teen}":                       "guest and restriction are for a managed account",
		mia + "- {username: kid, managed: true, home: mia, restriction: tean}":            "a restriction is little_kid",
		mia + "- {username: kid, managed: true, home: mia, pin: 12345}":                   "a PIN has 4 digits",
		mia + "friends: [[mia, nao]]":                                                     `nao is not in the scene; did you mean "noa"?`,
		mia + "friends: [[mia, noa, mia]]":                                                "are not two usernames",
		mia + "friends: [[mia, mia]]":                                                     "mia cannot be a friend of itself",
		attic + "shares: [{server: attik, with: noa}]":                                    `there is no server with the id "attik"; did you mean "attic"?`,
		attic + "shares: [{server: attic, with: nao}]":                                    `nao is not in the scene; did you mean "noa"?`,
		attic + "shares: [{server: attic, with: noa, sections: [Film]}]":                  `this server has no such section: Film; did you mean "Films"?`,
		attic + "invitations: [{from: mia, to: zoe, server: atic}]":                       `did you mean "attic"?`,
		attic + "invitations: [{from: noa, to: zoe, server: attic}]":                      "adding the invitation of zoe by noa",
		attic + "devices: [{account: mai, id: tv}]":                                       `mai is not in the scene; did you mean "mia"?`,
		attic + "devices: [{account: mia}]":                                               "it has no id",
		attic + "devices: [{account: mia, id: tv, token: short}]":                         "a token is 20 letters and digits",
		mia + "servers: [{name: Attic, id: attic, sections: [{name: F, type: films}]}]\n": "the type of a section is",
		mia + "servers: [{name: Attic, id: attic, sections: [{name: F, number: -1}]}]\n":  "number",
		mia + "servers: [{name: Attic, id: attic, owner: mya}]\n":                         `did you mean "mia"?`,
		mia + "servers: [{name: A, id: a}]\nshares: [{server: a, with: noa}]":             "has no owner, and the scene no admin",
		mia + "servers: [{name: A, id: a, sharedWith: [nao]}]":                            `did you mean "noa"?`,
	} {
		s, err := scene.Read([]byte(text))
		if err == nil {
			_, err = s.Play(t.Context(), audit.Actor{}, c)
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\nthe error is %v, want it to have %s", text, err, want)
		}
		if err := c.Rewind(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// The schema has the keys that are read, and no others.
func TestSchema(t *testing.T) {
	var schema any
	if err := json.Unmarshal(scene.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	for where, path := range map[string]string{
		"": "", "accounts": "properties accounts items", "faults": "properties faults items", "shares": "properties shares items",
		"invitations": "properties invitations items", "devices": "properties devices items", "servers": "$defs server",
		"providers": "$defs provider", "sections": "$defs section", "connections": "$defs connections items",
	} {
		at := schema
		for key := range strings.FieldsSeq(path + " properties") {
			at = at.(map[string]any)[key]
		}
		set := make(map[string]bool)
		for key := range at.(map[string]any) {
			set[key] = true
		}
		if diff := cmp.Diff(scene.Keys(where), set); diff != "" {
			t.Errorf("%s (-read +schema):\n%s", where, diff)
		}
	}
}

// validate checks a scene against the schema, as an editor does.
func validate(t *testing.T, text string) error {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	timesAreTexts(&root)
	var value any
	if err := root.Decode(&value); err != nil {
		t.Fatal(err)
	}
	written, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(written)); err != nil {
		t.Fatal(err)
	}
	return compiled().Validate(value)
}

// timesAreTexts reads times as editors do, which know YAML 1.2.
func timesAreTexts(n *yaml.Node) {
	if n.ShortTag() == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, c := range n.Content {
		timesAreTexts(c)
	}
}

// compiled is the schema.
var compiled = sync.OnceValue(func() *jsonschema.Schema {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(scene.Schema))
	if err != nil {
		panic(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("scene.json", schema); err != nil {
		panic(err)
	}
	return compiler.MustCompile("scene.json")
})

// The schema accepts what is read, and rejects unknown keys.
func TestSchemaOfScenes(t *testing.T) {
	programs, err := os.ReadFile("../../test/clients/programs/scene.yaml")
	if err != nil {
		t.Fatal(err)
	}
	quoted := strings.Replace(text, "pin: 0123", `pin: "0123"`, 1) // a number does not begin with 0
	for _, good := range []string{quoted, string(programs)} {
		if err := validate(t, good); err != nil {
			t.Errorf("%v\n%s", err, good)
		}
	}
	for _, bad := range []string{
		"acounts: []", "accounts: [{username: a, hoem: b}]", "accounts: [{username: a, pin: 12345}]", "accounts: [{username: a, restriction: tean}]",
		"servers: [{name: a, id: b, sections: [{name: c, type: film}]}]", "providers: [{name: a, id: b, sections: [c]}]", "friends: [[a]]",
		"shares: [{server: a}]", "invitations: [{to: a}]", "devices: [{id: a}]", "shares: [{server: a, with: b, sections: c}]",
	} {
		if validate(t, bad) == nil {
			t.Errorf("the schema accepts %s", bad)
		}
	}
}

// Different notations in YAML are read in the same way.
func TestWaysToWrite(t *testing.T) {
	const mia = "accounts:\n- {username: mia, password: mia's password}\n"
	want, err := scene.Read([]byte(mia))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a byte order mark": "\ufeff" + mia,
		"CRLF":              strings.ReplaceAll(mia, "\n", "\r\n"),
		"a document's ends": "---\n" + mia + "...\n",
		"comments":          "# who\n" + mia + "# and no more\n",
		"an anchor":         "accounts:\n- {username: &m mia, password: mia's password, home: }\nfaults:\nseed:\ntime: ~\n",
		"a merged mapping":  "accounts:\n- &m {username: mia, password: mia's password}\n- {<<: *m}\n",
		"JSON":              `{"accounts": [{"username": "mia", "password": "mia's password"}]}`,
		"quoted keys":       "\"accounts\":\n- {'username': 'mia', password: \"mia's password\"}\n",
	} {
		got, err := scene.Read([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "a merged mapping" && len(got.Accounts) == 2 {
			got.Accounts = got.Accounts[1:]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for text, want := range map[string]time.Time{
		"time: 2030-01-02":                  time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC),
		`time: "2030-01-02T03:04:05+01:00"`: time.Date(2030, 1, 2, 2, 4, 5, 0, time.UTC),
	} {
		if s, err := scene.Read([]byte(text)); err != nil || !s.Time.Equal(want) {
			t.Errorf("%s: %v, %v", text, s.Time, err)
		}
	}
}

// The schema and the reader accept and reject the same: each kind of value in each place.
func TestSchemaAgrees(t *testing.T) {
	places := []string{
		"accounts: %s", "accounts: [%s]", "servers: %s", "providers: [%s]", "friends: %s", "friends: [%s]", "friends: [[a, %s]]",
		"shares: %s", "invitations: [%s]", "devices: %s", "signUp: %s", "time: %s", "frozen: %s", "seed: %s", "faults: %s",
		"servers: [{name: a, id: b, sections: %s}]", "servers: [{name: a, id: b, sections: [%s]}]", "servers: [{name: a, id: b, connections: %s}]",
		"servers: [{name: a, id: b, sharedWith: %s}]", "servers: [{name: a, id: b, sharedWith: [%s]}]", "servers: [{name: a, id: b, sections: [{name: c, number: %s}]}]",
		"servers: [{name: a, id: b, connections: [{uri: c, local: %s}]}]", "shares: [{server: a, with: b, sections: %s}]",
		"invitations: [{from: a, to: b, sections: [%s]}]", "faults: [{fault: slow, times: %s}]", "faults: [{fault: slow, seconds: %s}]",
		"faults: [{fault: slow, chance: %s}]", "faults: [{fault: slow, path: %s}]", "faults: [{fault: %s}]", "devices: [{account: a, id: b, version: %s}]",
	}
	for _, key := range []string{"email", "password", "home", "admin", "managed", "disabled", "homeAdmin", "guest"} {
		places = append(places, "accounts: [{username: a, "+key+": %s}]")
	}
	for _, place := range places {
		for _, value := range []string{
			"", "null", "~", "true", "yes", "off", "1", "0", "-1", "0.5", "2.0", "1e3", "1e300", "18446744073709551616", "word", `"1"`, `"true"`,
			"2030-01-02", "2030-01-02T03:04:05Z", "2030-13-02", "/path", "slow", "[]", "[1]", "[a, b]", "[[a]]", "[~]", "{}", "{colour: red}", "[{}]",
		} {
			text := fmt.Sprintf(place, value)
			_, read := scene.Read([]byte(text))
			valid := validate(t, text)
			// A missing or too small value is rejected when the scene is played.
			if late := strings.Contains(fmt.Sprint(valid), "missing propert") || strings.Contains(fmt.Sprint(valid), "min"); late {
				continue
			}
			if (read == nil) != (valid == nil) {
				t.Errorf("%s: reading it: %v; by the schema: %v", text, read, valid)
			}
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

// Any text is read or rejected.
func FuzzRead(f *testing.F) {
	f.Add([]byte(text))
	f.Add([]byte("accounts: &a\n- username: a\n  <<: *a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = scene.Read(text)
	})
}
