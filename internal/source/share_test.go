package source_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
)

// estate is an owner of two servers with sections, another owner of one, and two guests.
type estate struct {
	*coretest.Core
	*testing.T
	mia, ned, guest, other account.Account
	den, attic, cave       source.Source
	sections               []source.Section // of the den: Movies, Shows and Music
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	c := coretest.New(t, core.Config{})
	e := &estate{Core: c, T: t, mia: c.Add("mia"), ned: c.Add("ned"), guest: c.Add("guest"), other: c.Add("other")}
	owned := func(identifier string, owner account.Account) source.Source {
		src := server(identifier, "The "+identifier)
		src.OwnerID = owner.ID
		return c.AddSource(src)
	}
	e.den, e.attic, e.cave = owned("den", e.mia), owned("attic", e.mia), owned("cave", e.ned)
	for _, title := range []string{"Movies", "Shows", "Music"} {
		sec, err := c.Sources.AddSection(t.Context(), operator, e.den, source.Section{Title: title})
		e.must(err)
		e.sections = append(e.sections, sec)
	}
	return e
}

func (e *estate) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *estate) write(f func(ctx context.Context, tx *db.Tx) error) error {
	return e.DB.Write(e.Context(), f)
}

// share shares the given sections of a server with an account, or all of it if there are
// none.
func (e *estate) share(src source.Source, with account.Account, sections ...source.Section) source.Share {
	e.Helper()
	var made source.Share
	e.must(e.write(func(ctx context.Context, tx *db.Tx) (err error) {
		h := source.Share{SourceID: src.ID, AccountID: with.ID}
		made, err = e.Sources.ShareIn(ctx, tx, operator, h, choice(sections...))
		return err
	}))
	return made
}

func choice(sections ...source.Section) source.Choice {
	var c source.Choice
	for _, sec := range sections {
		c.Some, c.Sections = true, append(c.Sections, sec.ID)
	}
	return c
}

// lines describes shares, in their order.
func lines(list []source.Shared, err error) []string {
	var out []string
	for _, h := range list {
		var titles []string
		for _, sec := range h.Sections {
			titles = append(titles, sec.Title)
		}
		out = append(out, fmt.Sprintf("%s %s %d: %s", h.Identifier, h.Username, h.Number, strings.Join(titles, " ")))
	}
	if err != nil {
		out = append(out, err.Error())
	}
	return out
}

func line(h source.Share, titles string) string {
	return fmt.Sprintf("%s %s %d: %s", h.Identifier, h.Username, h.Number, titles)
}

func (e *estate) wantShares(what string, got []string, want ...string) {
	e.Helper()
	if !slices.Equal(got, want) {
		e.Errorf("%s: the shares are %q, want %q", what, got, want)
	}
}

// Owners and guests see the same shares, each their own, with the sections that are
// shared.
func TestListsOfShares(t *testing.T) {
	e := newEstate(t)
	ctx := t.Context()
	some := e.share(e.den, e.guest, e.sections[2], e.sections[0])
	all, attic := e.share(e.den, e.other), e.share(e.attic, e.guest)
	cave := e.share(e.cave, e.guest)
	e.wantShares("by mia", lines(e.Sources.SharesBy(ctx, e.mia.ID)),
		line(some, "Movies Music"), line(all, "Movies Shows Music"), line(attic, ""))
	e.wantShares("by ned", lines(e.Sources.SharesBy(ctx, e.ned.ID)), line(cave, ""))
	e.wantShares("by a guest", lines(e.Sources.SharesBy(ctx, e.guest.ID)))
	e.wantShares("of the den", lines(e.Sources.SharesOfServer(ctx, e.den.ID)), line(some, "Movies Music"), line(all, "Movies Shows Music"))
	e.wantShares("of no server", lines(e.Sources.SharesOfServer(ctx, 4711)))
	e.wantShares("to the guest", lines(e.Sources.SharesTo(ctx, e.guest.ID)), line(some, "Movies Music"), line(attic, ""), line(cave, ""))
	e.wantShares("to mia", lines(e.Sources.SharesTo(ctx, e.mia.ID)))
	log, err := e.Audit.List(ctx, audit.Query{Events: []audit.Kind{audit.ShareAdded}, OldestFirst: true, Limit: 1})
	if err != nil || len(log) != 1 || log[0].Detail != "The den, 2 sections" {
		t.Errorf("the log has %+v, %v", log, err)
	}
	if _, err := e.Sources.SharesBy(ctx, 4711); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the shares of no account: %v", err)
	}
}

// A share that the previous release has added gets its number when it is first listed.
func TestSharesWithoutANumber(t *testing.T) {
	e := newEstate(t)
	before := e.share(e.den, e.guest)
	e.must(e.write(func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, "UPDATE share SET id = NULL")
	}))
	first, err := e.Sources.SharesTo(t.Context(), e.guest.ID)
	if err != nil || len(first) != 1 || first[0].Number < source.FirstNumber || len(first[0].Sections) != 3 {
		t.Fatalf("the shares are %+v, %v", first, err)
	}
	again, err := e.Sources.SharesOfServer(t.Context(), e.den.ID)
	if err != nil || len(again) != 1 || again[0].Number != first[0].Number {
		t.Errorf("it had the number %d, has %d and then %+v, %v", before.Number, first[0].Number, again, err)
	}
}

// Only the owner of the server can choose its sections, and only sections of the
// server. Choosing the same ones again changes nothing.
func TestChooseSections(t *testing.T) {
	e := newEstate(t)
	ctx := t.Context()
	elsewhere, err := e.Sources.AddSection(ctx, operator, e.attic, source.Section{Title: "Photos"})
	e.must(err)
	h := e.share(e.den, e.guest)
	for what, test := range map[string]struct {
		owner, number int64
		choice        source.Choice
		want          error
	}{
		"the guest":                    {e.guest.ID, h.Number, choice(e.sections[0]), source.ErrNotShared},
		"attack: another owner":        {e.ned.ID, h.Number, choice(e.sections[0]), source.ErrNotShared},
		"nobody":                       {4711, h.Number, choice(e.sections[0]), source.ErrNotShared},
		"no share":                     {e.mia.ID, h.Number + 1, choice(e.sections[0]), source.ErrNotShared},
		"a section of another server":  {e.mia.ID, h.Number, choice(e.sections[0], elsewhere), source.ErrNoSection},
		"a section that is not there":  {e.mia.ID, h.Number, choice(source.Section{ID: 4711}), source.ErrNoSection},
		"sections of all, not checked": {e.mia.ID, h.Number, source.Choice{Sections: []int64{4711}}, nil},
	} {
		if err := e.Sources.Choose(ctx, operator, test.owner, test.number, test.choice); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", what, err, test.want)
		}
	}
	e.must(e.Sources.Choose(ctx, operator, e.mia.ID, h.Number, choice(e.sections[1])))
	e.must(e.Sources.Choose(ctx, operator, e.mia.ID, h.Number, choice(e.sections[1], e.sections[1])))
	e.wantShares("one of them", lines(e.Sources.SharesTo(ctx, e.guest.ID)), line(h, "Shows"))
	e.must(e.Sources.Choose(ctx, operator, e.mia.ID, h.Number, source.Choice{Some: true}))
	e.wantShares("none of them", lines(e.Sources.SharesTo(ctx, e.guest.ID)), line(h, ""))
	e.must(e.Sources.Choose(ctx, operator, e.mia.ID, h.Number, source.Choice{}))
	e.wantShares("all of them", lines(e.Sources.SharesTo(ctx, e.guest.ID)), line(h, "Movies Shows Music"))
	log, err := e.Audit.List(ctx, audit.Query{Events: []audit.Kind{audit.ShareChanged}, OldestFirst: true})
	e.must(err)
	var details []string
	for _, entry := range log {
		details = append(details, fmt.Sprint(entry.AccountID, entry.Detail))
	}
	guest := fmt.Sprint(e.guest.ID)
	if want := []string{guest + "The den, one section", guest + "The den, 0 sections", guest + "The den"}; !slices.Equal(details, want) {
		t.Errorf("the log has %q, want %q", details, want)
	}
}

// A new share has the chosen sections, or is not created.
func TestShareSections(t *testing.T) {
	e := newEstate(t)
	admin := e.AddAdmin("root")
	members := audit.Actor{Name: "key", MembersOnly: true}
	for what, test := range map[string]struct {
		by     audit.Actor
		share  source.Share
		choice source.Choice
		want   error
	}{
		"a section that is not there": {operator, source.Share{SourceID: e.den.ID, AccountID: e.guest.ID}, choice(source.Section{ID: 4711}), source.ErrNoSection},
		"no server":                   {operator, source.Share{SourceID: 4711, AccountID: e.guest.ID}, source.Choice{}, source.ErrNotFound},
		"no account":                  {operator, source.Share{SourceID: e.den.ID, AccountID: 4711}, source.Choice{}, account.ErrNotFound},
		"attack: with an admin, by members' keys": {members, source.Share{SourceID: e.den.ID, AccountID: admin.ID}, source.Choice{}, account.ErrMembersOnly},
	} {
		err := e.write(func(ctx context.Context, tx *db.Tx) error {
			_, err := e.Sources.ShareIn(ctx, tx, test.by, test.share, test.choice)
			return err
		})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", what, err, test.want)
		}
	}
	e.wantShares("of the den", lines(e.Sources.SharesOfServer(t.Context(), e.den.ID)))
	// An invitation that is accepted keeps its number.
	e.must(e.write(func(ctx context.Context, tx *db.Tx) error {
		h := source.Share{SourceID: e.den.ID, AccountID: e.guest.ID, Number: source.FirstNumber + 5}
		h, err := e.Sources.ShareIn(ctx, tx, members, h, source.Choice{})
		if h.Number != source.FirstNumber+5 || h.Username != "guest" || h.SourceName != "The den" || h.Chosen {
			t.Errorf("the share is %+v", h)
		}
		return err
	}))
}

// Only the owner of the server and the account that it is shared with can remove a share.
func TestEndShare(t *testing.T) {
	e := newEstate(t)
	for _, row := range []struct {
		what string
		as   account.Account
		want error
	}{
		{"the guest", e.guest, nil}, {"the owner", e.mia, nil}, {"attack: another guest", e.other, source.ErrNotShared},
		{"attack: another owner", e.ned, source.ErrNotShared},
	} {
		h := e.share(e.den, e.guest)
		if err := e.Sources.EndShare(t.Context(), operator, row.as.ID, h.Number); !errors.Is(err, row.want) {
			t.Errorf("%s removes it: %v, want %v", row.what, err, row.want)
		}
		if row.want != nil {
			e.must(e.Sources.Unshare(t.Context(), operator, e.den, e.guest.ID))
		}
		if err := e.Sources.EndShare(t.Context(), operator, row.as.ID, h.Number); !errors.Is(err, source.ErrNotShared) {
			t.Errorf("%s removes a share that does not exist: %v, want ErrNotShared", row.what, err)
		}
	}
}

// Removing the shares of an owner's servers with an account does not affect other
// shares.
func TestUnshareAll(t *testing.T) {
	e := newEstate(t)
	e.share(e.den, e.guest)
	e.share(e.attic, e.guest)
	cave, other := e.share(e.cave, e.guest), e.share(e.den, e.other)
	e.must(e.write(func(ctx context.Context, tx *db.Tx) error {
		return e.Sources.UnshareAllIn(ctx, tx, operator, e.mia.ID, e.guest.ID)
	}))
	e.wantShares("to the guest", lines(e.Sources.SharesTo(t.Context(), e.guest.ID)), line(cave, ""))
	e.wantShares("by mia", lines(e.Sources.SharesBy(t.Context(), e.mia.ID)), line(other, "Movies Shows Music"))
	e.must(e.write(func(ctx context.Context, tx *db.Tx) error {
		for _, row := range []struct {
			server  source.Source
			account account.Account
			want    error
		}{{e.den, e.guest, nil}, {e.den, e.other, source.ErrShared}, {source.Source{ID: 4711}, e.guest, source.ErrNotFound}} {
			if err := e.Sources.CheckNotShared(ctx, tx, row.server.ID, row.account.ID); !errors.Is(err, row.want) {
				t.Errorf("whether %s is shared with %s: %v, want %v", row.server.Name, row.account.Username, err, row.want)
			}
		}
		return nil
	}))
}

// A server is found by identifier by those who own it or reach it, with the sections that
// they see.
func TestReachedServer(t *testing.T) {
	e := newEstate(t)
	e.share(e.den, e.guest, e.sections[1])
	e.share(e.den, e.ned)
	open := server("open", "Open")
	open.OwnerID, open.Everyone = e.ned.ID, true
	open = e.AddSource(open)
	_, err := e.Sources.AddSection(t.Context(), operator, open, source.Section{Title: "All"})
	e.must(err)
	for _, row := range []struct {
		who         account.Account
		server, see string
		reach, own  error
	}{
		{e.mia, "den", "Movies Shows Music", nil, nil},
		{e.guest, "den", "Shows", nil, source.ErrOwner},
		{e.ned, "den", "Movies Shows Music", nil, source.ErrOwner},
		{e.other, "den", "", source.ErrNotFound, source.ErrNotFound},
		{e.mia, "nowhere", "", source.ErrNotFound, source.ErrNotFound},
		{account.Account{ID: 4711}, "den", "", source.ErrNotFound, source.ErrNotFound},
		{e.ned, "open", "All", nil, nil},
		{e.other, "open", "All", nil, source.ErrOwner},
	} {
		src, sections, err := e.Sources.ReachedServer(t.Context(), row.who.ID, row.server)
		var see []string
		for _, sec := range sections {
			see = append(see, sec.Title)
		}
		if !errors.Is(err, row.reach) || strings.Join(see, " ") != row.see || err == nil && src.Identifier != row.server {
			t.Errorf("%s reaches %s: %+v with %q, %v; want %q, %v", row.who.Username, row.server, src, see, err, row.see, row.reach)
		}
		if src, err := e.Sources.OwnServer(t.Context(), row.who.ID, row.server); !errors.Is(err, row.own) || err == nil && src.Identifier != row.server {
			t.Errorf("%s owns %s: %+v, %v; want %v", row.who.Username, row.server, src, err, row.own)
		}
	}
}

// A source is found by number among those of its kind.
func TestGet(t *testing.T) {
	e := newEstate(t)
	epg := server("epg", "Guide")
	epg.Kind = source.Provider
	epg = e.AddSource(epg)
	self := e.Sources.Self()
	for _, row := range []struct {
		kind source.Kind
		id   int64
		want string // the identifier; empty: ErrNotFound
	}{
		{source.Server, e.den.ID, "den"}, {source.Provider, epg.ID, "epg"}, {source.Server, self.ID, self.Identifier},
		{source.Provider, e.den.ID, ""}, {source.Server, epg.ID, ""}, {source.Server, 4711, ""},
	} {
		src, err := e.Sources.Get(t.Context(), row.kind, row.id)
		if src.Identifier != row.want || errors.Is(err, source.ErrNotFound) != (row.want == "") {
			t.Errorf("the %s %d is %+v, %v, want %q", row.kind, row.id, src, err, row.want)
		}
	}
	if src, err := e.Sources.ByID(t.Context(), e.DB, self.ID); err != nil || len(src.Connections) == 0 {
		t.Errorf("this server is %+v, %v, want it with its connections", src, err)
	}
}

// A whole name or identifier is the beginning of itself, in any case.
func TestResolveAnyCase(t *testing.T) {
	e := newEstate(t)
	for text, want := range map[string]string{"DEN": "den", "the Attic": "attic", "THE C": "cave", "D": "den"} {
		if src, err := e.Sources.Resolve(t.Context(), source.Server, text); err != nil || src.Identifier != want {
			t.Errorf("%q means %+v, %v, want %s", text, src, err, want)
		}
	}
	if _, err := e.Sources.Resolve(t.Context(), source.Server, "dens"); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("more than the whole identifier: %v, want ErrNotFound", err)
	}
}

// The maximum length of a section's name, and its highest number.
func TestSectionLimits(t *testing.T) {
	e := newEstate(t)
	longest := strings.Repeat("é", 100)
	sec, err := e.Sources.AddSection(t.Context(), operator, e.attic, source.Section{Title: longest, Number: 1<<31 - 1})
	if err != nil || sec.Title != longest || sec.Number != 1<<31-1 {
		t.Fatalf("the section is %+v, %v", sec, err)
	}
	if _, err := e.Sources.RemoveSectionByID(t.Context(), operator, e.den, sec.ID); !errors.Is(err, source.ErrNoSection) {
		t.Errorf("attack: removed as another server's: %v, want ErrNoSection", err)
	}
	if gone, err := e.Sources.RemoveSectionByID(t.Context(), operator, e.attic, sec.ID); err != nil || gone.Title != longest {
		t.Errorf("removed %+v, %v", gone, err)
	}
	if _, err := e.Sources.RemoveSection(t.Context(), operator, e.den, " movies "); err != nil {
		t.Error(err)
	}
	log, err := e.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.SectionRemoved}})
	if err != nil || len(log) != 2 || log[0].Detail != "Movies, The den" {
		t.Errorf("the log has %+v, %v", log, err)
	}
}

// The numbers of shares are generated from the whole range, and each is used once.
func TestNumbersOfShares(t *testing.T) {
	e := newEstate(t)
	var drawn []byte
	for _, n := range []uint32{5, 2_000_000_007, 5, 9} {
		drawn = binary.BigEndian.AppendUint32(drawn, n)
	}
	sources := source.New(source.Config{
		DB: e.DB, Rows: store.Sources{}, Shares: store.Shares{}, Sections: store.Sections{}, Settings: nil,
		Accounts: e.Accounts, Tokens: e.Tokens, Audit: e.Audit, Random: bytes.NewReader(drawn),
	})
	var got []int64
	for _, with := range []account.Account{e.guest, e.other, e.ned} {
		e.must(sources.Share(t.Context(), operator, e.den, with.ID))
		h, err := store.Shares{}.Of(t.Context(), e.DB, e.den.ID, with.ID)
		e.must(err)
		got = append(got, h.Number-source.FirstNumber)
	}
	if want := []int64{5, 7, 9}; !slices.Equal(got, want) {
		t.Errorf("the numbers are %v above the first, want %v", got, want)
	}
	if err := sources.Share(t.Context(), operator, e.attic, e.guest.ID); !errors.Is(err, io.EOF) {
		t.Errorf("without random numbers: %v, want why", err)
	}
}
