// Package scene defines the initial state of a test: accounts with known passwords and
// tokens, servers, and their shares.
//
// It owns the default accounts and servers of the test kits, the format of scene files,
// how a scene becomes rows of a database, and the names of the variables that describe
// it to a program. It does not own the rules of accounts, homes, friends and sources:
// it calls the services, as the command line and programs do.
//
// The passwords and tokens here are public. Use a scene only for a throw-away database.
package scene

import (
	"hash/fnv"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/trouble"
	"github.com/usher-auth/usher/plexauth"
)

// Scene is the initial content of a database.
type Scene struct {
	Accounts []Account
	// Sources are servers and providers besides usher itself.
	Sources []Source
	// Friends are pairs of usernames.
	Friends [][]string
	// Shares are invitations to servers that were accepted. Both sides are friends.
	Shares []Share
	// Invitations are the pending invitations.
	Invitations []Invitation
	// Devices are programs that are signed in, besides Device.
	Devices []Device
	// Device is the client identifier of the device that holds the tokens of the
	// accounts. If empty, it is "scene".
	Device string
	// Time is the initial time. If zero, it is the machine's time.
	Time time.Time
	// SignUp reports whether programs may create accounts for new users, as with usher
	// serve --sign-up.
	SignUp bool
	// Frozen reports whether the clock is stopped.
	Frozen bool
	// Seed makes ids, tokens and codes the same in every run. If empty, they are
	// random.
	Seed string
	// Faults are the injected faults, in order.
	Faults []trouble.Fault
}

// RandomSeed returns the seed of the scene as a number.
func (s Scene) RandomSeed() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.Seed)) // never fails
	return h.Sum64()
}

// Account is an account of a scene.
type Account struct {
	Username string
	// Email may be empty.
	Email string
	// Password may be empty if Managed is set.
	Password plexauth.Secret
	// Token is an access token that the account has from the start: 20 letters and
	// digits. If empty, the account has no token.
	Token plexauth.Secret
	// Seed is the seed of the second factor, in base32. If empty, the account has no
	// second factor.
	Seed plexauth.Secret
	// Admin, Managed and Disabled are properties of the account. A managed account has
	// no password. A disabled account cannot sign in, and its token is rejected.
	Admin, Managed, Disabled bool

	// Home is the username of the owner of the account's home. The owner must come
	// before the account. If empty, the account is not in the home of another account.
	Home string
	// PIN consists of four digits, and is required when another user of the home
	// switches to the account. If empty, the account has no PIN.
	PIN plexauth.Secret
	// HomeAdmin makes an account that signs in an admin of the home.
	HomeAdmin bool
	// Guest makes a managed account the guest of the home.
	Guest bool
	// Restriction is the restriction of a managed account: one of home.Restrictions.
	Restriction string
}

// Source is a server or a provider of a scene.
type Source struct {
	Kind             source.Kind
	Name, Identifier string
	Connections      []source.Connection
	// Owner is the username of the owner. If empty, every admin owns the source.
	Owner string
	// Sections are the sections of a server.
	Sections []source.Section
	// SharedWith are the usernames of the accounts that an operator shares it with,
	// with all sections. They do not become friends of the owner.
	SharedWith []string
}

// Share is an accepted share of a server with an account.
type Share struct {
	// Server is its identifier.
	Server string
	// With is the username of the account.
	With string
	// Sections are the names of the shared sections. If nil, all sections are shared,
	// including later ones.
	Sections []string
}

// Invitation is a pending invitation to a friendship or a server.
type Invitation struct {
	// From is the username of the sender.
	From string
	// To is a username or an e-mail address. No account need have it.
	To string
	// Server is the identifier of the server. If empty, the invitation is to a
	// friendship only.
	Server string
	// Sections are the names of the sections to share. If nil, all are shared.
	Sections []string
}

// Device is a program that is signed in to an account.
type Device struct {
	// Account is the username.
	Account string
	// Device is the program's description of itself.
	Device device.Device
	// Token is its token, like Account.Token. If empty, it is random.
	Token plexauth.Secret
}

// MachineIdentifier is the machine identifier of usher itself when it plays a scene, so
// that it is the same in every run. It has 40 digits, as those of media servers.
const MachineIdentifier = "75736865720000000000000000000000000000e1"

// Config returns the configuration of a database in memory for the scene. Passwords are
// hashed fast and the key is public, because there is nothing to protect. With a fixed
// key, the tokens that are derived from it are the same in every run.
func (s Scene) Config() core.Config {
	return core.Config{
		SignUp: s.SignUp,
		Key:    seal.NewKey([32]byte{'t', 'e', 's', 't'}), HashQueue: 1 << 16,
		HashCost: account.Cost{Memory: 8, Time: 1, Threads: 1},
	}
}

// Default returns the default scene of the test kits.
func Default() Scene {
	return Scene{
		Accounts: []Account{
			{
				Username: "admin", Email: "admin@example.org", Password: "admin's password",
				Token: "usherTokenOfAdmin001", Admin: true,
			},
			{
				Username: "member", Email: "member@example.org", Password: "member's password",
				Token: "usherTokenOfMember01",
			},
			{
				Username: "twofactor", Email: "twofactor@example.org", Password: "twofactor's password",
				Token: "usherTokenOfTwo2FA01", Seed: "KVJUQRKSKVJUQRKSKVJUQRKSKVJUQRKS",
			},
			{
				Username: "disabled", Email: "disabled@example.org", Password: "disabled's password",
				Token: "usherTokenDisabled01", Disabled: true,
			},
			{Username: "managed", Managed: true},
		},
		Sources: []Source{
			{
				Kind: source.Server, Name: "Den", Identifier: "den", Connections: Nowhere(), Owner: "admin",
				Sections: []source.Section{{Title: "Films", Kind: "movie"}, {Title: "Shows", Kind: "show"}}, SharedWith: []string{"member"},
			},
			{Kind: source.Provider, Name: "Guide", Identifier: "guide", Connections: Nowhere()},
		},
		Friends: [][]string{{"admin", "member"}},
	}
}

// Nowhere returns connections of each kind, at addresses that are reserved for
// documentation: nothing listens there.
func Nowhere() []source.Connection {
	return []source.Connection{
		{URI: "http://192.0.2.5:32400", Local: true},
		{URI: "https://[2001:db8::5]:32400"},
		{URI: "https://relay.example.org:443", Relay: true},
	}
}
