package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/store"
)

// A search of many names in the shares of a server is done in parts. It finds each share
// once and in order, in both directions, even if no name in a part has a share.
func TestSharesAreSearchedInParts(t *testing.T) {
	d := opener(t, db.Config{})()
	for _, text := range []string{
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000)
			INSERT INTO account (uuid, username, username_key, email, email_key, title, password_hash, admin, created_at)
			SELECT printf('%032x', i), printf('user%07d', i), printf('user%07d', i), '', printf('u%d@example.org', i), '', '', 0, 1 FROM n`,
		`INSERT INTO source (id, kind, identifier, name, product, product_version, created_at) VALUES (1, 'server', 's', 'S', '', '', 1)`,
		`INSERT INTO share (source_id, account_id, created_at) SELECT 1, id, 1 FROM account WHERE id <= 1000 OR id > 24970`,
	} {
		if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return tx.Exec(ctx, text) }); err != nil {
			t.Fatal(err)
		}
	}
	const names = 1030
	walk := func(next func(paging.List[int64]) paging.Request, r paging.Request) (ids []int64, parts int) {
		t.Helper()
		for r.After != "" || r.Before != "" || parts == 0 {
			list, err := store.Shares{}.OfSource(t.Context(), d, 1, "user", r)
			if err != nil {
				t.Fatal(err)
			}
			found := paging.List[int64]{Next: list.Next, Previous: list.Previous}
			for _, s := range list.Rows {
				found.Rows = append(found.Rows, s.AccountID)
			}
			if r.Before != "" {
				ids = append(slices.Clone(found.Rows), ids...)
			} else {
				ids = append(ids, found.Rows...)
			}
			r, parts = next(found), parts+1
		}
		return ids, parts
	}
	forward, parts := walk(func(l paging.List[int64]) paging.Request { return paging.Request{Limit: 250, After: l.Next} }, paging.Request{Limit: 250})
	if len(forward) != names || !slices.IsSorted(forward) || parts > 9 {
		t.Errorf("%d shares are found in %d parts: %v", len(forward), parts, forward)
	}
	end := paging.NewCursor("user0025001")
	back, parts := walk(func(l paging.List[int64]) paging.Request { return paging.Request{Limit: 250, Before: l.Previous} }, paging.Request{Limit: 250, Before: end})
	if !slices.Equal(back, forward) || parts > 9 {
		t.Errorf("backwards, %d shares are found in %d parts: %v", len(back), parts, back)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again := opener(t, db.Config{})()
	defer again.Close()
	for _, text := range d.Statements() {
		if !strings.Contains(text, "JOIN share") {
			continue
		}
		for _, step := range explain(t, again, text) {
			if strings.HasPrefix(step, "SCAN ") && step != "SCAN n" || strings.HasPrefix(step, "USE TEMP") {
				t.Errorf("%s\n%s", text, step)
			}
		}
	}
}
