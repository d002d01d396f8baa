package scene

import (
	"regexp"
	"strings"

	"github.com/usher-auth/usher/internal/source"
)

// Variable is an environment variable that describes a scene to a program. Values can
// be secret, because tests sign in with them.
type Variable struct{ Name, Value string }

// Variables returns the variables about a cast. A name consists of the kind, the name
// of the object and the field, in capitals: USHER_ACCOUNT_ADMIN_PASSWORD,
// USHER_SERVER_DEN_ID. Empty fields have no variable.
func (c *Cast) Variables() []Variable {
	var list []Variable
	add := func(kind, name, field, value string) {
		if value != "" {
			list = append(list, Variable{"USHER_" + kind + "_" + inName(name) + "_" + field, value})
		}
	}
	for _, p := range c.People {
		add("ACCOUNT", p.Username, "USERNAME", p.Username)
		add("ACCOUNT", p.Username, "EMAIL", p.Email)
		add("ACCOUNT", p.Username, "PASSWORD", string(p.Password))
		add("ACCOUNT", p.Username, "TOKEN", string(p.Token))
		add("ACCOUNT", p.Username, "TOTP_SECRET", string(p.Seed))
		add("ACCOUNT", p.Username, "PIN", string(p.PIN))
	}
	for _, src := range c.Sources {
		kind := "SERVER"
		if src.Kind == source.Provider {
			kind = "PROVIDER"
		}
		add(kind, src.Name, "ID", src.Identifier)
		add(kind, src.Name, "NAME", src.Name)
		if len(src.Connections) > 0 {
			add(kind, src.Name, "URL", src.Connections[0].URI)
		}
	}
	for _, d := range c.Devices {
		add("DEVICE", d.Device.ClientIdentifier, "ID", d.Device.ClientIdentifier)
		add("DEVICE", d.Device.ClientIdentifier, "TOKEN", string(d.Token))
	}
	return list
}

// Secrets returns the secrets of a cast that are long enough to be searched for in
// texts.
func (c *Cast) Secrets() (list []string) {
	for _, p := range c.People {
		list = append(list, string(p.Password), string(p.Token), string(p.Seed))
	}
	for _, d := range c.Devices {
		list = append(list, string(d.Token))
	}
	return list
}

var notInName = regexp.MustCompile(`[^A-Z0-9]+`)

// inName returns a name in the form that it has in the name of a variable.
func inName(name string) string {
	return strings.Trim(notInName.ReplaceAllString(strings.ToUpper(name), "_"), "_")
}

var variable = regexp.MustCompile(
	`^USHER_(ACCOUNT_\w+_(USERNAME|EMAIL|PASSWORD|TOKEN|TOTP_SECRET|PIN)|(SERVER|PROVIDER)_\w+_(ID|NAME|URL)|DEVICE_\w+_(ID|TOKEN))$`)

// IsVariable reports whether a variable is about a scene, by its name.
func IsVariable(name string) bool { return variable.MatchString(name) }
