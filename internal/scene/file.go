package scene

import (
	"bytes"
	_ "embed" // the schema
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
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

// Schema is the JSON Schema of scene files, for editors.
//
//go:embed schema.json
var Schema []byte

// file is the YAML form of a scene. The tags are the keys, as in the schema.
type file struct {
	Accounts  []FileAccount `yaml:"accounts"`
	Servers   []FileSource  `yaml:"servers"`
	Providers []FileSource  `yaml:"providers"`

	Friends     [][]string       `yaml:"friends"`
	Shares      []FileShare      `yaml:"shares"`
	Invitations []FileInvitation `yaml:"invitations"`
	Devices     []fileDevice     `yaml:"devices"`

	SignUp bool   `yaml:"signUp"`
	Time   string `yaml:"time"`
	Frozen bool   `yaml:"frozen"`
	Seed   string `yaml:"seed"`

	Faults []trouble.Fault `yaml:"faults"`
}

// FileAccount is an account in files and in the control API.
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

// InFile returns the file form of an account, with its secrets.
func InFile(a Account) FileAccount {
	return FileAccount{
		Username: a.Username, Email: a.Email, Password: string(a.Password), Token: string(a.Token), TOTP: string(a.Seed),
		Admin: a.Admin, Managed: a.Managed, Disabled: a.Disabled,
		Home: a.Home, PIN: string(a.PIN), HomeAdmin: a.HomeAdmin, Guest: a.Guest, Restriction: a.Restriction,
	}
}

// FileSource is a server or a provider in files and in the control API.
type FileSource struct {
	Name        string           `yaml:"name" json:"name"`
	ID          string           `yaml:"id" json:"id"`
	Owner       string           `yaml:"owner" json:"owner,omitempty"`
	Sections    []FileSection    `yaml:"sections" json:"sections,omitempty"`
	SharedWith  []string         `yaml:"sharedWith" json:"sharedWith,omitempty"`
	Connections []FileConnection `yaml:"connections" json:"connections,omitempty"`
}

// FileSection is a section in files and in the control API.
type FileSection struct {
	Name   string `yaml:"name" json:"name"`
	Type   string `yaml:"type" json:"type,omitempty"`
	Number int    `yaml:"number" json:"number,omitempty"`
}

// UnmarshalYAML implements yaml.Unmarshaler. A section may be its name alone.
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

// FileShare is a share in files and in the control API.
type FileShare struct {
	Server   string   `yaml:"server" json:"server"`
	With     string   `yaml:"with" json:"with"`
	Sections []string `yaml:"sections" json:"sections,omitzero"`
}

// FileInvitation is an invitation in files and in the control API.
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

// FileConnection is a connection in files and in the control API.
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

// Read reads a scene from YAML. The error for an unknown key suggests the closest key.
func Read(text []byte) (Scene, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return Scene{}, readable(err)
	}
	if len(root.Content) == 0 {
		return Scene{}, errors.New("the file is empty")
	}
	if err := root.Decode(new(any)); err != nil { // an anchor that contains itself, a key that is there twice
		return Scene{}, readable(err)
	}
	if err := (want{keys: keysOfFile}).check(root.Content[0], ""); err != nil {
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
	s := f.scene()
	if f.Time != "" {
		var err error
		if s.Time, err = ParseTime(f.Time); err != nil {
			return Scene{}, err
		}
	}
	return s, nil
}

// readable returns an error of the YAML library in one line, without the library's
// prefix.
func readable(err error) error {
	var types *yaml.TypeError
	if errors.As(err, &types) {
		return errors.New(strings.Join(types.Errors, "; "))
	}
	if strings.HasPrefix(err.Error(), "yaml: invalid map key") { // and the key in Go
		return errors.New("a key is not a text")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
}

func (f file) scene() Scene {
	s := Scene{Friends: f.Friends, SignUp: f.SignUp, Frozen: f.Frozen, Seed: f.Seed, Faults: f.Faults}
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

// Source returns a source. Without connections in the file, it has those of Nowhere.
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

// SourceInFile returns the file form of a source.
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

// kind is what a value of a file is.
type kind int

const (
	aMapping kind = iota
	aList
	aText
	aBool
	aWhole
	aNumber
	aTime
)

// in words, as errors have it.
func (k kind) String() string {
	return [...]string{
		"a mapping with keys", "a list", "a text", "true or false", "a whole number", "a number",
		"a time from 1970 to 2105, such as 2030-01-02T03:04:05Z",
	}[k]
}

// want is what a value of a file must be. The library takes more than the schema does:
// it cuts numbers off, and reads texts as anything.
type want struct {
	kind kind
	keys keys  // of a mapping
	of   *want // of a list: what each item must be
	// name says that a text stands for a mapping.
	name bool
}

// keys are the keys of a mapping.
type keys map[string]want

func listOf(w want) want { return want{kind: aList, of: &w} }

var (
	text, boolean, whole, number = want{kind: aText}, want{kind: aBool}, want{kind: aWhole}, want{kind: aNumber}

	texts            = listOf(text)
	keysOfConnection = keys{"uri": text, "local": boolean, "relay": boolean}
	keysOfSection    = keys{"name": text, "type": text, "number": whole}
	keysOfProvider   = keys{"name": text, "id": text, "owner": text, "sharedWith": texts, "connections": listOf(want{keys: keysOfConnection})}
	keysOfServer     = keys{
		"name": text, "id": text, "owner": text, "sharedWith": texts, "connections": listOf(want{keys: keysOfConnection}),
		"sections": listOf(want{keys: keysOfSection, name: true}),
	}
	keysOfFile = keys{
		"accounts": listOf(want{keys: keys{
			"username": text, "email": text, "password": text, "token": text, "totp": text,
			"admin": boolean, "managed": boolean, "disabled": boolean,
			"home": text, "pin": text, "homeAdmin": boolean, "guest": boolean, "restriction": text,
		}}),
		"servers": listOf(want{keys: keysOfServer}), "providers": listOf(want{keys: keysOfProvider}),
		"signUp": boolean, "time": {kind: aTime}, "frozen": boolean, "seed": text,
		"friends":     listOf(texts),
		"shares":      listOf(want{keys: keys{"server": text, "with": text, "sections": texts}}),
		"invitations": listOf(want{keys: keys{"from": text, "to": text, "server": text, "sections": texts}}),
		"devices": listOf(want{keys: keys{
			"account": text, "id": text, "name": text, "product": text, "version": text, "platform": text, "platformVersion": text,
			"device": text, "model": text, "vendor": text, "token": text,
		}}),
		"faults": listOf(want{keys: keys{"fault": text, "path": text, "times": whole, "skip": whole, "seconds": number, "chance": number}}),
	}
)

// check returns an error if a value is not what it must be, or has a key that is not
// known. where is the key above. An empty value is treated as missing.
func (w want) check(n *yaml.Node, where string) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	empty := n.ShortTag() == "!!null"
	switch {
	case empty && where == "":
		return errNoMapping
	case empty, w.name && aText.is(n):
		return nil
	case !w.kind.is(n):
		if where == "" {
			return errNoMapping
		}
		return fmt.Errorf("line %d: %s is not %s", n.Line, inWords(n), w.kind)
	case w.kind == aMapping:
		return w.keys.check(n, where)
	case w.kind == aList:
		for _, item := range n.Content {
			if item.ShortTag() == "!!null" {
				return fmt.Errorf("line %d: an item of %s is empty", item.Line, where)
			}
			if err := w.of.check(item, where); err != nil {
				return err
			}
		}
	}
	return nil
}

var errNoMapping = errors.New("the file is not a mapping with keys such as accounts")

// check checks the keys of a mapping and their values.
func (k keys) check(n *yaml.Node, where string) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() == "!!merge" { // << has the keys of another mapping, or of several
			if err := k.checkMerged(value, where); err != nil {
				return err
			}
			continue
		}
		w, ok := k[key.Value]
		if !ok {
			return k.unknown(key, where)
		}
		if err := w.check(value, key.Value); err != nil {
			return err
		}
	}
	return nil
}

// checkMerged checks the value of <<, which the library reads later.
func (k keys) checkMerged(n *yaml.Node, where string) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	for _, from := range list {
		if from.Kind == yaml.AliasNode {
			from = from.Alias
		}
		if err := k.check(from, where); err != nil {
			return err
		}
	}
	return nil
}

// is reports whether a value is of a kind.
func (k kind) is(n *yaml.Node) bool {
	tag := n.ShortTag()
	switch k {
	case aMapping:
		return n.Kind == yaml.MappingNode
	case aList:
		return n.Kind == yaml.SequenceNode
	case aText: // a number is a text without quotes
		return n.Kind == yaml.ScalarNode && tag != "!!bool"
	case aBool: // the library takes yes and on for true, which are texts since YAML 1.2
		return tag == "!!bool"
	case aWhole:
		var f float64
		return (tag == "!!int" || tag == "!!float") && n.Decode(&f) == nil && f == math.Trunc(f) && math.Abs(f) <= maxWhole
	case aNumber:
		return tag == "!!int" || tag == "!!float"
	case aTime:
		_, err := ParseTime(n.Value)
		return n.Kind == yaml.ScalarNode && err == nil
	}
	return false
}

// maxWhole is the largest whole number that every JSON reader reads exactly.
const maxWhole = 1<<53 - 1

// inWords names a value.
func inWords(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(n.Value)
}

// ParseTime reads a time as files and flags have it: by RFC 3339, or a day alone, which
// is its beginning in UTC. It is from 1970 to 2105: nonces have it as 32 bits of seconds.
func ParseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t, err = time.Parse(time.RFC3339, text)
	}
	if err == nil && (t.Unix() < 0 || t.UTC().Year() > lastYear) {
		err = errors.New("the time is not from 1970 to 2105")
	}
	return t, err
}

const lastYear = 2105

// unknown is the error of a key that is not known.
func (k keys) unknown(n *yaml.Node, where string) error {
	in := "a scene"
	if where != "" {
		in = where
	}
	return fmt.Errorf("line %d: %s has no key %q%s", n.Line, in, n.Value, meant(n.Value, slices.Sorted(maps.Keys(k))))
}
