package friend_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/source"
)

// town is mia, who owns the server den with the section Films; noa, and an admin.
type town struct {
	*coretest.Core
	t         *testing.T
	mia, noa  account.Account
	den       source.Source
	films     source.Section
	by        audit.Actor
	operators audit.Actor
}

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{Core: coretest.New(t, core.Config{}), t: t, operators: audit.Actor{Name: "test"}}
	w.AddAdmin("olga")
	w.mia, w.noa = w.Add("mia"), w.Add("noa")
	w.by = audit.Actor{AccountID: w.mia.ID}
	w.den = w.AddSource(source.Source{
		Kind: source.Server, Identifier: "den", Name: "Den", OwnerID: w.mia.ID, Connections: []source.Connection{{URI: "http://10.0.0.1:32400", Local: true}},
	})
	var err error
	w.films, err = w.Sources.AddSection(t.Context(), w.operators, w.den, source.Section{Title: "Films"})
	w.must(err)
	return w
}

func (w *town) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) want(what string, err, wanted error) {
	w.t.Helper()
	if !errors.Is(err, wanted) {
		w.t.Errorf("%s: error %v, want %v", what, err, wanted)
	}
}

func (w *town) invite(wish friend.Wish) (friend.Sent, error) {
	w.t.Helper()
	return w.Friends.Invite(w.t.Context(), w.by, w.mia.ID, wish)
}

func (w *town) accept(number int64) error {
	return w.Friends.Accept(w.t.Context(), audit.Actor{AccountID: w.noa.ID}, w.noa.ID, number)
}

// The conditions of an invitation are checked again when it is accepted.
func TestAcceptIsChecked(t *testing.T) {
	for what, between := range map[string]func(w *town) error{
		"the server is removed": func(w *town) error {
			return w.Sources.Remove(t.Context(), w.operators, source.Ref{Kind: source.Server, Identifier: "den"})
		},
		"who invited is removed":  func(w *town) error { return w.Accounts.Remove(t.Context(), w.operators, w.mia.ID) },
		"who invited is disabled": func(w *town) error { return w.Accounts.Disable(t.Context(), w.operators, w.mia.ID) },
		"who is invited is disabled": func(w *town) error {
			return w.Accounts.Disable(t.Context(), w.operators, w.noa.ID)
		},
		"it is cancelled": func(w *town) error {
			sent, err := w.Friends.Sent(t.Context(), w.mia.ID)
			w.must(err)
			return w.Friends.End(t.Context(), w.by, w.mia.ID, sent[0].Number)
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newTown(t)
			sent, err := w.invite(friend.Wish{Name: "noa", Server: "den"})
			w.must(err)
			w.must(between(w))
			w.want("accepting", w.accept(sent.Number), friend.ErrNoInvitation)
			shares, err := w.Sources.SharesTo(t.Context(), w.noa.ID)
			if err != nil || len(shares) != 0 {
				t.Errorf("the shares are %v, %v", shares, err)
			}
		})
	}
}

// An invitation to a server that has another owner now still leads to the friendship, but
// shares nothing.
func TestAcceptFromSharesOnlyTheirServers(t *testing.T) {
	w := newTown(t)
	w.must(w.Accounts.Promote(t.Context(), w.operators, w.mia.ID))
	w.AddSource(source.Source{Kind: source.Server, Identifier: "hall", Name: "Hall", Connections: []source.Connection{{URI: "http://10.0.0.2:32400"}}}) // of every admin
	for _, wish := range []friend.Wish{{Name: "noa", Server: "hall"}, {Name: "noa"}, {Name: "noa", Server: "den"}} {
		_, err := w.invite(wish)
		w.must(err)
	}
	w.must(w.Accounts.Demote(t.Context(), w.operators, w.mia.ID, w.Sources))
	acceptAll := func() error {
		return w.Friends.AcceptFrom(t.Context(), audit.Actor{AccountID: w.noa.ID}, w.noa.ID, w.mia.ID)
	}
	w.must(acceptAll())
	shares, err := w.Sources.SharesTo(t.Context(), w.noa.ID)
	if err != nil || len(shares) != 1 || shares[0].SourceID != w.den.ID {
		t.Errorf("the shares are %+v, %v", shares, err)
	}
	people, err := w.Friends.People(t.Context(), w.noa.ID)
	if err != nil || len(people) != 1 || !people[0].Friend {
		t.Errorf("the friends are %+v, %v", people, err)
	}
	w.want("accepting what is left", acceptAll(), friend.ErrNoInvitation)
}

// Attack: an attacker takes the invited name before it has an account, or after its account
// was removed.
func TestNameOfAnotherAccount(t *testing.T) {
	w := newTown(t)
	before, err := w.invite(friend.Wish{Name: "zoe", Server: "den"})
	w.must(err)
	after, err := w.invite(friend.Wish{Name: "noa", Server: "den"})
	w.must(err)
	w.must(w.Accounts.Remove(t.Context(), w.operators, w.noa.ID))
	for _, name := range []string{"zoe", "noa"} {
		a := w.Add(name)
		list, err := w.Friends.Received(t.Context(), a.ID)
		if err != nil || len(list) != 0 {
			t.Errorf("%s has received %v, %v", name, list, err)
		}
		for _, i := range []friend.Sent{before, after} {
			w.want("accepting as "+name, w.Friends.Accept(t.Context(), audit.Actor{}, a.ID, i.Number), friend.ErrNoInvitation)
		}
	}
	if sent, err := w.Friends.Sent(t.Context(), w.mia.ID); err != nil || len(sent) != 2 {
		t.Errorf("mia's invitations are %v, %v: those to unknown names must look like others", sent, err)
	}
}

func TestInviteRefuses(t *testing.T) {
	w := newTown(t)
	kid, err := w.Homes.AddManaged(t.Context(), w.by, w.mia.ID, "Kid", "")
	w.must(err)
	for what, row := range map[string]struct {
		wish friend.Wish
		want error
	}{
		"no such server":      {friend.Wish{Name: "noa", Server: "none"}, source.ErrNotFound},
		"no such section":     {friend.Wish{Name: "noa", Server: "den", Choice: source.Choice{Some: true, Sections: []int64{99}}}, source.ErrNoSection},
		"a stranger's number": {friend.Wish{AccountID: w.noa.ID, Server: "den"}, friend.ErrNotFound},
		"nobody's number":     {friend.Wish{AccountID: 999, Server: "den"}, friend.ErrNotFound},
	} {
		_, err := w.invite(row.wish)
		w.want(what, err, row.want)
	}
	for _, wish := range []friend.Wish{{}, {Name: "MIA"}, {Name: strings.Repeat("x", 255)}, {Name: "a\x00"}, {AccountID: w.mia.ID}} {
		if _, err := w.invite(wish); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: error %v, want one of kind Invalid", wish, err)
		}
	}
	_, err = w.Friends.Invite(t.Context(), audit.Actor{}, kid.Account.ID, friend.Wish{Name: "noa"})
	w.want("inviting as a managed user", err, friend.ErrManaged)

	// A managed user of the sender's home gets the share immediately, with its sections.
	sent, err := w.invite(friend.Wish{AccountID: kid.Account.ID, Server: "den", Choice: source.Choice{Some: true, Sections: []int64{w.films.ID}}})
	if err != nil || !sent.Accepted {
		t.Fatalf("inviting a managed user: %+v, %v", sent, err)
	}
	shares, err := w.Sources.SharesTo(t.Context(), kid.Account.ID)
	if err != nil || len(shares) != 1 || shares[0].Number != sent.Number || len(shares[0].Sections) != 1 {
		t.Errorf("the shares are %+v, %v", shares, err)
	}

	for i := range friend.MaxInvitations {
		_, err := w.invite(friend.Wish{Name: fmt.Sprint("nobody ", i)})
		w.must(err)
	}
	_, err = w.invite(friend.Wish{Name: "noa"})
	w.want("one too many", err, friend.ErrMany)
}

// Sharing with an account that has just been removed returns an error of the right
// kind.
func TestShareWithARemovedAccount(t *testing.T) {
	w := newTown(t)
	w.must(w.Accounts.Remove(t.Context(), w.operators, w.noa.ID))
	w.want("sharing", w.Sources.Share(t.Context(), w.operators, w.den, w.noa.ID), account.ErrNotFound)
	w.must(w.Sources.Remove(t.Context(), w.operators, source.Ref{Kind: source.Server, Identifier: "den"}))
	w.want("sharing what is gone", w.Sources.Share(t.Context(), w.operators, w.den, w.mia.ID), source.ErrNotFound)
}
