package core_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/token"
)

// operator changes accounts.
var operator = audit.Actor{Name: "test"}

// opened opens a data folder and closes it again.
func opened(t *testing.T, cfg core.Config) (created bool, err error) {
	t.Helper()
	c, err := core.Open(t.Context(), cfg)
	if err != nil {
		return false, err
	}
	return c.Created, c.Close()
}

func TestOpenCreatesOnlyIfAllowed(t *testing.T) {
	cfg := core.Config{Dir: filepath.Join(t.TempDir(), "data"), KeyFile: filepath.Join(t.TempDir(), "key")}
	must := cfg
	must.MustExist = true
	if _, err := opened(t, must); !errors.Is(err, core.ErrNoDatabase) {
		t.Errorf("MustExist without a database: error %v, want ErrNoDatabase", err)
	}
	if _, err := os.Stat(cfg.Dir); !os.IsNotExist(err) {
		t.Errorf("the folder exists afterwards: %v", err)
	}
	for i, want := range []bool{true, false} {
		if created, err := opened(t, cfg); created != want || err != nil {
			t.Errorf("time %d: created %v, %v; want %v", i+1, created, err, want)
		}
	}
	if _, err := opened(t, must); err != nil {
		t.Errorf("MustExist with a database: %v", err)
	}
}

func TestOpenNeedsAFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("no folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := opened(t, core.Config{Dir: filepath.Join(file, "data"), KeyFile: file})
	if folderErr := (*core.FolderError)(nil); !errors.As(err, &folderErr) {
		t.Errorf("error %v, want a FolderError", err)
	}
}

// Attack, or mistake: another key replaces the database's key. Second factors that are
// sealed with the right key would be lost without a warning.
func TestKeyBelongsToItsDatabase(t *testing.T) {
	dir, keys := t.TempDir(), t.TempDir()
	cfg := func(key string) core.Config {
		return core.Config{Dir: dir, KeyFile: filepath.Join(keys, key), HashCost: coretest.Cheap}
	}
	c, err := core.Open(t.Context(), cfg("own"))
	if err != nil {
		t.Fatal(err)
	}
	mia, err := c.Accounts.Add(t.Context(), operator, account.NewAccount{Username: "mia", Password: coretest.Password})
	if err == nil {
		_, err = c.Accounts.Enrol(t.Context(), operator, mia.ID, account.NewEnrolment("usher", "mia"), "")
	}
	if err = errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := opened(t, core.Config{Dir: t.TempDir(), KeyFile: filepath.Join(keys, "other")}); err != nil {
		t.Fatal(err)
	}

	for key, want := range map[string]core.KeyError{"other": {Missing: false}, "typo": {Missing: true}} {
		_, err := opened(t, cfg(key))
		if keyErr := (*core.KeyError)(nil); !errors.As(err, &keyErr) || keyErr.Missing != want.Missing {
			t.Errorf("%s: error %v, want a KeyError with Missing %v", key, err, want.Missing)
		}
	}
	if _, err := os.Stat(filepath.Join(keys, "typo")); !os.IsNotExist(err) {
		t.Errorf("a key file was created: %v", err)
	}

	change, err := core.ReplaceKey(t.Context(), cfg("own"))
	if err != nil || !change.Unchanged || len(change.Lost) != 0 {
		t.Errorf("ReplaceKey with its own key: %+v, %v", change, err)
	}
	change, err = core.ReplaceKey(t.Context(), cfg("other"))
	if err != nil || change.Unchanged || len(change.Lost) != 1 || change.Lost[0].Username != "mia" {
		t.Errorf("ReplaceKey with another key: %+v, %v; want mia's second factor lost", change, err)
	}
	if _, err := opened(t, cfg("other")); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

// Rows survive a restart; transient tokens, which are sealed with a key in
// memory, do not.
func TestRestart(t *testing.T) {
	c := coretest.New(t, core.Config{})
	mia := c.Add("mia")
	access, err := c.Tokens.Issue(t.Context(), operator, mia.ID, device.Device{ClientIdentifier: "test"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Tokens.Verify(t.Context(), access)
	if err != nil {
		t.Fatal(err)
	}
	transient, _ := c.Tokens.MintTransient(p, 0)
	again := c.Restart()
	if _, err := again.Tokens.Verify(t.Context(), access); err != nil {
		t.Errorf("the access token after a restart: %v", err)
	}
	if _, err := again.Tokens.Verify(t.Context(), transient); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("the transient token after a restart: error %v, want ErrInvalid", err)
	}
	if again.Sources.Self().ID != c.Sources.Self().ID {
		t.Error("this server is another source after a restart")
	}
}
