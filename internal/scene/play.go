package scene

import (
	"context"
	"fmt"
	"slices"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// Person is an account of a scene in a database.
type Person struct {
	Account
	// ID is the account's.
	ID int64
	// BackupCodes are those of the second factor; nil if there is none.
	BackupCodes []plexauth.Secret
}

// Cast is a scene in a database.
type Cast struct {
	// People are the accounts of the scene, in its order.
	People []Person
	// Sources are usher itself, if it is a server there, and those of the scene.
	Sources []source.Source
}

// Play adds what is in a scene to the database of c. by is who does it, as the
// audit log has it.
func (s Scene) Play(ctx context.Context, by audit.Actor, c *core.Core) (*Cast, error) {
	cast := new(Cast)
	for _, a := range s.Accounts {
		p, err := s.AddPerson(ctx, by, c, a)
		if err != nil {
			return nil, fmt.Errorf("adding the account %s: %w", a.Username, err)
		}
		cast.People = append(cast.People, p)
	}
	if self := c.Sources.Self(); self.Identifier != "" {
		cast.Sources = append(cast.Sources, self)
	}
	for _, src := range s.Sources {
		added, err := cast.addSource(ctx, by, c, src)
		if err != nil {
			return nil, fmt.Errorf("adding %s: %w", src.Name, err)
		}
		cast.Sources = append(cast.Sources, added)
	}
	return cast, nil
}

// Clone returns a copy with lists of its own.
func (c *Cast) Clone() *Cast {
	return &Cast{slices.Clone(c.People), slices.Clone(c.Sources)}
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

// AddPerson adds an account to the database of c, with its second factor and its token.
func (s Scene) AddPerson(ctx context.Context, by audit.Actor, c *core.Core, a Account) (Person, error) {
	p := Person{Account: a}
	added, err := c.Accounts.Add(ctx, by, account.NewAccount{
		Username: a.Username, Email: a.Email, Password: a.Password, Admin: a.Admin, Managed: a.Managed,
	})
	if err != nil {
		return p, err
	}
	p.ID = added.ID
	if a.Seed != "" {
		e, err := account.KnownEnrolment("usher", a.Username, a.Seed)
		if err != nil {
			return p, err
		}
		if p.BackupCodes, err = c.Accounts.Enrol(ctx, by, p.ID, e, ""); err != nil {
			return p, err
		}
	}
	if a.Token != "" {
		if err := c.Tokens.IssueKnown(ctx, by, p.ID, s.device(), a.Token); err != nil {
			return p, err
		}
	}
	if a.Disabled {
		return p, c.Accounts.Disable(ctx, by, p.ID)
	}
	return p, nil
}

// device is the one that holds the tokens.
func (s Scene) device() device.Device {
	id := s.Device
	if id == "" {
		id = "scene"
	}
	return device.Device{ClientIdentifier: id, Product: id}
}

// addSource adds a source with its shares.
func (c *Cast) addSource(ctx context.Context, by audit.Actor, to *core.Core, src Source) (source.Source, error) {
	row := source.Source{
		Kind: src.Kind, Name: src.Name, Identifier: src.Identifier, Connections: src.Connections,
		Product: "Plex Media Server",
	}
	if src.Owner != "" {
		owner, ok := c.Person(src.Owner)
		if !ok {
			return row, fmt.Errorf("its owner %s is not in the scene", src.Owner)
		}
		row.OwnerID = owner.ID
	}
	added, err := to.Sources.Add(ctx, by, row)
	if err != nil {
		return row, err
	}
	for _, username := range src.SharedWith {
		p, ok := c.Person(username)
		if !ok {
			return row, fmt.Errorf("%s, whom it is shared with, is not in the scene", username)
		}
		if err := to.Sources.Share(ctx, by, added, p.ID); err != nil {
			return row, err
		}
	}
	return added, nil
}
