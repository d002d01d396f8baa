package source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
)

func server(identifier, name string) source.Source {
	return source.Source{
		Kind: source.Server, Identifier: identifier, Name: name, Connections: []source.Connection{{URI: "http://den:1"}},
	}
}

// A source belongs to its owner or, without one, to every admin. They can reach it, and
// so can the accounts that it is shared with.
func TestReach(t *testing.T) {
	c := coretest.New(t, core.Config{})
	admin, mia := c.AddAdmin("admin"), c.Add("mia")
	for _, test := range []struct {
		owner         int64
		everyone      bool
		shared        bool
		admins, mias  bool // own it
		reach, reachM bool
	}{
		{0, false, false, true, false, true, false},
		{0, false, true, true, false, true, true},
		{0, true, false, true, false, true, true},
		{mia.ID, false, false, false, true, false, true},
		{mia.ID, false, true, false, true, true, true},
		{admin.ID, false, false, true, false, true, false},
	} {
		s := source.Source{OwnerID: test.owner, Everyone: test.everyone}
		if a, m := s.OwnedBy(admin.ID, true), s.OwnedBy(mia.ID, false); a != test.admins || m != test.mias {
			t.Errorf("%+v: the admin owns it: %v, mia owns it: %v", test, a, m)
		}
		if a, m := s.ReachedBy(admin, test.shared), s.ReachedBy(mia, test.shared); a != test.reach || m != test.reachM {
			t.Errorf("%+v: the admin reaches it: %v, mia reaches it: %v", test, a, m)
		}
	}
}

// Only accounts that can reach a server get a token for it.
func TestToken(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	principal := func() token.Principal {
		p, err := c.Tokens.Verify(t.Context(), c.Token(mia, "tv"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	by := audit.Actor{AccountID: mia.ID}
	p := principal()
	den, cave := c.AddSource(server("den", "Den")), c.AddSource(server("cave", "Cave"))
	if err := c.Sources.Share(t.Context(), operator, den, mia.ID); err != nil {
		t.Fatal(err)
	}
	tok, err := c.Sources.Token(t.Context(), by, p, den.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Tokens.Verify(t.Context(), tok); err != nil || got.Kind != token.Server || !got.Reaches(den.ID) || got.Reaches(cave.ID) {
		t.Errorf("the token is good for %+v, %v", got, err)
	}
	for what, id := range map[string]int64{"a server that is not shared": cave.ID, "no server": 999} {
		if _, err := c.Sources.Token(t.Context(), by, p, id); !errors.Is(err, source.ErrReach) {
			t.Errorf("a token for %s: %v, want ErrReach", what, err)
		}
	}
	if err := c.Accounts.Disable(t.Context(), operator, mia.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Sources.Token(t.Context(), by, p, cave.ID); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("a disabled account: %v, want ErrInvalid", err)
	}
}

// A demoted admin keeps the tokens for the servers that are shared with
// them, and loses all others, however many there are.
func TestDemotedAdminLosesTokens(t *testing.T) {
	c := coretest.New(t, core.Config{})
	c.AddAdmin("ada")
	eve := c.AddAdmin("eve")
	p, err := c.Tokens.Verify(t.Context(), c.Token(eve, "tv"))
	if err != nil {
		t.Fatal(err)
	}
	by := audit.Actor{AccountID: eve.ID}
	var last source.Source
	for i := range paging.DefaultLimit + 1 { // more than are read in one query
		last = c.AddSource(server(fmt.Sprint("s", i), fmt.Sprint("S", i)))
	}
	shared := c.AddSource(server("shared", "Shared"))
	if err := c.Sources.Share(t.Context(), operator, shared, eve.ID); err != nil {
		t.Fatal(err)
	}
	wants := map[int64]error{last.ID: token.ErrInvalid, shared.ID: nil}
	held := make(map[int64]func() error)
	for id := range wants {
		tok, err := c.Sources.Token(t.Context(), by, p, id)
		if err != nil {
			t.Fatal(err)
		}
		held[id] = func() error {
			_, err := c.Tokens.Verify(context.WithoutCancel(t.Context()), tok)
			return err
		}
	}
	list, err := c.Sources.Servers(t.Context(), eve.ID)
	if err != nil || len(list) != paging.DefaultLimit+3 { // and this one
		t.Errorf("an admin reaches %d servers, %v; want %d", len(list), err, paging.DefaultLimit+3)
	}
	if err := c.Accounts.Demote(t.Context(), operator, eve.ID, c.Sources); err != nil {
		t.Fatal(err)
	}
	for id, want := range wants {
		if err := held[id](); !errors.Is(err, want) {
			t.Errorf("the token for server %d: %v, want %v", id, err, want)
		}
	}
}

// A source is found by its identifier, by its name in any case, or by the beginning of
// either, if that is unique.
func TestResolve(t *testing.T) {
	c := coretest.New(t, core.Config{})
	for identifier, name := range map[string]string{"aa11": "Den", "aa22": "Attic", "den": "Cave", "bb33": "Attic", "cc44": "Denver"} {
		c.AddSource(server(identifier, name))
	}
	for _, test := range []struct {
		text string
		want string   // the identifier
		many []string // those that it may mean
	}{
		{text: ""},
		{text: "nothing"},
		{text: "aa11 and more"},
		{text: "den", want: "den"}, // an identifier has priority over a name
		{text: "DEN", want: "aa11"},
		{text: "cave", want: "den"},
		{text: "aa1", want: "aa11"},
		{text: "AA2", want: "aa22"},
		{text: "denv", want: "cc44"},
		{text: "denver", want: "cc44"},
		{text: "aa", many: []string{"aa11", "aa22"}},
		{text: "attic", many: []string{"aa22", "bb33"}},
		{text: "de", many: []string{"aa11", "cc44", "den"}},
	} {
		got, err := c.Sources.Resolve(t.Context(), source.Server, test.text)
		var ambiguous *source.AmbiguousError
		switch {
		case errors.As(err, &ambiguous):
			var ids []string
			for _, s := range ambiguous.Sources {
				ids = append(ids, s.Identifier)
			}
			if slices.Sort(ids); !slices.Equal(ids, test.many) {
				t.Errorf("%q means %q, want %q", test.text, ids, test.many)
			}
		case test.want == "" && errors.Is(err, source.ErrNotFound) && test.many == nil:
		case err != nil || got.Identifier != test.want:
			t.Errorf("%q is %q, %v; want %q", test.text, got.Identifier, err, test.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Sources.Resolve(ended, source.Server, "de"); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
