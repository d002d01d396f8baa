package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/suggest"
	"github.com/usher-auth/usher/plexauth"
)

// provenance is the origin of a flag's value.
type provenance struct {
	level level
	// name is a flag, a variable, or a file with a line.
	name string
}

// provenances maps the name of a command's flag to its provenance.
type provenances map[string]provenance

// level orders the origins: a value of a higher level takes precedence.
type level int

const (
	byDefault level = iota
	byFile
	byVariable
	byFlag
)

// settle sets the flags that the command line does not set: from the environment, and
// then from the configuration file.
func (a *app) settle(flags *pflag.FlagSet) error {
	if err := a.flagsFromEnv(flags); err != nil {
		return err
	}
	if file := flags.Lookup("config"); file != nil && file.Value.String() != "" {
		if err := a.flagsFromFile(flags, file.Value.String()); err != nil {
			return err
		}
	}
	return errors.Join(a.readSecrets(flags), a.folder.settle())
}

// flagsFromFile sets unset flags from a configuration file. The file has the settings
// of the server. Other commands use those that they have in common with it.
func (a *app) flagsFromFile(flags *pflag.FlagSet, path string) error {
	settings, err := readConfig(path)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range settings {
		f := flags.Lookup(s.name)
		if f == nil || f.Changed {
			continue
		}
		a.from[f.Name] = provenance{byFile, s.place}
		values := s.values
		if f.Value.Type() != "stringArray" {
			values = []string{strings.Join(values, " ")}
		}
		for _, v := range values {
			if err := flags.Set(f.Name, v); err != nil {
				errs = append(errs, wrongUse("%s: %w", s.place, badValue(err)))
			}
		}
	}
	return errors.Join(errs...)
}

// secretOf is the annotation of a flag that names the file with the secret of another
// flag.
const secretOf = "usher-secret-of"

// secretVar adds a flag that can contain a secret, and one with the suffix -file
// for a file that contains it: arguments and variables can be read by others.
func secretVar(flags *pflag.FlagSet, value *string, name, usage string) {
	flags.StringVar(value, name, "", usage)
	flags.String(name+"-file", "", "`file` with the value of --"+name+" on its first line")
	_ = flags.SetAnnotation(name+"-file", secretOf, []string{name})
}

// isSecret reports whether a flag can contain a secret.
func isSecret(flags *pflag.FlagSet, name string) bool {
	f := flags.Lookup(name + "-file")
	return f != nil && f.Annotations[secretOf] != nil
}

// readSecrets sets the flags whose secret is in a file.
func (a *app) readSecrets(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Annotations[secretOf] == nil || f.Value.String() == "" {
			return
		}
		name := f.Annotations[secretOf][0]
		from, other := a.from[f.Name], a.from[name]
		switch {
		case other.level > from.level:
			return
		case other.level == from.level:
			errs = append(errs, wrongUse("%s and %s are both set", other.name, from.name))
			return
		}
		secret, err := firstLine(f.Value.String())
		if err == nil && secret == "" {
			err = fmt.Errorf("the first line of %s is empty", f.Value)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("reading %s: %w", from.name, err))
			return
		}
		a.from[name] = from
		errs = append(errs, flags.Set(name, string(secret)))
	})
	return errors.Join(errs...)
}

// fileSetting is a setting of a configuration file.
type fileSetting struct {
	name   string
	values []string
	// place is the file and the line.
	place string
}

// serverFlags are the flags that a configuration file can set.
func serverFlags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	(&folder{env: func(string) (string, bool) { return "", false }}).addFlags(flags)
	new(serveOptions).addFlags(flags)
	return flags
}

// maxConfig is the size limit of a configuration file, in bytes.
const maxConfig = 1 << 20

// readConfig reads a configuration file, whose YAML keys are the flags of usher serve
// without the leading dashes. It rejects a file with a secret that other users can
// access.
func readConfig(path string) ([]fileSetting, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading --config: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading --config: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("reading --config: %w", err)
	}
	if len(text) > maxConfig {
		return nil, wrongUse("%s is larger than %d bytes", path, maxConfig)
	}
	settings, err := parseConfig(path, string(text))
	if err != nil {
		return nil, err
	}
	known := serverFlags()
	for _, s := range settings {
		if secret := strings.Join(s.values, " "); isSecret(known, s.name) && withoutPassword(secret) != secret && seal.OpenToOthers(info) {
			err := fmt.Errorf("%s contains a secret, and other users can access the file: its mode is %04o", s.place, info.Mode().Perm())
			return nil, &hintError{err, "chmod 600 " + shellQuote(path) + ", or set " + s.name + "-file in it"}
		}
	}
	return settings, nil
}

// parseConfig reads the text of a configuration file.
func parseConfig(path, text string) ([]fileSetting, error) {
	dec := yaml.NewDecoder(strings.NewReader(text))
	var root, more yaml.Node
	if err := dec.Decode(&root); errors.Is(err, io.EOF) {
		return nil, nil // nothing but comments
	} else if err != nil {
		return nil, unreadable(path, text, err)
	}
	if err := dec.Decode(&more); err == nil {
		return nil, wrongUse("%s has more than one document", path)
	} else if !errors.Is(err, io.EOF) {
		return nil, unreadable(path, text, err)
	}
	top := root.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return nil, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, wrongUse("%s:%d: a setting is written as \"name: value\"", path, top.Line)
	}
	known := serverFlags()
	var settings []fileSetting
	for pair := range slices.Chunk(top.Content, 2) {
		key, value := pair[0], pair[1]
		s := fileSetting{name: key.Value, place: fmt.Sprintf("%s:%d", path, key.Line)}
		f := known.Lookup(s.name)
		if f == nil {
			return nil, unknownSetting(s, known)
		}
		if slices.ContainsFunc(settings, func(other fileSetting) bool { return other.name == s.name }) {
			return nil, wrongUse("%s: %s is set twice", s.place, s.name)
		}
		var err error
		if s.values, err = valuesOf(f, value); err != nil {
			return nil, wrongUse("%s: %s: %w", s.place, s.name, err)
		}
		settings = append(settings, s)
	}
	return settings, nil
}

// unreadable returns why a text is not valid YAML, without quoting the text, which may
// be secret.
func unreadable(path, text string, err error) error {
	if !utf8.ValidString(text) {
		return wrongUse("%s is not text in UTF-8", path)
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: "), ":")
	if !strings.HasPrefix(line, "line ") {
		line = "line 1"
	}
	err = wrongUse("%s: this is not valid YAML: %s", path, line)
	if indentedByTab.MatchString(text) {
		return &usageError{&hintError{err, "indent with spaces: YAML does not allow tabs"}}
	}
	return err
}

var indentedByTab = regexp.MustCompile(`(?m)^ *\t`)

// unknownSetting returns the error for an unknown setting, which suggests the closest
// one.
func unknownSetting(s fileSetting, known *pflag.FlagSet) error {
	var names []string
	known.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	err := wrongUse("%s: there is no setting %q", s.place, s.name)
	typed := strings.ReplaceAll(strings.ToLower(strings.TrimLeft(s.name, "-")), "_", "-")
	typed = strings.TrimPrefix(typed, strings.ToLower(strings.ReplaceAll(envPrefix, "_", "-")))
	if singular, ok := strings.CutSuffix(typed, "ies"); ok {
		typed = singular + "y"
	}
	meant := suggest.Closest(typed, names)
	for _, name := range names { // a word more or less
		if meant == "" && (strings.HasPrefix(name, typed+"-") || strings.HasPrefix(typed, name+"-")) {
			meant = name
		}
	}
	if slices.Contains(names, typed+"-file") { // a secret without a file
		meant = typed + "-file"
	}
	if meant != "" {
		return &usageError{&hintError{err, "did you mean " + meant + "?"}}
	}
	return &usageError{&hintError{err, "usher config check lists all settings"}}
}

// valuesOf returns the values of a setting as they would be given to its flag.
func valuesOf(f *pflag.Flag, value *yaml.Node) ([]string, error) {
	value = withoutAlias(value)
	list := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode && (f.Value.Type() == "stringArray" || f.Name == "public-url") {
		list = value.Content
	}
	var values []string
	for _, v := range list {
		v = withoutAlias(v)
		switch {
		case v.Kind != yaml.ScalarNode:
			return nil, errors.New("its value is not a single text or number")
		case v.Tag == "!!null" || v.Value == "":
			return nil, errors.New("it has no value")
		case strings.ContainsFunc(v.Value, unicode.IsControl):
			return nil, errors.New("its value has a line break or another control character")
		case f.Value.Type() == "int" && leadingZero.MatchString(v.Value):
			return nil, errors.New("its value begins with 0, which would make it an octal number")
		}
		values = append(values, v.Value)
	}
	return values, nil
}

// leadingZero matches numbers that are octal in some versions of YAML, and decimal in
// others.
var leadingZero = regexp.MustCompile(`^[+-]?0[0-9_]`)

// withoutAlias returns the node that a node refers to, or the node itself.
func withoutAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// configCommands are the commands about the settings of the server.
type configCommands struct {
	*console
	*folder
	app *app
}

func (cs configCommands) command() *cobra.Command {
	return group("config", "Check the settings of the server", "Check the settings of the server.", cs.checkCommand())
}

func (cs configCommands) checkCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "check",
		Short: "List all settings, with where each is from",
		Long: `List all settings of usher serve with their origins, and check them. Run the command
with the flags, the environment and the configuration file of the server.

--config names a file in YAML. Its keys are the flags of usher serve, without the
dashes in front; a flag that can be repeated takes a list:

  public-url: https://usher.example.org
  trusted-proxy: [127.0.0.1, 10.0.0.0/8]
  database-file: /run/secrets/database

A flag takes precedence over a variable, and a variable over the file. Secrets in values
are not printed.`,
		Example: `  usher config check --config /etc/usher/usher.yaml
  sudo -u usher env $(grep -v '^#' /etc/usher/usher.env) usher config check --json`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := o.level()
			return errors.Join(cs.list(cmd.Flags()), o.check(), err, cs.checkDatabase())
		},
	}
	o.addFlags(cmd.Flags())
	return cs.jsonFlag(cmd)
}

// checkDatabase checks that the URL of the database can be read, if it is set.
func (cs configCommands) checkDatabase() error {
	if cs.database == "" {
		return nil
	}
	if err := core.CheckDatabase(plexauth.Secret(cs.database)); err != nil {
		return wrongUse("--database: %w", err)
	}
	return nil
}

// shownSetting is a setting as usher config check shows it.
type shownSetting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	From   string `json:"from"`
	Secret bool   `json:"secret"`
}

// list prints the settings.
func (cs configCommands) list(flags *pflag.FlagSet) error {
	var rows []shownSetting
	serverFlags().VisitAll(func(known *pflag.Flag) {
		f := flags.Lookup(known.Name)
		row := shownSetting{
			Name: f.Name, Value: flagValue(f), From: cmp.Or(cs.app.from[f.Name].name, "default"), Secret: isSecret(flags, f.Name),
		}
		if row.Secret && row.Value != "" {
			row.Value = withoutPassword(row.Value)
		}
		rows = append(rows, row)
	})
	if password, _ := cs.app.env(adminPasswordEnv); password != "" {
		rows = append(rows, shownSetting{"admin-password", "…", adminPasswordEnv, true})
	}
	slices.SortFunc(rows, func(a, b shownSetting) int { return cmp.Compare(a.Name, b.Name) })
	return printList(cs.console, rows, []string{"SETTING", "VALUE", "FROM"}, func(s shownSetting) []string {
		return []string{s.Name, cmp.Or(s.Value, "-"), s.From}
	})
}

// flagValue returns the value of a flag as text. Several values are separated by
// spaces.
func flagValue(f *pflag.Flag) string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return strings.Join(list.GetSlice(), " ")
	}
	return f.Value.String()
}
