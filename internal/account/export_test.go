package account

import (
	"golang.org/x/crypto/argon2"

	"github.com/usher-auth/usher/plexauth"
)

// CountHashes returns how many passwords s hashes while do runs.
func (s *Service) CountHashes(do func()) int {
	n := 0
	defer func() { s.hasher.derive = argon2.IDKey }()
	s.hasher.derive = func(password, salt []byte, time, memory uint32, threads uint8, size uint32) []byte {
		n++
		return argon2.IDKey(password, salt, time, memory, threads, size)
	}
	do()
	return n
}

// HashPassword and Matches are a hash's way out and back.
func HashPassword(password plexauth.Secret, c Cost) string {
	return hasher{c, argon2.IDKey}.hash(password)
}

// Matches parses a PHC string and compares.
func Matches(text string, password plexauth.Secret) (bool, error) {
	p, err := parsePHC(text)
	if err != nil {
		return false, err
	}
	return hasher{derive: argon2.IDKey}.matches(password, p), nil
}

// ReadPHC parses a PHC string and writes it again.
func ReadPHC(text string) (again string, c Cost, err error) {
	p, err := parsePHC(text)
	return p.String(), p.cost, err
}

// SplitCode is splitCode.
func SplitCode(password plexauth.Secret) (rest, code plexauth.Secret, ok bool) {
	return splitCode(password)
}
