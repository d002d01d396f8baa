package core_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/seal"
)

// Attack: an encrypted backup is killed before its copy in plain text is removed. The next
// backup removes that copy. It does not touch the copy of a backup that is still running,
// or a file that usher did not create.
func TestKilledBackup(t *testing.T) {
	cfg := core.Config{Dir: t.TempDir(), KeyFile: filepath.Join(t.TempDir(), "usher.key")}
	c, err := core.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	left := func(name string, files ...string) string {
		dir := filepath.Join(cfg.Dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte("in plain text"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	killed := left("usher-copy-1", "usher.lock", "usher.db")
	early := left("usher-copy-2")
	mine := left("usher-copy", "usher.lock", "notes.txt")
	unknown := left("usher-copy-mine", "notes.txt")
	running, remove, err := db.Private(cfg.Dir, "usher-copy-")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{killed, early} {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is still there", dir)
		}
	}
	left("usher-copy-3", "usher.lock", "usher.db")
	to := filepath.Join(t.TempDir(), "copy.age")
	if err := core.Backup(t.Context(), cfg, to, core.CopyOptions{Passphrase: seal.Passphrase{Text: "correct horse", Work: 1}}); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{mine, unknown, running} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("a backup removed something other than the copy of a killed one: %v", err)
		}
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	copies, err := filepath.Glob(filepath.Join(cfg.Dir, "usher-copy-[0-9]*"))
	if err != nil || len(copies) != 0 {
		t.Errorf("a backup leaves %v, %v", copies, err)
	}
}
