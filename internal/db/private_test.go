package db_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/usher-auth/usher/internal/db"
)

// Attack: another user of the machine creates a folder for temporary content in the
// folder that everyone can write to, and in it a lock that is a link to a file of ours.
func TestPrivateFollowsNoLink(t *testing.T) {
	for name, link := range map[string]func(file, name string) error{"a symbolic link": os.Symlink, "a hard link": os.Link} {
		t.Run(name, func(t *testing.T) {
			parent, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
			const content = "ours"
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			planted := filepath.Join(parent, "usher-copy-1")
			if err := os.Mkdir(planted, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := link(file, filepath.Join(planted, "usher.lock")); err != nil {
				t.Skip(err)
			}
			if name == "a hard link" { // indistinguishable from a file in a folder of our own
				if err := os.Chown(planted, 65534, 65534); err != nil {
					t.Skip("only root can create a folder of another user:", err)
				}
			}
			_, remove, err := db.Private(parent, "usher-copy-")
			if err != nil {
				t.Fatal(err)
			}
			if err := remove(); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != content {
				t.Errorf("attack: the file is now %q, %v", got, err)
			}
		})
	}
}

// A folder that a killed process left is removed, and one whose process is running is not.
func TestPrivateRemovesWhatIsLeft(t *testing.T) {
	parent := t.TempDir()
	left := filepath.Join(parent, "usher-copy-left")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"usher.lock", "usher.db"} {
		if err := os.WriteFile(filepath.Join(left, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	used, remove, err := db.Private(parent, "usher-copy-")
	if err != nil {
		t.Fatal(err)
	}
	_, removeOther, err := db.Private(parent, "usher-copy-")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("the folder of a killed process is left")
	}
	if _, err := os.Stat(used); err != nil {
		t.Errorf("the folder of a running process is gone: %v", err)
	}
	for _, remove := range []func() error{remove, removeOther} {
		if err := remove(); err != nil {
			t.Error(err)
		}
	}
	if list, err := os.ReadDir(parent); err != nil || len(list) > 0 {
		t.Errorf("%v is left, %v", list, err)
	}
}
