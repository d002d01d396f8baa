package scene

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// Person is an account of a scene in a database.
type Person struct {
	Account
	// ID is the ID of the account.
	ID int64
	// BackupCodes are the backup codes of the second factor, or nil without one.
	BackupCodes []plexauth.Secret
}

// Cast is a scene in a database.
type Cast struct {
	// People are the accounts of the scene, in its order.
	People []Person
	// Sources are usher itself, if the database has it as a server, and the sources of
	// the scene.
	Sources []source.Source
	// Devices are the devices of the scene.
	Devices []Device
}

// Play adds the objects of a scene to the database of c. by is the actor in the audit
// log.
func (s Scene) Play(ctx context.Context, by audit.Actor, c *core.Core) (*Cast, error) {
	if s.SignUp && len(s.Accounts) == 0 {
		return nil, errNoSignUp
	}
	cast := new(Cast)
	for i, a := range s.Accounts {
		if _, err := s.AddPerson(ctx, by, c, cast, a); err != nil {
			return nil, fmt.Errorf("adding the account %s: %w", nameOr(a.Username, i), err)
		}
	}
	if self := c.Sources.Self(); self.Identifier != "" {
		cast.Sources = append(cast.Sources, self)
	}
	for i, src := range s.Sources {
		added, err := cast.AddSource(ctx, by, c, src)
		if err != nil {
			return nil, fmt.Errorf("adding the %s %s: %w", src.Kind, nameOr(cmp.Or(src.Name, src.Identifier), i), err)
		}
		cast.Sources = append(cast.Sources, added)
	}
	if err := cast.relate(ctx, by, c, s); err != nil {
		return nil, err
	}
	for i, d := range s.Devices {
		if err := cast.addDevice(ctx, by, c, d); err != nil {
			return nil, fmt.Errorf("adding the device %s: %w", nameOr(d.Device.ClientIdentifier, i), err)
		}
	}
	return cast, nil
}

// nameOr returns how an error refers to an object: by its name, or by its position in
// the list.
func nameOr(name string, i int) string {
	if name == "" {
		return fmt.Sprintf("at place %d", i+1)
	}
	return name
}

// errNoSignUp reports that sign-up is impossible: only the operator can add the first
// account.
var errNoSignUp = fault.Invalidf("signUp", "signUp needs an account in the scene: the first one is not added by a sign-up")

// Clone returns a copy with separate lists.
func (c *Cast) Clone() *Cast {
	return &Cast{slices.Clone(c.People), slices.Clone(c.Sources), slices.Clone(c.Devices)}
}

// Person returns the person with a username.
func (c *Cast) Person(username string) (Person, bool) {
	for _, p := range c.People {
		if p.Username == username {
			return p, true
		}
	}
	return Person{}, false
}

// AddPerson adds an account to the database of c and to a cast, with its second factor,
// its home and its token. If it fails after the account was added, the returned person
// has the ID of the account.
func (s Scene) AddPerson(ctx context.Context, by audit.Actor, c *core.Core, cast *Cast, a Account) (Person, error) {
	p := Person{Account: a}
	if _, twice := cast.Person(a.Username); twice {
		return p, fault.WithField(errTwice, account.Username, "")
	}
	var owner Person
	if a.Home != "" {
		var known bool
		if owner, known = cast.Person(a.Home); !known {
			return p, fault.Invalidf("home", "its home belongs to %s, which is not listed before it%s", a.Home, cast.MeantPerson(a.Home))
		}
	}
	if err := a.checkHome(); err != nil {
		return p, err
	}
	if err := cast.checkToken(a.Token); err != nil {
		return p, err
	}
	var err error
	if p.ID, err = addAccount(ctx, by, c, a, owner); err != nil {
		return p, err
	}
	if a.Seed != "" {
		e, err := account.KnownEnrolment("usher", a.Username, a.Seed)
		if err != nil {
			return p, err
		}
		if p.BackupCodes, err = c.Accounts.Enrol(ctx, by, p.ID, e, ""); err != nil {
			return p, err
		}
	}
	if a.PIN != "" {
		if err := c.Homes.ResetPIN(ctx, by, p.ID, a.PIN); err != nil {
			return p, err
		}
	}
	if a.Token != "" {
		if err := c.Tokens.IssueKnown(ctx, by, p.ID, s.device(), a.Token); err != nil {
			return p, err
		}
	}
	if a.Disabled {
		if err := c.Accounts.Disable(ctx, by, p.ID); err != nil {
			return p, err
		}
	}
	cast.People = append(cast.People, p)
	return p, nil
}

// errTwice reports that two accounts have the same name. Programs and variables
// identify accounts by name, including managed ones, whose names need not be unique in
// usher.
var errTwice = fault.New(fault.Exists, "there is an account with this username already")

// checkToken checks that no account or device has the token yet.
func (c *Cast) checkToken(token plexauth.Secret) error {
	if token == "" {
		return nil
	}
	for _, p := range c.People {
		if p.Token == token {
			return fault.WithField(errToken, "token", fmt.Sprintf("the account %s has the same token", p.Username))
		}
	}
	for _, d := range c.Devices {
		if d.Token == token {
			return fault.WithField(errToken, "token", fmt.Sprintf("the device %s has the same token", d.Device.ClientIdentifier))
		}
	}
	return nil
}

// errToken reports that two accounts or devices have the same token.
var errToken = fault.New(fault.Exists, "another account or device has the same token")

// resident reports whether an account is a managed account of a home, which has no
// username.
func (a Account) resident() bool { return a.Home != "" && a.Managed }

// checkHome checks the keys of an account that depend on its home.
func (a Account) checkHome() error {
	switch {
	case a.HomeAdmin && (a.Home == "" || a.Managed):
		return fault.Invalidf("homeAdmin", "homeAdmin is for an account that signs in and has a home")
	case (a.Guest || a.Restriction != "") && !a.resident():
		return fault.Invalidf("home", "guest and restriction are for a managed account that has a home")
	case a.Guest && a.Restriction != "":
		return fault.Invalidf("restriction", "a guest has no restriction")
	case a.resident() && (a.Email != "" || a.Password != "" || a.Seed != "" || a.Admin):
		return fault.Invalidf("managed", "a managed account has no e-mail address, password or second factor, and is no admin")
	}
	return nil
}

// addAccount adds an account, and adds it to the home of owner if it has one.
func addAccount(ctx context.Context, by audit.Actor, c *core.Core, a Account, owner Person) (id int64, err error) {
	if a.resident() {
		return addResident(ctx, by, c, a, owner)
	}
	added, err := c.Accounts.Add(ctx, by, account.NewAccount{
		Username: a.Username, Email: a.Email, Password: a.Password, Admin: a.Admin, Managed: a.Managed,
	})
	if err == nil && a.Home != "" {
		err = c.Homes.Join(ctx, by, owner.ID, added.ID, a.HomeAdmin)
	}
	return added.ID, err
}

// addResident adds a managed account of a home.
func addResident(ctx context.Context, by audit.Actor, c *core.Core, a Account, owner Person) (id int64, err error) {
	if !a.Guest {
		u, err := c.Homes.AddManaged(ctx, by, owner.ID, a.Username, a.Restriction)
		return u.Account.ID, err
	}
	u, err := c.Homes.AddGuest(ctx, by, owner.ID)
	if err == nil && u.Account.Title != a.Username {
		err = c.Homes.Rename(ctx, by, owner.ID, u.Account.UUID, a.Username)
	}
	return u.Account.ID, err
}

// device returns the device that holds the tokens.
func (s Scene) device() device.Device {
	id := s.Device
	if id == "" {
		id = "scene"
	}
	return device.Device{ClientIdentifier: id, Product: id}
}

// AddSource adds a source to a database with its sections, and shares it as an operator
// does. If it fails after the source was added, the returned source has its ID.
func (c *Cast) AddSource(ctx context.Context, by audit.Actor, to *core.Core, src Source) (source.Source, error) {
	row := source.Source{
		Kind: src.Kind, Name: src.Name, Identifier: src.Identifier, Connections: src.Connections,
		Product: "Plex Media Server",
	}
	if src.Owner != "" {
		owner, ok := c.Person(src.Owner)
		if !ok {
			return row, fault.Invalidf("owner", "its owner %s is not in the scene%s", src.Owner, c.MeantPerson(src.Owner))
		}
		row.OwnerID = owner.ID
	}
	if len(src.Sections) > 0 && src.Kind != source.Server {
		return row, fault.Invalidf("sections", "only a server has sections")
	}
	added, err := to.Sources.Add(ctx, by, row)
	if err != nil {
		return row, err
	}
	for _, sec := range src.Sections {
		if _, err := to.Sources.AddSection(ctx, by, added, sec); err != nil {
			return added, fmt.Errorf("adding the section %s: %w", sec.Title, err)
		}
	}
	for _, username := range src.SharedWith {
		p, ok := c.Person(username)
		if !ok {
			return added, fault.Invalidf("sharedWith", "it is shared with %s, which is not in the scene%s", username, c.MeantPerson(username))
		}
		if err := to.Sources.Share(ctx, by, added, p.ID); err != nil {
			return added, err
		}
	}
	return added, nil
}
