package account

import (
	"context"

	"github.com/usher-auth/usher/internal/hashing"
	"github.com/usher-auth/usher/plexauth"
)

// CountHashes returns how many passwords s hashes while do runs.
func (s *Service) CountHashes(do func()) int {
	n := 0
	defer func() { s.hasher.argon2id = hashing.Here }()
	s.hasher.argon2id = func(in hashing.Input) []byte {
		n++
		return hashing.Here(in)
	}
	do()
	return n
}

// Recognises reports whether a browser's marks say that it has signed in to an
// account before.
func (s *Service) Recognises(ctx context.Context, a Account, marks string) bool {
	at, err := s.placeOf(ctx, a, "192.0.2.1", Caller{Marks: plexauth.Secret(marks)})
	return err == nil && at.known
}

// HashPassword hashes a password, and Matches compares one with the hash.
func HashPassword(password plexauth.Secret, c Cost) plexauth.Secret {
	return hasher{c, hashing.Here}.hash(password)
}

// Matches parses a PHC string and compares.
func Matches(text, password plexauth.Secret) (bool, error) {
	p, err := parsePHC(text)
	if err != nil {
		return false, err
	}
	return hasher{argon2id: hashing.Here}.matches(password, p), nil
}

// ReadPHC parses a PHC string and writes it again.
func ReadPHC(text plexauth.Secret) (again plexauth.Secret, c Cost, err error) {
	p, err := parsePHC(text)
	return p.text(), p.cost, err
}

// SplitCode is splitCode.
func SplitCode(password plexauth.Secret) (rest, code plexauth.Secret, ok bool) {
	return splitCode(password)
}
