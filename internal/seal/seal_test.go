package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/usher-auth/usher/internal/seal"
)

func TestSealAndOpen(t *testing.T) {
	key := seal.NewKey([32]byte{1})
	sealed, err := key.Seal("seed of mia", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("the sealed bytes hold the secret")
	}
	if plain, err := key.Open("seed of mia", sealed); err != nil || string(plain) != "secret" {
		t.Errorf("Open returned %q, %v", plain, err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"moved to another account": func() ([]byte, error) { return key.Open("seed of noa", sealed) },
		"changed":                  func() ([]byte, error) { return key.Open("seed of mia", changed) },
		"cut short":                func() ([]byte, error) { return key.Open("seed of mia", sealed[:5]) },
		"another key":              func() ([]byte, error) { return seal.NewKey([32]byte{2}).Open("seed of mia", sealed) },
	} {
		if plain, err := open(); !errors.Is(err, seal.ErrOpen) || plain != nil {
			t.Errorf("%s: Open returned %q, %v, want ErrOpen", name, plain, err)
		}
	}
}

func TestDerive(t *testing.T) {
	key := seal.NewKey([32]byte{1})
	same, other := seal.NewKey([32]byte{1}), seal.NewKey([32]byte{2})
	if key.Derive("a") != same.Derive("a") || key.Derive("a") == key.Derive("b") || key.Derive("a") == other.Derive("a") {
		t.Error("Derive is not a function of the key and the purpose")
	}
}

// A fingerprint is stored in the database: it must differ from everything else
// that is derived from the key.
func TestFingerprint(t *testing.T) {
	key := seal.NewKey([32]byte{1})
	same, other := seal.NewKey([32]byte{1}), seal.NewKey([32]byte{2})
	print := key.Fingerprint()
	if !same.Is(print) || other.Is(print) || key.Is(nil) || key.Is(print[:31]) {
		t.Error("the fingerprint does not tell keys apart")
	}
	for _, purpose := range []string{"sealing at rest", "backup codes", "server tokens", "pin tokens"} {
		if derived := key.Derive(purpose); bytes.Equal(derived[:], print) {
			t.Errorf("the fingerprint is the key of %s", purpose)
		}
	}
}

func TestLoadMakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.key")
	if _, err := seal.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load without a file returned %v, want fs.ErrNotExist", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("Load made a key file")
	}
}

// Processes that start at the same time must share one key.
func TestLoadOrCreateOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.key")
	keys := make([]*seal.Key, 20)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = seal.LoadOrCreate(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k.Derive("") != keys[0].Derive("") {
			t.Fatal("two callers got different keys")
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("files were left behind: %v", entries)
	}
}

func TestLoadRefusesOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.key")
	for _, text := range []string{"", "short", "not base64 at all, and long enough to be a key otherwise"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.LoadOrCreate(path); err == nil {
			t.Errorf("%q was taken for a key", text)
		}
	}
}

func TestKeyDoesNotPrint(t *testing.T) {
	key := seal.NewKey([32]byte{'s', 'e', 'c', 'r', 'e', 't'})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, key); got != "…" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}
