package scene

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/suggest"
)

// relate adds the friendships, shares and invitations of a scene.
func (c *Cast) relate(ctx context.Context, by audit.Actor, to *core.Core, s Scene) error {
	for _, pair := range s.Friends {
		if err := c.befriend(ctx, by, to, pair); err != nil {
			return fmt.Errorf("adding friends: %w", err)
		}
	}
	for n, h := range s.Shares {
		if err := c.share(ctx, by, to, h); err != nil {
			return fmt.Errorf("adding the share %s: %w", both(h.Server, "with", h.With, n), err)
		}
	}
	for n, i := range s.Invitations {
		if err := c.invite(ctx, by, to, i); err != nil {
			return fmt.Errorf("adding the invitation %s: %w", both(i.To, "by", i.From, n), err)
		}
	}
	return nil
}

// both returns how an error refers to an object with two names: by the names, or by its
// position in the list.
func both(one, word, other string, i int) string {
	if one == "" || other == "" {
		return nameOr("", i)
	}
	return fmt.Sprintf("of %s %s %s", one, word, other)
}

func (c *Cast) befriend(ctx context.Context, by audit.Actor, to *core.Core, pair []string) error {
	if len(pair) != 2 {
		return fmt.Errorf("%v are not two usernames", pair)
	}
	a, err := c.named(pair[0])
	if err != nil {
		return err
	}
	b, err := c.named(pair[1])
	if err != nil {
		return err
	}
	return Befriend(ctx, by, to, a, b)
}

func (c *Cast) share(ctx context.Context, by audit.Actor, to *core.Core, h Share) error {
	if err := errors.Join(required("server", h.Server), required("with", h.With)); err != nil {
		return err
	}
	p, err := c.named(h.With)
	if err != nil {
		return err
	}
	src, owner, err := c.server(h.Server)
	if err != nil {
		return err
	}
	return Admit(ctx, by, to, owner, p, src.Identifier, h.Sections)
}

func (c *Cast) invite(ctx context.Context, by audit.Actor, to *core.Core, i Invitation) error {
	if err := errors.Join(required("from", i.From), required("to", i.To)); err != nil {
		return err
	}
	from, err := c.named(i.From)
	if err != nil {
		return err
	}
	if i.Server != "" {
		if _, _, err := c.server(i.Server); err != nil {
			return err
		}
	}
	_, err = Invite(ctx, by, to, from, i.To, i.Server, i.Sections)
	return err
}

// required returns an error for a missing key.
func required(key, value string) error {
	if value == "" {
		return fault.Invalidf(key, "%s is missing", key)
	}
	return nil
}

// Befriend makes two accounts friends: a invites b, who accepts.
func Befriend(ctx context.Context, by audit.Actor, c *core.Core, a, b Person) error {
	return admit(ctx, by, c, a, b, friend.Wish{})
}

// Admit shares a server with an account, as its owner: the account is invited, and
// accepts. If sections is nil, all sections are shared.
func Admit(ctx context.Context, by audit.Actor, c *core.Core, owner, p Person, server string, sections []string) error {
	choice, err := choose(ctx, c, server, sections)
	if err != nil {
		return err
	}
	return admit(ctx, by, c, owner, p, friend.Wish{Server: server, Choice: choice})
}

// admit invites an account, and accepts as that account.
func admit(ctx context.Context, by audit.Actor, c *core.Core, from, p Person, w friend.Wish) error {
	switch {
	case p.Disabled:
		return fault.New(fault.Conflict, p.Username+" is disabled")
	case p.ID == from.ID && w.Server != "":
		return fault.Invalidf("with", "%s shares it, and has it already", p.Username)
	case p.ID == from.ID:
		return fault.Invalidf("friends", "%s cannot be a friend of itself", p.Username)
	}
	if w.Name = p.Username; p.resident() {
		w.Name, w.AccountID = "", p.ID // it has no name by which it can be invited
	}
	sent, err := c.Friends.Invite(ctx, by, from.ID, w)
	if err != nil || sent.Accepted {
		return err
	}
	return c.Friends.Accept(ctx, by, p.ID, sent.Number)
}

// Invite invites a username or an e-mail address to a server or, without one, to a
// friendship. If sections is nil, the invitation is for all sections. It returns the
// number of the invitation.
func Invite(ctx context.Context, by audit.Actor, c *core.Core, from Person, to, server string, sections []string) (int64, error) {
	w := friend.Wish{Name: to, Server: server}
	var err error
	if w.Choice, err = choose(ctx, c, server, sections); err != nil {
		return 0, err
	}
	sent, err := c.Friends.Invite(ctx, by, from.ID, w)
	return sent.Number, err
}

// choose returns the choice of sections of a server with some names.
func choose(ctx context.Context, c *core.Core, server string, names []string) (source.Choice, error) {
	if names == nil {
		return source.Choice{}, nil
	}
	if server == "" {
		return source.Choice{}, fault.Invalidf("server", "sections are those of a server, and server is missing")
	}
	src, err := c.Sources.Find(ctx, source.Ref{Kind: source.Server, Identifier: server})
	if err != nil {
		return source.Choice{}, err
	}
	have, err := c.Sources.Sections(ctx, src.ID)
	if err != nil {
		return source.Choice{}, err
	}
	choice := source.Choice{Some: true}
	for _, name := range names {
		i := slices.IndexFunc(have, func(sec source.Section) bool { return sec.Title == name })
		if i < 0 {
			var titles []string
			for _, sec := range have {
				titles = append(titles, sec.Title)
			}
			return choice, fmt.Errorf("%w: %s%s", source.ErrNoSection, name, meant(name, titles))
		}
		choice.Sections = append(choice.Sections, have[i].ID)
	}
	return choice, nil
}

// addDevice signs in a program.
func (c *Cast) addDevice(ctx context.Context, by audit.Actor, to *core.Core, d Device) error {
	p, err := c.named(d.Account)
	if err != nil {
		return err
	}
	if d.Device.ClientIdentifier == "" {
		return fault.Invalidf("id", "it has no id")
	}
	if err := c.checkToken(d.Token); err != nil {
		return err
	}
	if d.Token == "" {
		_, err = to.Tokens.Issue(ctx, by, p.ID, d.Device)
	} else {
		err = to.Tokens.IssueKnown(ctx, by, p.ID, d.Device, d.Token)
	}
	c.Devices = append(c.Devices, d)
	return err
}

// named returns the person with a username.
func (c *Cast) named(username string) (Person, error) {
	p, ok := c.Person(username)
	if !ok {
		return p, fmt.Errorf("%s is not in the scene%s", username, c.MeantPerson(username))
	}
	return p, nil
}

// server returns the server with an identifier, and the account that shares it: its
// owner, or the first admin.
func (c *Cast) server(identifier string) (source.Source, Person, error) {
	var known []string
	for _, src := range c.Sources {
		if src.Kind != source.Server {
			continue
		}
		known = append(known, src.Identifier)
		if src.Identifier != identifier {
			continue
		}
		i := slices.IndexFunc(c.People, func(p Person) bool { return p.ID == src.OwnerID || src.OwnerID == 0 && p.Admin && !p.Disabled })
		if i < 0 {
			return src, Person{}, fmt.Errorf("the server %s has no owner, and the scene no admin", identifier)
		}
		return src, c.People[i], nil
	}
	return source.Source{}, Person{}, fmt.Errorf("there is no server with the id %q%s", identifier, meant(identifier, known))
}

// MeantPerson returns the end of an error about an unknown username, which suggests the
// closest one.
func (c *Cast) MeantPerson(username string) string {
	var names []string
	for _, p := range c.People {
		names = append(names, p.Username)
	}
	return meant(username, names)
}

// meant returns the end of an error about an unknown word, which suggests the closest
// one.
func meant(typed string, words []string) string {
	if word := suggest.Closest(typed, words); word != "" {
		return fmt.Sprintf("; did you mean %q?", word)
	}
	return ""
}
