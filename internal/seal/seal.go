// Package seal encrypts stored secrets that must be read back: TOTP seeds and the
// keys from which tokens are derived; and files, with a passphrase.
//
// It owns the key file and the encryption (AES-256-GCM with a key for each purpose,
// derived with HKDF; age for files). It does not own the secrets or where they are stored. The
// database alone, without the key file, reveals none of them.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const keySize = 32

// ErrOpen reports that sealed bytes cannot be decrypted: they were changed, sealed for
// another purpose, or sealed with another key file.
var ErrOpen = errors.New("cannot be opened with this key file")

// Key is the secret that encrypts all stored secrets. It is safe for concurrent
// use.
type Key struct{ secret [keySize]byte }

// String keeps the key out of logs.
func (*Key) String() string { return "…" }

// GoString keeps the key out of %#v.
func (*Key) GoString() string { return "…" }

// NewKey returns the key with these 32 random bytes.
func NewKey(secret [keySize]byte) *Key { return &Key{secret} }

// LoadOrCreate reads the key file at path, or creates it, readable by its owner
// only. Two processes that do this at the same time get the same key.
func LoadOrCreate(path string) (*Key, error) {
	key, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("making the key file: %w", err)
	}
	return Load(path)
}

// Load reads the key file at path. The error is fs.ErrNotExist if it does not
// exist, and a *ModeError if other users can read it.
func Load(path string) (*Key, error) {
	text, err := read(path)
	if modeErr := (*ModeError)(nil); errors.As(err, &modeErr) {
		return nil, modeErr
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != keySize {
		return nil, fmt.Errorf("the key file %s does not hold %d bytes in base64", path, keySize)
	}
	return NewKey([keySize]byte(raw)), nil
}

// ModeError reports that other users can read or write a key file.
type ModeError struct {
	File string
	Mode fs.FileMode
}

// OpenToOthers reports whether other users can read or write a file, which is not
// allowed for files with secrets. If root owns the file, its group may read it. On
// Windows it returns false, because the mode has no meaning.
func OpenToOthers(info fs.FileInfo) bool { return info.Mode().Perm()&othersMayUse(info) != 0 }

func (e *ModeError) Error() string {
	return fmt.Sprintf("the key file %s is open to other users: its mode is %04o", e.File, e.Mode)
}

// read reads a key file. It returns a *ModeError if others can use it.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if OpenToOthers(info) {
		return nil, &ModeError{path, info.Mode().Perm()}
	}
	return io.ReadAll(f)
}

// create writes the whole file before it links it to its path, so that no other process
// can read half a key. It does not replace an existing file.
func create(path string) error {
	var secret [keySize]byte
	_, _ = rand.Read(secret[:]) // never fails
	f, err := os.CreateTemp(filepath.Dir(path), ".usher-key-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(secret[:]) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Derive returns 32 bytes for a purpose, always the same for the same key.
func (k *Key) Derive(purpose string) [32]byte {
	out, err := hkdf.Key(sha256.New, k.secret[:], nil, "usher "+purpose, 32)
	if err != nil {
		panic(err) // HKDF always returns 32 bytes
	}
	return [32]byte(out)
}

// Fingerprint identifies the key and reveals nothing else about it, so it can be
// stored with the sealed data.
func (k *Key) Fingerprint() []byte {
	out := k.Derive("key fingerprint")
	return out[:]
}

// Is reports whether a fingerprint is the fingerprint of this key.
func (k *Key) Is(fingerprint []byte) bool {
	return subtle.ConstantTimeCompare(k.Fingerprint(), fingerprint) == 1
}

// Seal encrypts plain for a purpose, such as "totp seed of 5f3a…". The result can
// be decrypted for the same purpose only.
func (k *Key) Seal(purpose string, plain []byte) ([]byte, error) {
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, []byte(purpose)), nil
}

// Open decrypts the result of Seal for the same purpose, or returns ErrOpen.
func (k *Key) Open(purpose string, sealed []byte) ([]byte, error) {
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

func (k *Key) aead() (cipher.AEAD, error) {
	key := k.Derive("sealing at rest")
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
