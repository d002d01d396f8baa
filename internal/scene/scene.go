// Package scene is who and what there is for a test to start with: accounts with
// known passwords and tokens, servers, and whom they are shared with.
//
// It owns the people that every test kit starts with, the way in which a scene
// becomes rows of a database, and the names of the variables that tell a program
// about it. It does not own the rules of accounts, homes, friends and sources: it
// calls the services, as the command line and programs do.
//
// The passwords and tokens here are published. A scene is only for a database
// that is thrown away.
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

// Scene is the content of a database at the start.
type Scene struct {
	Accounts []Account
	// Sources are servers and providers besides usher itself.
	Sources []Source
	// Friends are pairs of usernames.
	Friends [][]string
	// Shares are invitations to servers that were accepted. Both sides are friends.
	Shares []Share
	// Invitations wait for an answer.
	Invitations []Invitation
	// Devices are programs that are signed in, besides Device.
	Devices []Device
	// Device is the client identifier of the device that holds the tokens of
	// the accounts. Empty: "scene".
	Device string
	// Time is the time at the start. Zero: the clock is the machine's.
	Time time.Time
	// SignUp says that programs may add accounts for people, as with usher serve
	// --sign-up.
	SignUp bool
	// Frozen says that the clock stands still.
	Frozen bool
	// Seed makes ids, tokens and codes the same in every run. Empty: they are
	// random.
	Seed string
	// Faults are what goes wrong on purpose, in their order.
	Faults []trouble.Fault
}

// RandomSeed is the seed of the scene as a number.
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
	// Token is an access token that the account has from the start: 20 letters
	// and digits. Empty: it has none.
	Token plexauth.Secret
	// Seed is the seed of a second factor, in base32. Empty: it has none.
	Seed plexauth.Secret
	// Admin, Managed and Disabled say what the account is. A managed account has
	// no password. A disabled one cannot sign in, and its token is rejected.
	Admin, Managed, Disabled bool

	// Home is the username of the owner of the home that the account lives in. The
	// owner's account comes before it. Empty: it lives in no other account's home.
	Home string
	// PIN is asked for when another user of the home switches to the account: four
	// digits. Empty: it has none.
	PIN plexauth.Secret
	// HomeAdmin makes an account that signs in an admin of the home.
	HomeAdmin bool
	// Guest makes a managed account the guest of the home.
	Guest bool
	// Restriction is what a managed account of a home is restricted to: one of
	// home.Restrictions.
	Restriction string
}

// Source is a server or a provider of a scene.
type Source struct {
	Kind             source.Kind
	Name, Identifier string
	Connections      []source.Connection
	// Owner is the username of the owner. Empty: every admin owns it.
	Owner string
	// Sections are those of a server, as its owner names them.
	Sections []source.Section
	// SharedWith are the usernames of those whom an operator shares it with: with all
	// sections, and without making anybody friends.
	SharedWith []string
}

// Share is a server that was shared with an account, which has accepted.
type Share struct {
	// Server is its identifier.
	Server string
	// With is the username of the account.
	With string
	// Sections are the names of those that are shared. Nil: all, also later ones.
	Sections []string
}

// Invitation is an invitation to a friendship or a server, which nobody has answered
// yet.
type Invitation struct {
	// From is the username of who invites.
	From string
	// To is a username or an e-mail address. Nobody needs to have it.
	To string
	// Server is the identifier of the server. Empty: the invitation is to a friendship
	// only.
	Server string
	// Sections are as those of a Share.
	Sections []string
}

// Device is a program that is signed in to an account.
type Device struct {
	// Account is the username.
	Account string
	// Device is what the program says of itself.
	Device device.Device
	// Token is its token, as that of an Account. Empty: a random one.
	Token plexauth.Secret
}

// MachineIdentifier is usher's own as a server where a scene is played, so that it
// is the same in every run. It has 40 digits, as a media server's has.
const MachineIdentifier = "75736865720000000000000000000000000000e1"

// Config returns the configuration of a database in memory for the scene. Passwords
// are hashed fast, and the key is known: there is nothing to protect, and tokens
// that are derived from the key are the same in every run.
func (s Scene) Config() core.Config {
	return core.Config{
		SignUp: s.SignUp,
		Key:    seal.NewKey([32]byte{'t', 'e', 's', 't'}), HashQueue: 1 << 16,
		HashCost: account.Cost{Memory: 8, Time: 1, Threads: 1},
	}
}

// Default returns the scene that test kits start with.
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
