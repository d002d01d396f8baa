package token_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// Attack: a transient token for one server is used at another.
func TestTransientTokenForOneServer(t *testing.T) {
	w := newFixture(t, core.Config{})
	attic := w.AddSource(source.Source{
		Kind: source.Server, Identifier: "attic", Name: "Attic", OwnerID: w.mia.ID,
		Connections: []source.Connection{{URI: "http://192.0.2.6:32400"}},
	})
	p := w.verify(t, w.signIn(t, "tv"))
	server, err := w.serverToken(t, p, w.den.ID)
	if err != nil {
		t.Fatal(err)
	}
	ofServer := w.verify(t, server)
	for _, test := range []struct {
		name       string
		of         token.Principal
		sourceID   int64
		den, attic bool
	}{
		{"an access token's", p, 0, true, true},
		{"an access token's for den", p, w.den.ID, true, false},
		{"an access token's for the attic", p, attic.ID, false, true},
		{"a server token's", ofServer, 0, true, false},
		{"a server token's for its own server", ofServer, w.den.ID, true, false},
		{"Attack: a server token's for another server", ofServer, attic.ID, true, false},
		{"a transient token's", w.verify(t, w.mint(p, w.den.ID)), 0, true, false},
		{"Attack: a transient token's for another server", w.verify(t, w.mint(p, w.den.ID)), attic.ID, true, false},
	} {
		got := w.verify(t, w.mint(test.of, test.sourceID))
		if got.Kind != token.Transient || got.Reaches(w.den.ID) != test.den || got.Reaches(attic.ID) != test.attic {
			t.Errorf("%s: %+v reaches den: %v, the attic: %v", test.name, got, got.Reaches(w.den.ID), got.Reaches(attic.ID))
		}
	}
}

// Two processes start their counters at different numbers: a token does not reveal how
// many came before it.
func TestTransientTokenCountersStartRandomly(t *testing.T) {
	first := func() string {
		w := newFixture(t, core.Config{})
		text := strings.TrimPrefix(string(w.mint(w.verify(t, w.signIn(t, "tv")), 0)), "transient-")
		sealed, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(sealed[:12]) // the nonce
	}
	if a, b := first(), first(); a == b {
		t.Errorf("the first tokens of two processes both have the nonce %x", a)
	}
}

// Clients store the token for a server, and get the same one after an update: its
// derivation does not change.
func TestServerTokenIsDerived(t *testing.T) {
	w := newFixture(t, core.Config{})
	known := plexauth.Secret("abcdefghijklmnopqrst")
	if err := w.IssueKnown(t.Context(), w.by(), w.mia.ID, device.Device{ClientIdentifier: "tv"}, known); err != nil {
		t.Fatal(err)
	}
	p := w.verify(t, known)
	if w.den.ID != 2 {
		t.Fatalf("the server's ID is %d, want 2", w.den.ID)
	}
	for _, want := range []plexauth.Secret{"vqCgdK9gaMzPyS5MD1TW", "yVKk8ELGAHncanLr62wG", "QRwobiS6NN41PeG00gCM"} {
		got, err := w.serverToken(t, p, w.den.ID)
		if err != nil || got != want {
			t.Errorf("the token is %q, %v; want %q", string(got), err, string(want))
		}
		if err := w.Revoke(t.Context(), w.by(), w.verify(t, got).TokenID); err != nil {
			t.Fatal(err)
		}
	}
}

// A use that cannot be recorded is in the log of the server.
func TestFailedFlushIsLogged(t *testing.T) {
	var log bytes.Buffer
	w := newFixture(t, core.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	tok := w.signIn(t, "tv")
	w.Clock.Advance(time.Hour)
	w.verify(t, tok)
	if w.Flush(t.Context()); log.Len() > 0 {
		t.Errorf("after nothing has failed, the log has %q", log.String())
	}
	w.Clock.Advance(time.Hour)
	w.verify(t, tok)
	if err := w.DB.Close(); err != nil {
		t.Fatal(err)
	}
	w.Flush(t.Context())
	if !strings.Contains(log.String(), "cannot record when tokens were last used") {
		t.Errorf("the log has %q", log.String())
	}
}

// One more token of a device replaces the only one that is not its ancestor.
// If all are ancestors, it is rejected.
func TestNoAncestorMakesRoom(t *testing.T) {
	w := newFixture(t, core.Config{})
	last := w.signIn(t, "tv")
	chain := []plexauth.Secret{last}
	for range token.PerDevice - 2 {
		last = w.child(t, w.verify(t, last), "tv")
		chain = append(chain, last)
	}
	other := w.signIn(t, "tv")
	last = w.child(t, w.verify(t, last), "tv")
	refused(t, w.Service, "the only one that did not lead to the new one", other)
	for _, tok := range append(chain, last) {
		w.verify(t, tok)
	}
	err := w.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		p, err := w.Verify(ctx, last)
		if err != nil {
			return err
		}
		_, _, err = w.AddNew(ctx, tx, w.by(), p.AccountID, p.Parent(), device.Device{ClientIdentifier: "tv"})
		return err
	})
	if fault.KindOf(err) != fault.Conflict {
		t.Errorf("one more when all of them led to it: %v, want an error of the kind Conflict", err)
	}
}

// A token that a test kit has chosen works like a generated one, and is in the
// log.
func TestIssueKnown(t *testing.T) {
	w := newFixture(t, core.Config{})
	for tok, good := range map[plexauth.Secret]bool{
		"abcdefghijklmnopqrsT": true, "0123456789012345678Z": true, "": false, "abcdefghijklmnopqrs": false,
		"abcdefghijklmnopqrstu": false, "abcdefghij-lmnopqrst": false, "-bcdefghijklmnopqrst": false, "abcdefghijklmnopqrs_": false,
	} {
		d := device.Device{ClientIdentifier: "tv"}
		before, err := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.SignIn}})
		if err != nil {
			t.Fatal(err)
		}
		err = w.IssueKnown(t.Context(), w.by(), w.mia.ID, d, tok)
		after, listing := w.Audit.List(t.Context(), audit.Query{Events: []audit.Kind{audit.SignIn}})
		if listing != nil {
			t.Fatal(listing)
		}
		if got := w.alive(t, tok); got != good || (err == nil) != good || (len(after)-len(before) == 1) != good {
			t.Errorf("%q: it is there: %v, %v, with %d events; want %v", string(tok), got, err, len(after)-len(before), good)
		}
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v, want an error of the kind Invalid", string(tok), err)
		}
	}
}
