package seal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/usher-auth/usher/internal/seal"
)

// quick is a passphrase that costs nothing to guess.
var quick = seal.Passphrase{Text: "correct horse", Work: 2}

func TestPassphrase(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := bytes.Repeat([]byte("a secret of somebody\n"), 10_000) // some chunks of age
	write("plain", text)
	f, err := os.Create(path("encrypted"))
	if err != nil {
		t.Fatal(err)
	}
	if err := quick.EncryptFile(t.Context(), f, path("plain")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	encrypted, err := os.ReadFile(path("encrypted"))
	if err != nil || bytes.Contains(encrypted, []byte("secret")) {
		t.Fatalf("the file is not encrypted: %v", err)
	}
	write("empty", nil)
	for name, want := range map[string]bool{"plain": false, "encrypted": true, "empty": false} {
		if got, err := seal.IsEncrypted(path(name)); got != want || err != nil {
			t.Errorf("%s is encrypted: %v, %v", name, got, err)
		}
	}

	if err := quick.DecryptFile(t.Context(), path("again"), path("encrypted")); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(path("again"))
	if err != nil || !bytes.Equal(again, text) {
		t.Errorf("decrypted to %d bytes, %v; want %d", len(again), err, len(text))
	}
	if info, err := os.Stat(path("again")); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others can read the decrypted file: %v", info.Mode())
	}

	changed := bytes.Clone(encrypted)
	changed[len(changed)-1000] ^= 1
	for what, test := range map[string]struct {
		with seal.Passphrase
		text []byte
		want error
	}{
		"another passphrase":          {seal.Passphrase{Text: "wrong horse"}, encrypted, seal.ErrPassphrase},
		"no passphrase":               {seal.Passphrase{}, encrypted, seal.ErrPassphrase},
		"cut off in the last part":    {quick, encrypted[:len(encrypted)-1], seal.ErrDamaged},
		"cut off between two parts":   {quick, encrypted[:len(encrypted)/2], seal.ErrDamaged},
		"cut off in the head":         {quick, encrypted[:50], seal.ErrDamaged},
		"Attack: one bit is flipped":  {quick, changed, seal.ErrDamaged},
		"Attack: something was added": {quick, append(bytes.Clone(encrypted), 'x'), seal.ErrDamaged},
	} {
		write("bad", test.text)
		if err := test.with.DecryptFile(t.Context(), path("out"), path("bad")); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", what, err, test.want)
		}
		if _, err := os.Stat(path("out")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something is left: %v", what, err)
		}
	}
}

// If a file was not read completely, or the copy cannot be read back, the file is not
// encrypted.
func TestEncryptFileChecks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "plain")
	if err := os.WriteFile(path, []byte("a secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, from string
		flags      int
	}{
		{"a folder in the place of the file", dir, os.O_RDWR},
		{"no file", filepath.Join(dir, "none"), os.O_RDWR},
		{"a copy that can only be written", path, os.O_WRONLY},
		{"a copy that can only be read", path, os.O_RDONLY},
	} {
		to, err := os.OpenFile(filepath.Join(dir, "to"), os.O_CREATE|os.O_TRUNC|test.flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		// Zero is the work that age recommends, which is not reached here.
		for _, p := range []seal.Passphrase{quick, {Text: quick.Text}} {
			if p.Work == 0 && test.from == path {
				continue
			}
			if err := p.EncryptFile(t.Context(), to, test.from); err == nil {
				t.Errorf("%s: no error", test.name)
			}
		}
		if err := to.Close(); err != nil {
			t.Error(err)
		}
	}
}
