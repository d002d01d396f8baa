package seal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"

	"github.com/usher-auth/usher/plexauth"
)

// Errors of DecryptFile.
var (
	// ErrPassphrase reports that a file was encrypted with another passphrase.
	ErrPassphrase = errors.New("the passphrase is wrong")
	// ErrDamaged reports that an encrypted file is truncated or was changed.
	ErrDamaged = errors.New("the encrypted file is incomplete or was changed")
)

// ageHeader is the beginning of the files that age writes.
const ageHeader = "age-encryption.org/"

// A Passphrase encrypts files in the format of age (https://age-encryption.org/v1), so
// that the age command reads them, too.
type Passphrase struct {
	// Text is the passphrase. It must not be empty.
	Text plexauth.Secret
	// Work is the base-2 logarithm of the work factor of each guess at the passphrase.
	// If zero, it is what age recommends, about a second.
	Work int
}

// IsEncrypted reports whether a file begins like those of EncryptFile.
func IsEncrypted(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, len(ageHeader))
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return bytes.Equal(head[:n], []byte(ageHeader)), nil
}

// EncryptFile writes an encrypted copy of a file to an empty one, and decrypts that to
// check it.
func (p Passphrase) EncryptFile(ctx context.Context, to *os.File, from string) error {
	recipient, err := age.NewScryptRecipient(string(p.Text))
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	if p.Work > 0 {
		recipient.SetWorkFactor(p.Work)
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := age.Encrypt(to, recipient)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	want, got := sha256.New(), sha256.New()
	_, err = io.Copy(io.MultiWriter(out, want), reader{ctx, in})
	if err = errors.Join(err, out.Close()); err == nil {
		err = to.Sync()
	}
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := p.decrypt(ctx, got, to); err != nil {
		return fmt.Errorf("checking the encrypted file: %w", err)
	}
	if !bytes.Equal(want.Sum(nil), got.Sum(nil)) {
		return fmt.Errorf("checking the encrypted file: %w", ErrDamaged)
	}
	return nil
}

// DecryptFile writes the decrypted content of a file to a new file that only its owner
// can read. Errors: ErrPassphrase, ErrDamaged.
func (p Passphrase) DecryptFile(ctx context.Context, to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = p.decrypt(ctx, out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

func (p Passphrase) decrypt(ctx context.Context, to io.Writer, from io.Reader) error {
	identity, err := age.NewScryptIdentity(string(p.Text))
	if err != nil {
		return ErrPassphrase // the passphrase is empty
	}
	plain, err := age.Decrypt(bufio.NewReader(reader{ctx, from}), identity)
	var other *age.NoIdentityMatchError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &other):
		return ErrPassphrase
	case err != nil:
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	in := &tracked{Reader: plain}
	if _, err = io.Copy(to, in); in.err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w (%w)", ErrDamaged, in.err)
	}
	return err
}

// reader stops reading when a context ends.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// tracked records the error of a reader, to distinguish it from the error of the
// writer.
type tracked struct {
	io.Reader
	err error
}

func (t *tracked) Read(b []byte) (n int, err error) {
	if n, err = t.Reader.Read(b); err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}
