package account_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// byConsole is the actor of these tests.
var byConsole = audit.Actor{Name: "console"}

// The only admin who can sign in cannot be removed or disabled: nobody could undo it. A
// disabled admin does not count.
func TestLastAdminStays(t *testing.T) {
	c := coretest.New(t, core.Config{})
	ada, eve, mia := c.AddAdmin("ada"), c.AddAdmin("eve"), c.Add("mia")
	for _, id := range []int64{eve.ID, eve.ID, mia.ID} { // the second time eve is disabled already
		if err := c.Accounts.Disable(t.Context(), byConsole, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Accounts.Disable(t.Context(), byConsole, ada.ID); !errors.Is(err, account.ErrLastAdmin) {
		t.Errorf("disabling: error %v, want ErrLastAdmin", err)
	}
	if err := c.Accounts.Remove(t.Context(), byConsole, ada.ID); !errors.Is(err, account.ErrLastAdmin) {
		t.Errorf("removing: error %v, want ErrLastAdmin", err)
	}
	if err := c.Accounts.Demote(t.Context(), byConsole, ada.ID, c.Sources); !errors.Is(err, account.ErrLastAdmin) {
		t.Errorf("demoting: error %v, want ErrLastAdmin", err)
	}
	if err := c.Accounts.Enable(t.Context(), byConsole, ada.ID); err != nil {
		t.Errorf("enabling: %v", err)
	}
	if err := c.Accounts.Remove(t.Context(), byConsole, eve.ID); err != nil {
		t.Errorf("removing an admin who is disabled: %v", err)
	}
	if err := c.Accounts.Remove(t.Context(), byConsole, mia.ID); err != nil {
		t.Errorf("removing a member: %v", err)
	}
}

// Attack: a demoted admin keeps using a token for a server of the admins.
func TestDemoteRevokesReach(t *testing.T) {
	c := coretest.New(t, core.Config{})
	c.AddAdmin("ada")
	eve := c.AddAdmin("eve")
	tokens := map[string]plexauth.Secret{"access": c.Token(eve, "tv")}
	tv, err := c.Tokens.Verify(t.Context(), tokens["access"])
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []source.Source{
		{Identifier: "admins"}, {Identifier: "shared"}, {Identifier: "own", OwnerID: eve.ID}, {Identifier: "everyone", Everyone: true},
	} {
		s.Kind, s.Name, s.Connections = source.Server, s.Identifier, []source.Connection{{URI: "http://192.0.2.5:32400"}}
		s = c.AddSource(s)
		if s.Identifier == "shared" {
			if err := c.Sources.Share(t.Context(), byConsole, s, eve.ID); err != nil {
				t.Fatal(err)
			}
		}
		if tokens[s.Identifier], err = c.Sources.Token(t.Context(), byConsole, tv, s.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Accounts.Demote(t.Context(), byConsole, eve.ID, c.Sources); err != nil {
		t.Fatal(err)
	}
	for name, tok := range tokens {
		_, err := c.Tokens.Verify(t.Context(), tok)
		if revoked := errors.Is(err, token.ErrInvalid); revoked != (name == "admins") {
			t.Errorf("the token %s: error %v", name, err)
		}
	}
	if got, err := c.Accounts.Get(t.Context(), eve.ID); err != nil || got.Admin {
		t.Errorf("got %+v, %v, want no admin", got, err)
	}
}

// However many servers the admins have, a demoted admin can reach none of them.
func TestDemoteRevokesEveryServer(t *testing.T) {
	c := coretest.New(t, core.Config{})
	c.AddAdmin("ada")
	eve := c.AddAdmin("eve")
	tv, err := c.Tokens.Verify(t.Context(), c.Token(eve, "tv"))
	if err != nil {
		t.Fatal(err)
	}
	var tokens []plexauth.Secret
	for i := range 230 {
		s := c.AddSource(source.Source{
			Kind: source.Server, Identifier: fmt.Sprint("admins-", i), Name: "same",
			Connections: []source.Connection{{URI: "http://192.0.2.5:32400"}},
		})
		tok, err := c.Sources.Token(t.Context(), byConsole, tv, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, tok)
	}
	if list, err := c.Sources.Servers(t.Context(), eve.ID); len(list) != 231 || err != nil { // and this one
		t.Errorf("an admin reaches %d servers, %v, want 231", len(list), err)
	}
	if err := c.Accounts.Demote(t.Context(), byConsole, eve.ID, c.Sources); err != nil {
		t.Fatal(err)
	}
	for i, tok := range tokens {
		if _, err := c.Tokens.Verify(t.Context(), tok); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("the token of server %d: error %v", i, err)
		}
	}
}

// Attack: two admins remove or disable each other at the same time, so that none is left.
func TestAdminsRemoveEachOther(t *testing.T) {
	for name, do := range map[string]func(*account.Service, *testing.T, int64) error{
		"remove":  func(s *account.Service, t *testing.T, id int64) error { return s.Remove(t.Context(), byConsole, id) },
		"disable": func(s *account.Service, t *testing.T, id int64) error { return s.Disable(t.Context(), byConsole, id) },
		"demote": func(s *account.Service, t *testing.T, id int64) error {
			return s.Demote(t.Context(), byConsole, id, unreached{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			first, second := coretest.New(t, core.Config{Dir: dir}), coretest.New(t, core.Config{Dir: dir})
			admins := [...]account.Account{first.AddAdmin("ada"), first.AddAdmin("eve")}
			var errs [len(admins)]error
			var wg sync.WaitGroup
			for i, a := range admins {
				s := []*account.Service{first.Accounts, second.Accounts}[i]
				wg.Go(func() { errs[i] = do(s, t, a.ID) })
			}
			wg.Wait()
			last := 0
			for _, err := range errs {
				if errors.Is(err, account.ErrLastAdmin) {
					last++
				} else if err != nil {
					t.Error(err)
				}
			}
			list, err := paging.Rows(first.Accounts.List(t.Context(), paging.Request{}))
			left := 0
			for _, a := range list {
				if a.Admin && !a.Disabled {
					left++
				}
			}
			if last != 1 || left != 1 || err != nil {
				t.Errorf("%d were rejected and %d admins are left (%v), want one each", last, left, err)
			}
		})
	}
}

// unreached is an account.Reach without servers.
type unreached struct{}

func (unreached) RevokeUnreached(context.Context, *db.Tx, account.Account) (int, error) {
	return 0, nil
}

// Ten processes that each add the first account add one.
func TestFirstAccountIsOne(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	errs := make([]error, 10)
	for i := range errs {
		c := coretest.New(t, core.Config{Dir: dir})
		wg.Go(func() {
			_, errs[i] = c.Accounts.AddFirst(t.Context(), byConsole, account.NewAccount{
				Username: fmt.Sprint("admin", i), Password: coretest.Password, Admin: true,
			})
		})
	}
	wg.Wait()
	added := 0
	for _, err := range errs {
		if err == nil {
			added++
		} else if !errors.Is(err, account.ErrExists) {
			t.Error(err)
		}
	}
	if added != 1 {
		t.Errorf("%d first accounts were added, want 1", added)
	}
}

// A login must mean one account, whether it is a username or an e-mail address.
func TestNamesAreUnique(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia, noa := c.Add("mia"), c.Add("noa") // both with an address
	for _, n := range []account.NewAccount{
		{Username: "mia", Email: "other@example.org"},
		{Username: "other", Email: "mia@example.org"},
		{Username: "MIA"},
		{Username: "other", Email: "Mia@Example.org"},
	} {
		n.Managed = true
		if _, err := c.Accounts.Add(t.Context(), byConsole, n); !errors.Is(err, account.ErrExists) {
			t.Errorf("adding %s <%s>: error %v, want ErrExists", n.Username, n.Email, err)
		}
		err := c.Accounts.SetIdentity(t.Context(), byConsole, noa.ID, n.Username, n.Email)
		if !errors.Is(err, account.ErrExists) {
			t.Errorf("renaming noa to %s <%s>: error %v, want ErrExists", n.Username, n.Email, err)
		}
	}
	// A name cannot look like an address, because it could be another account's address.
	_, err := c.Accounts.Add(t.Context(), byConsole, account.NewAccount{Username: "mia@example.org", Managed: true})
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("a name like an address: error %v, want one of kind Invalid", err)
	}
	if err := c.Accounts.SetIdentity(t.Context(), byConsole, mia.ID, "Mia", "MIA@example.org"); err != nil {
		t.Errorf("its own name in another case: %v", err)
	}
	for _, name := range []string{"ida", "eve"} { // two without an address are no conflict
		n := account.NewAccount{Username: name, Managed: true}
		if _, err := c.Accounts.Add(t.Context(), byConsole, n); err != nil {
			t.Errorf("adding %s: %v", name, err)
		}
	}
}

// An account that is removed is not found, and its ID is not used again.
func TestRemovedAccount(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	for _, login := range []string{"mia", "MIA", "mia@example.org", " Mia@Example.ORG "} {
		if got, err := c.Accounts.Find(t.Context(), login); err != nil || got.ID != mia.ID {
			t.Errorf("Find(%q) = %+v, %v", login, got, err)
		}
	}
	if err := c.Accounts.Remove(t.Context(), byConsole, mia.ID); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"removing it again": c.Accounts.Remove(t.Context(), byConsole, mia.ID),
		"disabling it":      c.Accounts.Disable(t.Context(), byConsole, mia.ID),
		"renaming it":       c.Accounts.SetIdentity(t.Context(), byConsole, mia.ID, "mia", ""),
	} {
		if !errors.Is(err, account.ErrNotFound) {
			t.Errorf("%s: error %v, want ErrNotFound", what, err)
		}
	}
	if _, err := c.Accounts.Find(t.Context(), "mia"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("finding it: error %v, want ErrNotFound", err)
	}
	if next := c.Add("mia"); next.ID <= mia.ID {
		t.Errorf("ID %d was used again after %d: old references would refer to another account", next.ID, mia.ID)
	}
}

func TestCount(t *testing.T) {
	c := coretest.New(t, core.Config{})
	c.AddAdmin("ada")
	mia := c.Add("mia")
	if err := c.Accounts.Disable(t.Context(), byConsole, mia.ID); err != nil {
		t.Fatal(err)
	}
	want := account.Counts{Accounts: 2, Admins: 1, Disabled: 1}
	if got, err := c.Accounts.Count(t.Context()); got != want || err != nil {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
}
