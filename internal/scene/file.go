package scene

import (
	"bytes"
	_ "embed" // the schema
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/trouble"
	"github.com/usher-auth/usher/plexauth"
)

// Schema is the JSON Schema of a file with a scene, for editors.
//
//go:embed schema.json
var Schema []byte

// file is a scene as YAML has it. The tags are the keys, as in the schema.
type file struct {
	Accounts  []FileAccount `yaml:"accounts"`
	Servers   []FileSource  `yaml:"servers"`
	Providers []FileSource  `yaml:"providers"`

	Friends     [][]string       `yaml:"friends"`
	Shares      []FileShare      `yaml:"shares"`
	Invitations []FileInvitation `yaml:"invitations"`
	Devices     []fileDevice     `yaml:"devices"`

	SignUp bool      `yaml:"signUp"`
	Time   time.Time `yaml:"time"`
	Frozen bool      `yaml:"frozen"`
	Seed   string    `yaml:"seed"`

	Faults []trouble.Fault `yaml:"faults"`
}

// FileAccount is an account as files and the control API have it.
type FileAccount struct {
	Username string `yaml:"username" json:"username"`
	Email    string `yaml:"email" json:"email,omitempty"`
	Password string `yaml:"password" json:"password,omitempty"`
	Token    string `yaml:"token" json:"token,omitempty"`
	TOTP     string `yaml:"totp" json:"totp,omitempty"`
	Admin    bool   `yaml:"admin" json:"admin,omitempty"`
	Managed  bool   `yaml:"managed" json:"managed,omitempty"`
	Disabled bool   `yaml:"disabled" json:"disabled,omitempty"`

	Home        string `yaml:"home" json:"home,omitempty"`
	PIN         string `yaml:"pin" json:"pin,omitempty"`
	HomeAdmin   bool   `yaml:"homeAdmin" json:"homeAdmin,omitempty"`
	Guest       bool   `yaml:"guest" json:"guest,omitempty"`
	Restriction string `yaml:"restriction" json:"restriction,omitempty"`
}

// Account returns the account.
func (a FileAccount) Account() Account {
	return Account{
		Username: a.Username, Email: a.Email, Password: plexauth.Secret(a.Password), Token: plexauth.Secret(a.Token),
		Seed: plexauth.Secret(a.TOTP), Admin: a.Admin, Managed: a.Managed, Disabled: a.Disabled,
		Home: a.Home, PIN: plexauth.Secret(a.PIN), HomeAdmin: a.HomeAdmin, Guest: a.Guest, Restriction: a.Restriction,
	}
}

// InFile returns an account as files have it, with its secrets.
func InFile(a Account) FileAccount {
	return FileAccount{
		Username: a.Username, Email: a.Email, Password: string(a.Password), Token: string(a.Token), TOTP: string(a.Seed),
		Admin: a.Admin, Managed: a.Managed, Disabled: a.Disabled,
		Home: a.Home, PIN: string(a.PIN), HomeAdmin: a.HomeAdmin, Guest: a.Guest, Restriction: a.Restriction,
	}
}

// FileSource is a server or a provider as files and the control API have it.
type FileSource struct {
	Name        string           `yaml:"name" json:"name"`
	ID          string           `yaml:"id" json:"id"`
	Owner       string           `yaml:"owner" json:"owner,omitempty"`
	Sections    []FileSection    `yaml:"sections" json:"sections,omitempty"`
	SharedWith  []string         `yaml:"sharedWith" json:"sharedWith,omitempty"`
	Connections []FileConnection `yaml:"connections" json:"connections,omitempty"`
}

// FileSection is a section as files and the control API have it.
type FileSection struct {
	Name   string `yaml:"name" json:"name"`
	Type   string `yaml:"type" json:"type,omitempty"`
	Number int    `yaml:"number" json:"number,omitempty"`
}

// UnmarshalYAML implements yaml.Unmarshaler: the name alone stands for a section.
func (s *FileSection) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&s.Name)
	}
	type plain FileSection // without this method
	return n.Decode((*plain)(s))
}

// UnmarshalJSON implements json.Unmarshaler, as UnmarshalYAML does.
func (s *FileSection) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, &s.Name); err == nil {
		return nil
	}
	type plain FileSection // without this method
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode((*plain)(s))
}

// FileShare is a share as files and the control API have it.
type FileShare struct {
	Server   string   `yaml:"server" json:"server"`
	With     string   `yaml:"with" json:"with"`
	Sections []string `yaml:"sections" json:"sections,omitzero"`
}

// FileInvitation is an invitation as files and the control API have it.
type FileInvitation struct {
	From     string   `yaml:"from" json:"from"`
	To       string   `yaml:"to" json:"to"`
	Server   string   `yaml:"server" json:"server,omitempty"`
	Sections []string `yaml:"sections" json:"sections,omitzero"`
}

type fileDevice struct {
	Account         string `yaml:"account"`
	ID              string `yaml:"id"`
	Name            string `yaml:"name"`
	Product         string `yaml:"product"`
	Version         string `yaml:"version"`
	Platform        string `yaml:"platform"`
	PlatformVersion string `yaml:"platformVersion"`
	Device          string `yaml:"device"`
	Model           string `yaml:"model"`
	Vendor          string `yaml:"vendor"`
	Token           string `yaml:"token"`
}

// FileConnection is a connection as files and the control API have it.
type FileConnection struct {
	URI   string `yaml:"uri" json:"uri"`
	Local bool   `yaml:"local" json:"local,omitempty"`
	Relay bool   `yaml:"relay" json:"relay,omitempty"`
}

// ReadFile reads a scene from a YAML file.
func ReadFile(path string) (Scene, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Scene{}, fmt.Errorf("reading the scene: %w", err)
	}
	s, err := Read(text)
	if err != nil {
		return Scene{}, fmt.Errorf("reading the scene %s: %w", path, err)
	}
	return s, nil
}

// Read reads a scene from YAML. An unknown key is an error, which names the key
// that was probably meant.
func Read(text []byte) (Scene, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return Scene{}, readable(err)
	}
	if len(root.Content) == 0 {
		return Scene{}, errors.New("the file is empty")
	}
	if err := checkKeys(root.Content[0], keysOfFile, ""); err != nil {
		return Scene{}, err
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	var f file
	if err := dec.Decode(&f); err != nil {
		return Scene{}, readable(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Scene{}, errors.New("the file has more than one document")
	}
	for i, fault := range f.Faults {
		if err := fault.Check(); err != nil {
			return Scene{}, fmt.Errorf("fault %d: %w", i+1, err)
		}
	}
	return f.scene(), nil
}

// readable is an error of the library in one line, without its own name.
func readable(err error) error {
	var types *yaml.TypeError
	if errors.As(err, &types) {
		lines := make([]string, len(types.Errors))
		for i, text := range types.Errors {
			lines[i] = inWords(text)
		}
		return errors.New(strings.Join(lines, "; "))
	}
	return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
}

// mismatch is what the library says of a value of the wrong kind: its tag, the value if
// it is one, and the type that it does not fit.
var mismatch = regexp.MustCompile("(?s)^(line \\d+: )cannot unmarshal !!(\\w+)(?: `(.*)`)? into (\\S+)$")

// inWords says in the words of YAML, not of Go, that a value is of the wrong kind.
func inWords(text string) string {
	m := mismatch.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	value, wanted := strconv.Quote(m[3]), "a mapping with keys"
	switch m[2] {
	case "map":
		value = "a mapping"
	case "seq":
		value = "a list"
	}
	switch to := m[4]; {
	case strings.HasPrefix(to, "[]"):
		wanted = "a list"
	case to == "string":
		wanted = "a text"
	case to == "bool":
		wanted = "true or false"
	case to == "int":
		wanted = "a whole number"
	case to == "float64":
		wanted = "a number"
	case to == "time.Time":
		wanted = "a time such as 2030-01-02T03:04:05Z"
	}
	return m[1] + value + " is not " + wanted
}

func (f file) scene() Scene {
	s := Scene{Friends: f.Friends, SignUp: f.SignUp, Time: f.Time, Frozen: f.Frozen, Seed: f.Seed, Faults: f.Faults}
	for _, a := range f.Accounts {
		s.Accounts = append(s.Accounts, a.Account())
	}
	for _, src := range f.Servers {
		s.Sources = append(s.Sources, src.Source(source.Server))
	}
	for _, src := range f.Providers {
		s.Sources = append(s.Sources, src.Source(source.Provider))
	}
	for _, h := range f.Shares {
		s.Shares = append(s.Shares, Share(h))
	}
	for _, i := range f.Invitations {
		s.Invitations = append(s.Invitations, Invitation(i))
	}
	for _, d := range f.Devices {
		s.Devices = append(s.Devices, d.device())
	}
	return s
}

func (d fileDevice) device() Device {
	return Device{Account: d.Account, Token: plexauth.Secret(d.Token), Device: device.Device{
		ClientIdentifier: d.ID, Product: d.Product, Version: d.Version, Platform: d.Platform, PlatformVersion: d.PlatformVersion,
		Device: d.Device, Model: d.Model, Vendor: d.Vendor, Name: d.Name,
	}}
}

// Source returns a source; without connections in the file, it has those of Nowhere.
func (src FileSource) Source(kind source.Kind) Source {
	out := Source{Kind: kind, Name: src.Name, Identifier: src.ID, Owner: src.Owner, SharedWith: src.SharedWith}
	for _, c := range src.Connections {
		out.Connections = append(out.Connections, source.Connection{URI: c.URI, Local: c.Local, Relay: c.Relay})
	}
	for _, sec := range src.Sections {
		out.Sections = append(out.Sections, source.Section{Number: sec.Number, Title: sec.Name, Kind: sec.Type})
	}
	if len(out.Connections) == 0 {
		out.Connections = Nowhere()
	}
	return out
}

// SourceInFile returns a source as files have it.
func SourceInFile(src Source) FileSource {
	out := FileSource{Name: src.Name, ID: src.Identifier, Owner: src.Owner, SharedWith: src.SharedWith}
	for _, c := range src.Connections {
		out.Connections = append(out.Connections, FileConnection{URI: c.URI, Local: c.Local, Relay: c.Relay})
	}
	for _, sec := range src.Sections {
		out.Sections = append(out.Sections, FileSection{Name: sec.Title, Type: sec.Kind, Number: sec.Number})
	}
	return out
}

// keys are the keys of a mapping, with those below them; nil for a value, and whole for
// a whole number.
type keys map[string]keys

// whole is the value of a key that takes a whole number: the library cuts others off.
var whole = keys{}

var (
	keysOfConnection = keys{"uri": nil, "local": nil, "relay": nil}
	keysOfProvider   = keys{"name": nil, "id": nil, "owner": nil, "sharedWith": nil, "connections": keysOfConnection}
	keysOfServer     = keys{
		"name": nil, "id": nil, "owner": nil, "sharedWith": nil, "connections": keysOfConnection,
		"sections": {"name": nil, "type": nil, "number": whole},
	}
	keysOfFile = keys{
		"accounts": {
			"username": nil, "email": nil, "password": nil, "token": nil, "totp": nil,
			"admin": nil, "managed": nil, "disabled": nil,
			"home": nil, "pin": nil, "homeAdmin": nil, "guest": nil, "restriction": nil,
		},
		"servers": keysOfServer, "providers": keysOfProvider, "signUp": nil, "time": nil, "frozen": nil, "seed": nil,
		"friends":     nil,
		"shares":      {"server": nil, "with": nil, "sections": nil},
		"invitations": {"from": nil, "to": nil, "server": nil, "sections": nil},
		"devices": {
			"account": nil, "id": nil, "name": nil, "product": nil, "version": nil, "platform": nil, "platformVersion": nil,
			"device": nil, "model": nil, "vendor": nil, "token": nil,
		},
		"faults": {"fault": nil, "path": nil, "times": whole, "skip": whole, "seconds": nil, "chance": nil},
	}
)

// checkKeys returns an error for a key that is not known. where is the key above.
func checkKeys(n *yaml.Node, known keys, where string) error {
	switch {
	case known == nil:
		return nil
	case len(known) == 0:
		if n.ShortTag() == "!!float" {
			return fmt.Errorf("line %d: %q is not a whole number", n.Line, n.Value)
		}
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			if err := checkKeys(item, known, where); err != nil {
				return err
			}
		}
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			below, ok := known[name]
			if !ok {
				return unknownKey(n.Content[i], known, where)
			}
			if err := checkKeys(n.Content[i+1], below, name); err != nil {
				return err
			}
		}
	case where == "":
		return errors.New("the file is not a mapping with keys such as accounts")
	}
	return nil
}

func unknownKey(n *yaml.Node, known keys, where string) error {
	in := "a scene"
	if where != "" {
		in = where
	}
	err := fmt.Errorf("line %d: %s has no key %q", n.Line, in, n.Value)
	return fmt.Errorf("%w%s", err, meant(n.Value, slices.Sorted(maps.Keys(known))))
}
