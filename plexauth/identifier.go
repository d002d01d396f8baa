package plexauth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// LoadClientIdentifier returns the client identifier of a program for the
// current user. The first call generates a random UUID and stores it in the
// file client-identifier in the directory program of os.UserConfigDir. Later
// calls, also by other processes, return the stored one, so that the account
// lists the program as one device.
//
// program must be a single path element. It is safe to call
// LoadClientIdentifier concurrently, from one process or several.
func LoadClientIdentifier(program string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("plexauth: finding the configuration directory: %w", err)
	}
	if program == "" || program != filepath.Base(program) {
		return "", fmt.Errorf("plexauth: invalid program name %q", program)
	}
	path := filepath.Join(dir, program, "client-identifier")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		// If two processes store an identifier at the same time, both use the
		// first.
		if err = writePrivate(path, newUUID()+"\n", linkIfAbsent); err == nil {
			text, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return "", fmt.Errorf("plexauth: loading the client identifier: %w", err)
	}
	id := strings.TrimSpace(string(text))
	if id == "" {
		return "", fmt.Errorf("plexauth: %s is empty; remove it to generate a new identifier", path)
	}
	return id, nil
}

// linkIfAbsent links from to the name to, unless a file of that name exists.
func linkIfAbsent(from, to string) error {
	if err := os.Link(from, to); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// newUUID generates a UUID of version 4 (RFC 9562, section 5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
