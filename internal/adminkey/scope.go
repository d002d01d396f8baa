package adminkey

import (
	"slices"
	"strings"

	"github.com/usher-auth/usher/internal/fault"
)

// Scope is a permission of a key: "noun:read" or "noun:write". A write scope includes
// the read scope.
type Scope string

// The scopes. Each has its row in scopes.
const (
	AccountsRead   Scope = "accounts:read"
	AccountsWrite  Scope = "accounts:write"
	AdminsWrite    Scope = "admins:write"
	TokensRead     Scope = "tokens:read"
	TokensWrite    Scope = "tokens:write"
	ServersRead    Scope = "servers:read"
	ServersWrite   Scope = "servers:write"
	ProvidersRead  Scope = "providers:read"
	ProvidersWrite Scope = "providers:write"
	HomesRead      Scope = "homes:read"
	HomesWrite     Scope = "homes:write"
	SettingsRead   Scope = "settings:read"
	SettingsWrite  Scope = "settings:write"
	AuditRead      Scope = "audit:read"
	StatusRead     Scope = "status:read"
)

// Meaning describes a scope.
type Meaning struct {
	Scope Scope
	Means string // what it permits, for the documentation
}

// scopes is the table of all scopes. docs/admin-api.md has the same table.
var scopes = [...]Meaning{
	{AccountsRead, "list and read accounts and their passkeys, and invitations"},
	{AccountsWrite, "create and change member accounts, invite users, and create reset links"},
	{AdminsWrite, "together with another scope: change admin accounts and their objects, and promote accounts"},
	{TokensRead, "list devices, tokens and signed-in browsers"},
	{TokensWrite, "revoke tokens, and sign out devices and browsers"},
	{ServersRead, "list servers, their connections, sections and shares"},
	{ServersWrite, "add and remove servers and sections, and share servers"},
	{ProvidersRead, "list providers"},
	{ProvidersWrite, "add and remove providers"},
	{HomesRead, "list the users of homes"},
	{HomesWrite, "add, change and remove users of homes"},
	{SettingsRead, "list allowed origins and the keys that sign JWTs"},
	{SettingsWrite, "allow and remove origins, and replace the key that signs JWTs"},
	{AuditRead, "read and verify the audit log"},
	{StatusRead, "read the version and the counts"},
}

// Scopes returns all scopes with their descriptions.
func Scopes() []Meaning { return scopes[:] }

// ScopesField is the field that the error about an invalid scope names.
const ScopesField = "scope"

// ParseScopes parses the names of scopes. It returns each scope once, in the order of
// Scopes. Errors: fault.Invalid.
func ParseScopes(names []string) (list []Scope, err error) {
	asked := make(map[Scope]bool)
	for _, name := range names {
		s := Scope(strings.TrimSpace(name))
		if !slices.ContainsFunc(scopes[:], func(m Meaning) bool { return m.Scope == s }) {
			return nil, fault.Invalidf(ScopesField, "there is no scope of this name")
		}
		asked[s] = true
	}
	for _, m := range scopes {
		if asked[m.Scope] {
			list = append(list, m.Scope)
		}
	}
	if len(list) == 0 {
		return nil, fault.Invalidf(ScopesField, "a key needs at least one scope")
	}
	return list, nil
}

// Allows reports whether the key has a scope, or the one that includes it.
func (k Key) Allows(s Scope) bool {
	noun, reads := strings.CutSuffix(string(s), ":read")
	return slices.Contains(k.Scopes, s) || reads && slices.Contains(k.Scopes, Scope(noun+":write"))
}
