package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"

	"github.com/usher-auth/usher/internal/hashing"
	"github.com/usher-auth/usher/plexauth"
)

// Cost is the cost of hashing a password.
type Cost struct {
	// Memory in KiB, Time in passes, Threads in lanes.
	Memory  uint32
	Time    uint32 // passes
	Threads uint8  // lanes
}

// DefaultCost is OWASP's first choice for argon2id in its Password Storage
// Cheat Sheet: 19 MiB, two passes, one lane; about 30 ms of one core.
var DefaultCost = Cost{Memory: 19 * 1024, Time: 2, Threads: 1}

const (
	saltSize = 16
	hashSize = 32
)

// hasher hashes passwords and compares them with hashes.
type hasher struct {
	// cost of new hashes.
	cost Cost
	// argon2id computes a hash, in this process or another one.
	argon2id func(hashing.Input) []byte
}

// hash returns the PHC string of a password, which carries its cost:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
func (h hasher) hash(password plexauth.Secret) plexauth.Secret {
	var salt [saltSize]byte
	_, _ = rand.Read(salt[:]) // never fails
	return phc{h.cost, salt[:], h.key(password, h.cost, salt[:], hashSize)}.text()
}

// matches hashes a password at the cost of a PHC string, and compares the hashes.
func (h hasher) matches(password plexauth.Secret, p phc) bool {
	got := h.key(password, p.cost, p.salt, uint32(len(p.hash)))
	return subtle.ConstantTimeCompare(got, p.hash) == 1
}

func (h hasher) key(password plexauth.Secret, c Cost, salt []byte, size uint32) []byte {
	return h.argon2id(hashing.Input{
		Password: []byte(normalPassword(password)), Salt: salt,
		Time: c.Time, Memory: c.Memory, Threads: c.Threads, Size: size,
	})
}

// phc is a parsed PHC string.
type phc struct {
	cost       Cost
	salt, hash []byte
}

func (p phc) text() plexauth.Secret {
	b64 := base64.RawStdEncoding.EncodeToString
	return plexauth.Secret(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.cost.Memory, p.cost.Time, p.cost.Threads, b64(p.salt), b64(p.hash)))
}

// parsePHC parses a PHC string of hash. It rejects unreasonable costs, so that a
// manipulated database cannot make a sign-in take forever.
func parsePHC(s plexauth.Secret) (phc, error) {
	var p phc
	var version int
	fields := strings.Split(string(s), "$")
	if len(fields) != 6 || fields[1] != "argon2id" {
		return p, fmt.Errorf("reading a password hash: not argon2id")
	}
	_, err := fmt.Sscanf(fields[2]+" "+fields[3], "v=%d m=%d,t=%d,p=%d", &version, &p.cost.Memory, &p.cost.Time, &p.cost.Threads)
	if err != nil || version != argon2.Version || p.cost.Time == 0 || p.cost.Time > 100 ||
		p.cost.Threads == 0 || p.cost.Memory > 4<<20 {
		return p, fmt.Errorf("reading a password hash: unusable cost")
	}
	b64 := base64.RawStdEncoding.Strict()
	if p.salt, err = b64.DecodeString(fields[4]); err == nil {
		p.hash, err = b64.DecodeString(fields[5])
	}
	if err != nil || len(p.hash) < 16 || len(p.hash) > 64 {
		return p, fmt.Errorf("reading a password hash: unusable text")
	}
	return p, nil
}

// normalPassword returns the form in which passwords are hashed (RFC 8265,
// OpaqueString), so that the same keys give the same password on every machine. Text
// that the profile rejects is returned unchanged: it matches no password that was ever
// set.
func normalPassword(password plexauth.Secret) plexauth.Secret {
	normal, err := precis.OpaqueString.String(string(password))
	if err != nil {
		return password
	}
	return plexauth.Secret(normal)
}
