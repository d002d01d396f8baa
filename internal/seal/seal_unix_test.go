//go:build unix

package seal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/usher-auth/usher/internal/seal"
)

// Only its owner can read a new key file. Windows has no such modes: its access
// control lists decide.
func TestKeyFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.key")
	if _, err := seal.LoadOrCreate(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the key file has mode %v, want 0600", mode)
	}
}

// Attack: a key that others can read opens every seed of a second factor in a copy
// of the database. A key that others can write is anybody's.
func TestModeOfKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.key")
	if _, err := seal.LoadOrCreate(path); err != nil {
		t.Fatal(err)
	}
	ofRoot := os.Getuid() == 0 // and then a group may read it
	for _, c := range []struct {
		mode fs.FileMode
		good bool
	}{
		{0o400, true}, {0o600, true}, {0o700, true}, {0o640, ofRoot}, {0o440, ofRoot},
		{0o604, false}, {0o644, false}, {0o660, false}, {0o602, false}, {0o666, false}, {0o601, false},
	} {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := seal.LoadOrCreate(path)
		modeErr := (*seal.ModeError)(nil)
		if refused := errors.As(err, &modeErr); refused == c.good || !refused && err != nil {
			t.Errorf("a key file of mode %04o: error %v, want it accepted: %v", c.mode, err, c.good)
		}
	}
}
