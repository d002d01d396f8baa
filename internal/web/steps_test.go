package web_test

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/source"
)

// An admin's list of next steps marks each step when it is done, and disappears when all
// are done.
func TestNextSteps(t *testing.T) {
	w := newFixture(t, nil)
	w.AddAdmin("olga")
	b := w.browser().signIn("olga")
	ticked := func(want int) {
		t.Helper()
		page := b.reads("/account", "Next steps", b.base)
		if n := strings.Count(page, `class="ticked"`); n != want {
			t.Errorf("%d steps are done, want %d:\n%s", n, want, page)
		}
	}
	ticked(0)
	w.Add("mia")
	ticked(1)
	w.AddSource(source.Source{
		Kind: source.Server, Identifier: "den", Name: "Den", Connections: []source.Connection{{URI: "http://10.0.0.1:32400"}},
	})
	ticked(2)
	w.program("mia")
	ticked(3)
	w.enrol("olga")
	ticked(4)
	mia := w.browser().signIn("mia")
	if strings.Contains(mia.reads("/account"), "Next steps") {
		t.Error("a member sees the steps of admins")
	}
}

// The time of the last backup is stored, and there is a warning if it is old.
func TestLastBackup(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	cfg := core.Config{Dir: dir, KeyFile: filepath.Join(dir, "key"), Self: &source.Self{MachineIdentifier: "self"}, Now: func() time.Time { return now }}
	c, err := core.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if at, err := c.LastBackup(t.Context()); !at.IsZero() || err != nil {
		t.Errorf("before the first backup: %v, %v", at, err)
	}
	now = now.Truncate(time.Second)
	if err := core.Backup(t.Context(), cfg, filepath.Join(t.TempDir(), "copy.db"), core.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if at, err := c.LastBackup(t.Context()); !at.Equal(now) || err != nil {
		t.Errorf("after a backup at %v: %v, %v", now, at, err)
	}
}

func TestWarnings(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("olga")
	b.reads("/admin", "Your account has no second factor", "There is no backup yet")
	w.must(w.Audit.Tally(t.Context(), "sign-in.refused", 101))
	b.reads("/admin", "101 attempts to sign in were refused in the last hour")
	b.reads("/admin?span=week", "The last week", "Sign-ins in the last week: 1 in all", "Refusals in the last week: 101 in all, at most 101 in two hours")
}

// Admins rename other accounts, promote them and demote them.
func TestAdminChangesRoles(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("olga")
	b.sends("/admin/accounts/2/rename", "/admin/accounts/2?done=renamed", "username", "maria", "current", password)
	b.reads("/admin/accounts/2?done=renamed", "The account is renamed.", "maria")
	b.wantWrong(b.post("/admin/accounts/2/rename", url.Values{"username": {"noa"}, "current": {password}}),
		"admin-accounts-2-rename-username", "An account with this name or e-mail exists already.")
	b.confirms("/admin/accounts/2/promote", "/admin/accounts/2?done=promoted")
	if !w.account("maria").Admin {
		t.Error("maria is not an admin")
	}
	b.confirms("/admin/accounts/2/demote", "/admin/accounts/2?done=demoted")
	if w.account("maria").Admin {
		t.Error("maria is still an admin")
	}
}

// Every page names the server and the version, which is no secret: GET /identity has it.
func TestServerOnEveryPage(t *testing.T) {
	w := newFixture(t, func(c *config) {
		c.Self.Name = "The attic"
		c.Server.Version = "1.2.3"
	})
	w.people()
	b := w.browser()
	b.reads("/auth", "The attic · usher 1.2.3")
	b.signIn("mia").reads("/account/devices", "The attic · usher 1.2.3 · times in")
}
