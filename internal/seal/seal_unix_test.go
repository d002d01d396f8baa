//go:build unix

package seal_test

import (
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
