package plexauth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// LoadClientIdentifier returns the client identifier of a program, and makes
// one at the first call: a random UUID, kept in the folder of that name in the
// user's configuration folder. With the same identifier in every run, the
// account's list of devices has the program once.
func LoadClientIdentifier(program string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("plexauth: finding the configuration folder: %w", err)
	}
	if program == "" || program != filepath.Base(program) {
		return "", fmt.Errorf("plexauth: %q is not the name of a program", program)
	}
	path := filepath.Join(dir, program, "client-identifier")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		// Of two processes that make one at the same time, the first wins.
		if err = writePrivate(path, newUUID()+"\n", linkOnce); err == nil {
			text, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return "", fmt.Errorf("plexauth: keeping the client identifier: %w", err)
	}
	id := strings.TrimSpace(string(text))
	if id == "" {
		return "", fmt.Errorf("plexauth: %s is empty: remove it", path)
	}
	return id, nil
}

// linkOnce gives a file its name unless there is one of that name.
func linkOnce(from, to string) error {
	if err := os.Link(from, to); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// newUUID draws a UUID of version 4 (RFC 9562, section 5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
