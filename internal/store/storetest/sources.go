package storetest

import (
	"context"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/internal/token"
)

var sourceTests = []test{
	{"Sources/A source is read back whole", testSource},
	{"Sources/Identifiers are unique in their kind", testSourceConflict},
	{"Sources/Missing sources are not found", testNoSource},
	{"Sources/The list is by name", testSourceOrder},
	{"Sources/Candidates are what an account may reach", testCandidates},
	{"Sources/Sources and shares are counted", testCountSources},
	{"Sources/Delete takes shares and tokens", testDeleteSource},
	{"Sources/Writers touch the source", testTouchSource},
	{"Shares/A share is read back whole", testShare},
	{"Shares/A share is unique", testShareConflict},
	{"Shares/Missing shares are not found", testNoShare},
	{"Shares/The list is by server and account", testShareOrder},
	{"Sections/Sections are listed by number", testSections},
	{"Sections/Numbers and titles are unique at a server", testSectionConflict},
	{"Sections/Writers touch the source", testTouchSection},
}

var originTests = []test{
	{"Origins/Origins are listed by name and counted", testOrigins},
	{"Origins/An origin is unique", testOriginConflict},
	{"Origins/A missing origin is not found", testNoOrigin},
}

var (
	sources store.Sources
	shares  store.Shares
	origins store.Origins

	sections store.Sections
)

// source adds a server.
func (w *fixture) source(identifier string, ownerID int64) source.Source {
	w.t.Helper()
	return w.addSource(source.Source{
		Kind: source.Server, Identifier: identifier, Name: "name of " + identifier, OwnerID: ownerID,
	})
}

func (w *fixture) addSource(s source.Source) source.Source {
	w.t.Helper()
	s.CreatedAt = at(4)
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		s.ID, err = sources.Insert(ctx, tx, s)
		return err
	})
	return s
}

func (w *fixture) share(sourceID, accountID int64) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *db.Tx) error {
		return shares.Insert(ctx, tx, source.Share{SourceID: sourceID, AccountID: accountID, CreatedAt: at(5)})
	})
}

func testSource(t *testing.T, w *fixture) {
	mia := w.account("mia")
	full := w.addSource(source.Source{
		Kind: source.Provider, Identifier: "full", Name: "Full", Product: "Product", ProductVersion: "1.2",
		Platform: "Platform", PlatformVersion: "3.4", Device: "Device", OwnerID: mia.ID,
		Everyone: true, Connections: []source.Connection{
			{URI: "http://z", Local: true}, {URI: "http://a", Relay: true}, {URI: "http://m", Local: true, Relay: true},
		},
	})
	full.OwnerName = mia.Title
	bare := w.addSource(source.Source{Kind: source.Server, Identifier: "bare", Name: "Bare"})
	for _, wanted := range []source.Source{full, bare} {
		for _, q := range []db.Querier{w, w.other()} {
			got, err := sources.Get(t.Context(), q, wanted.Kind, wanted.Identifier)
			must(t, err)
			same(t, "Get", got, wanted)
			list, err := paging.Rows(sources.List(t.Context(), q, wanted.Kind, "", paging.Request{}))
			must(t, err)
			same(t, "List", list, []source.Source{wanted})
			candidates, err := sources.Candidates(t.Context(), q, wanted.Kind, mia.ID, 0, 100)
			must(t, err)
			same(t, "Candidates", candidates, []source.Candidate{{Source: wanted}})
			one, err := sources.Candidate(t.Context(), q, wanted.ID, mia.ID)
			must(t, err)
			bare := source.Candidate{Source: wanted}
			bare.Connections = nil
			same(t, "Candidate", one, bare)
		}
	}
}

func testSourceConflict(t *testing.T, w *fixture) {
	w.oneWins(func(ctx context.Context, tx *db.Tx, _ int) error {
		_, err := sources.Insert(ctx, tx, source.Source{
			Kind: source.Server, Identifier: "den", Connections: []source.Connection{{URI: "http://a"}},
		})
		return err
	})
	w.addSource(source.Source{Kind: source.Provider, Identifier: "den"}) // is of another kind
	den, err := sources.Get(t.Context(), w, source.Server, "den")
	must(t, err)
	same(t, "how many connections it has", len(den.Connections), 1)
}

func testNoSource(t *testing.T, w *fixture) {
	w.source("den", 0)
	_, err := sources.Get(t.Context(), w, source.Provider, "den")
	want(t, "Get of another kind", err, db.ErrNotFound)
	_, err = sources.Get(t.Context(), w, source.Server, "DEN")
	want(t, "Get of another case", err, db.ErrNotFound)
	_, err = sources.Candidate(t.Context(), w, 99, 1)
	want(t, "Candidate", err, db.ErrNotFound)
	want(t, "Delete", w.try(func(ctx context.Context, tx *db.Tx) error {
		return sources.Delete(ctx, tx, 99)
	}), db.ErrNotFound)
}

// identifiers returns the identifiers of sources.
func identifiers(list []source.Source) (ids []string) {
	for _, s := range list {
		ids = append(ids, s.Identifier)
	}
	return ids
}

func testSourceOrder(t *testing.T, w *fixture) {
	for _, s := range []source.Source{
		{Identifier: "1", Name: "Den"}, {Identifier: "2", Name: "Attic"}, {Identifier: "3", Name: "Den"},
	} {
		s.Kind = source.Server
		w.addSource(s)
	}
	list, err := paging.Rows(sources.List(t.Context(), w, source.Server, "", paging.Request{}))
	must(t, err)
	same(t, "the order", identifiers(list), []string{"2", "1", "3"})
}

func testCandidates(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	w.source("without an owner", 0)
	w.source("mia's", mia.ID)
	w.addSource(source.Source{Kind: source.Server, Identifier: "everyone's", OwnerID: mia.ID, Everyone: true})
	w.share(w.source("shared with noa", mia.ID).ID, noa.ID)
	for id, wanted := range map[int64][]string{
		mia.ID: {"without an owner", "mia's", "everyone's", "shared with noa"},
		noa.ID: {"without an owner", "everyone's", "shared with noa"},
		99:     {"without an owner", "everyone's"},
	} {
		list, err := sources.Candidates(t.Context(), w, source.Server, id, 0, 100)
		must(t, err)
		var got []string
		for _, c := range list {
			got = append(got, c.Identifier)
			shared := id == noa.ID && c.Identifier == "shared with noa"
			one, err := sources.Candidate(t.Context(), w, c.ID, id)
			must(t, err)
			if c.Shared != shared || one.Shared != shared {
				t.Errorf("%s is shared with account %d: %v in the list and %v alone, want %v",
					c.Identifier, id, c.Shared, one.Shared, shared)
			}
		}
		same(t, "the candidates", got, wanted)
	}
}

func testCountSources(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	den := w.source("den", 0)
	w.source("attic", 0)
	w.addSource(source.Source{Kind: source.Provider, Identifier: "music"})
	w.share(den.ID, mia.ID)
	w.share(den.ID, noa.ID)
	got, err := sources.Count(t.Context(), w)
	must(t, err)
	same(t, "Count", got, source.Counts{Servers: 2, Providers: 1, Shares: 2})
}

func testDeleteSource(t *testing.T, w *fixture) {
	mia := w.account("mia")
	den, attic := w.source("den", 0), w.source("attic", 0)
	parent := w.token("parent", token.Row{AccountID: mia.ID, DeviceID: w.device(mia.ID, "tv")})
	for _, s := range []source.Source{den, attic} {
		w.share(s.ID, mia.ID)
		w.token(s.Identifier, token.Row{
			Kind: token.Server, AccountID: mia.ID, DeviceID: 1, ParentID: parent, SourceID: s.ID,
		})
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return sources.Delete(ctx, tx, den.ID) })
	list, err := paging.Rows(shares.List(t.Context(), w, paging.Request{}))
	must(t, err)
	if len(list) != 1 || list[0].SourceID != attic.ID {
		t.Errorf("the shares are %+v, want the attic's", list)
	}
	for name, wanted := range map[string]bool{"den": false, "attic": true, "parent": true} {
		same(t, "the token for "+name+" is there", w.alive(name), wanted)
	}
}

func testTouchSource(t *testing.T, w *fixture) {
	mia := w.account("mia")
	change := db.Change{Topic: source.Topic, Key: "1"}
	for _, row := range []struct {
		what string
		do   func(context.Context, *db.Tx) error
	}{
		{"Insert", func(ctx context.Context, tx *db.Tx) error {
			_, err := sources.Insert(ctx, tx, source.Source{Kind: source.Server, Identifier: "den"})
			return err
		}},
		{"sharing", func(ctx context.Context, tx *db.Tx) error {
			return shares.Insert(ctx, tx, source.Share{SourceID: 1, AccountID: mia.ID})
		}},
		{"unsharing", func(ctx context.Context, tx *db.Tx) error { return shares.Delete(ctx, tx, 1, mia.ID) }},
		{"Delete", func(ctx context.Context, tx *db.Tx) error { return sources.Delete(ctx, tx, 1) }},
	} {
		w.wantTouched(row.what, row.do, change)
	}
}

func testShare(t *testing.T, w *fixture) {
	mia, den := w.account("mia"), w.source("den", 0)
	w.share(den.ID, mia.ID)
	for _, q := range []db.Querier{w, w.other()} {
		list, err := paging.Rows(shares.List(t.Context(), q, paging.Request{}))
		must(t, err)
		same(t, "the list", list, []source.Share{{
			SourceID: den.ID, AccountID: mia.ID, Identifier: den.Identifier, SourceName: den.Name, Username: mia.Username,
			CreatedAt: at(5),
		}})
	}
}

func testShareConflict(t *testing.T, w *fixture) {
	mia, den := w.account("mia"), w.source("den", 0)
	w.oneWins(func(ctx context.Context, tx *db.Tx, _ int) error {
		return shares.Insert(ctx, tx, source.Share{SourceID: den.ID, AccountID: mia.ID})
	})
}

func testNoShare(t *testing.T, w *fixture) {
	mia, noa, den := w.account("mia"), w.account("noa"), w.source("den", 0)
	w.share(den.ID, mia.ID)
	want(t, "Delete", w.try(func(ctx context.Context, tx *db.Tx) error {
		return shares.Delete(ctx, tx, den.ID, noa.ID)
	}), db.ErrNotFound)
}

func testShareOrder(t *testing.T, w *fixture) {
	mia, noa := w.account("mia"), w.account("noa")
	den, attic := w.source("den", 0), w.source("attic", 0)
	for _, ids := range [][2]int64{{den.ID, noa.ID}, {attic.ID, noa.ID}, {den.ID, mia.ID}} {
		w.share(ids[0], ids[1])
	}
	list, err := paging.Rows(shares.List(t.Context(), w, paging.Request{}))
	must(t, err)
	var got []string
	for _, s := range list {
		got = append(got, s.Identifier+" "+s.Username)
	}
	same(t, "the order", got, []string{"den mia", "den noa", "attic noa"})
}

func testOrigins(t *testing.T, w *fixture) {
	wanted := []origin.Origin{{Origin: "http://b", CreatedAt: at(1)}, {Origin: "https://a", CreatedAt: at(2)}}
	for i := range wanted {
		w.do(func(ctx context.Context, tx *db.Tx) error { return origins.Insert(ctx, tx, wanted[1-i]) })
	}
	for _, q := range []db.Querier{w, w.other()} {
		list, err := paging.Rows(origins.List(t.Context(), q, paging.Request{}))
		must(t, err)
		same(t, "the list", list, wanted)
		n, err := origins.Count(t.Context(), q)
		must(t, err)
		same(t, "Count", n, 2)
	}
	w.do(func(ctx context.Context, tx *db.Tx) error { return origins.Delete(ctx, tx, "http://b") })
	list, err := paging.Rows(origins.List(t.Context(), w, paging.Request{}))
	must(t, err)
	same(t, "what is left", list, wanted[1:])
}

func testOriginConflict(t *testing.T, w *fixture) {
	w.oneWins(func(ctx context.Context, tx *db.Tx, _ int) error {
		return origins.Insert(ctx, tx, origin.Origin{Origin: "https://a", CreatedAt: at(1)})
	})
}

func testNoOrigin(t *testing.T, w *fixture) {
	want(t, "Delete", w.try(func(ctx context.Context, tx *db.Tx) error {
		return origins.Delete(ctx, tx, "https://a")
	}), db.ErrNotFound)
}

// section adds a section.
func (w *fixture) section(sourceID int64, s source.Section) source.Section {
	w.t.Helper()
	s.CreatedAt = at(6)
	w.do(func(ctx context.Context, tx *db.Tx) (err error) {
		s.ID, err = sections.Insert(ctx, tx, sourceID, s)
		return err
	})
	return s
}

func testSections(t *testing.T, w *fixture) {
	den, attic := w.source("den", 0), w.source("attic", 0)
	shows := w.section(den.ID, source.Section{Number: 3, Title: "Shows", Kind: "show"})
	films := w.section(den.ID, source.Section{Number: 1, Title: "É films", Kind: "movie"})
	other := w.section(attic.ID, source.Section{Number: 3, Title: "Shows", Kind: "show"})
	for _, q := range []db.Querier{w, w.other()} {
		list, err := sections.List(t.Context(), q, den.ID)
		must(t, err)
		same(t, "the sections", list, []source.Section{films, shows})
	}
	want(t, "removing another server's section", w.try(func(ctx context.Context, tx *db.Tx) error {
		return sections.Delete(ctx, tx, den.ID, other.ID)
	}), db.ErrNotFound)
	w.do(func(ctx context.Context, tx *db.Tx) error { return sections.Delete(ctx, tx, den.ID, shows.ID) })
	list, err := sections.List(t.Context(), w, den.ID)
	must(t, err)
	same(t, "the sections that stay", list, []source.Section{films})
}

func testSectionConflict(t *testing.T, w *fixture) {
	den := w.source("den", 0)
	w.section(den.ID, source.Section{Number: 1, Title: "É films", Kind: "movie"})
	for _, s := range []source.Section{{Number: 1, Title: "Shows"}, {Number: 2, Title: "é FILMS"}} {
		want(t, s.Title, w.try(func(ctx context.Context, tx *db.Tx) error {
			_, err := sections.Insert(ctx, tx, den.ID, s)
			return err
		}), db.ErrConflict)
	}
}

func testTouchSection(_ *testing.T, w *fixture) {
	den := w.source("den", 0)
	change := db.Change{Topic: source.Topic, Key: db.IDKey(den.ID)}
	var id int64
	w.wantTouched("Insert", func(ctx context.Context, tx *db.Tx) (err error) {
		id, err = sections.Insert(ctx, tx, den.ID, source.Section{Number: 1, Title: "Films"})
		return err
	}, change)
	w.wantTouched("Delete", func(ctx context.Context, tx *db.Tx) error { return sections.Delete(ctx, tx, den.ID, id) }, change)
}
