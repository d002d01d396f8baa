package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/source"
)

// Every change of a source and of its shares is recorded in the audit log.
func TestRecorded(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	before, err := c.Audit.List(ctx, audit.Query{Limit: 1})
	must(err)

	connections := []source.Connection{{URI: "http://den:1"}}
	den, err := c.Sources.Add(ctx, operator, source.Source{Kind: source.Server, Identifier: "den", Name: "Den", Connections: connections})
	must(err)
	epg, err := c.Sources.Add(ctx, operator, source.Source{Kind: source.Provider, Identifier: "epg", Name: "Guide", Connections: connections})
	must(err)
	must(c.Sources.Share(ctx, operator, den, mia.ID))
	must(c.Sources.Unshare(ctx, operator, den, mia.ID))
	must(c.Sources.Remove(ctx, operator, source.Ref{Kind: source.Server, Identifier: "den"}))
	must(c.Sources.Remove(ctx, operator, source.Ref{Kind: source.Provider, Identifier: epg.Identifier}))

	list, err := c.Audit.List(ctx, audit.Query{After: before[0].ID, OldestFirst: true, Limit: 100})
	must(err)
	var got []string
	for _, e := range list {
		got = append(got, fmt.Sprintf("%s %d %s", e.Event, e.AccountID, e.Detail))
	}
	want := []string{
		fmt.Sprintf("%s 0 Den", audit.ServerAdded),
		fmt.Sprintf("%s 0 Guide", audit.ProviderAdded),
		fmt.Sprintf("%s %d Den", audit.ShareAdded, mia.ID),
		fmt.Sprintf("%s %d Den", audit.ShareRemoved, mia.ID),
		fmt.Sprintf("%s 0 Den", audit.ServerRemoved),
		fmt.Sprintf("%s 0 Guide", audit.ProviderRemoved),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// The longest text and the first and the last port are accepted.
func TestLimitsOfASource(t *testing.T) {
	svc := services(t).Sources
	longest := strings.Repeat("x", 255)
	added, err := svc.Add(t.Context(), operator, source.Source{
		Kind: source.Server, Identifier: longest, Name: "Den", Product: longest,
		Connections: []source.Connection{{URI: "http://den:1"}},
	})
	if err != nil || added.Product != longest || added.Identifier != longest {
		t.Errorf("adding it returned %+v, %v", added, err)
	}
	for uri, want := range map[string]int{"http://den:1": 1, "http://den:65535": 65535} {
		if got, err := source.ParseConnection(uri, false, false); err != nil || got.Port != want {
			t.Errorf("%s has port %d, %v", uri, got.Port, err)
		}
	}
	for _, port := range []string{"0", "65536", "-1"} {
		if _, err := source.ParseConnection("http://den:"+port, false, false); err == nil {
			t.Errorf("port %s was accepted", port)
		}
	}
}
