package db_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/dbtest"
)

// holdEnv makes the test binary a process that holds the folder in this variable.
const holdEnv = "USHER_TEST_HOLD"

func init() {
	if dir := os.Getenv(holdEnv); dir != "" {
		_, err := db.Open(context.Background(), held(dir, "the first"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600)
		}
		if err != nil {
			panic(err)
		}
		time.Sleep(time.Minute)
		os.Exit(1)
	}
}

func held(dir, holder string) db.Config {
	return db.Config{Dir: dir, Holder: holder, Migrations: dbtest.Migrations}
}

// A folder has one holder, which the error names. A process without a holder can run next
// to it.
func TestHolder(t *testing.T) {
	dir := t.TempDir()
	first, err := db.Open(t.Context(), held(dir, "the first"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Open(t.Context(), held(dir, "the second"))
	if by := (*db.HeldError)(nil); !errors.As(err, &by) || !errors.Is(err, db.ErrInUse) ||
		!strings.HasPrefix(by.By, "the first (process ") || by.Dir != dir {
		t.Errorf("the second opens the folder: %v, want a *HeldError about the first", err)
	}
	if _, err = db.Restore(t.Context(), held(dir, "the second"), "no file", nil); !errors.Is(err, db.ErrInUse) {
		t.Errorf("a restore next to the first: %v, want ErrInUse", err)
	}
	mustPut(t, open(t, dir), "a")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := db.Open(t.Context(), held(dir, "the second"))
	if err != nil {
		t.Fatalf("the folder is held by a database that is closed: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

// A restore that was killed leaves no copy of the database.
func TestRestoreRemovesWhatIsLeft(t *testing.T) {
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy.db")
	if err := open(t, t.TempDir()).Backup(t.Context(), copied, nil); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "restore-1")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"usher.lock", db.Name} {
		if err := os.WriteFile(filepath.Join(left, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	prepare := func(context.Context, *db.DB) error { return nil }
	if _, err := db.Restore(t.Context(), held(dir, "a restore"), copied, prepare); err != nil {
		t.Fatal(err)
	}
	if list, err := filepath.Glob(filepath.Join(dir, "restore-*")); err != nil || len(list) > 0 {
		t.Errorf("%v is left, %v", list, err)
	}
}

// A killed holder holds nothing, whatever it wrote about itself.
func TestHolderThatIsKilled(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), holdEnv+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the other process is not ready")
		}
	}
	if _, err := db.Open(t.Context(), held(dir, "the second")); !errors.Is(err, db.ErrInUse) {
		t.Errorf("the second opens the folder of another process: %v, want ErrInUse", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	d, err := db.Open(t.Context(), held(dir, "the second"))
	if err != nil {
		t.Fatalf("a process that was killed holds the folder: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
