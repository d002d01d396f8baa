package token

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// MaxTransientTTL is the maximum lifetime of a transient token (PMS documentation: "up
// to 48 hours").
const MaxTransientTTL = 48 * time.Hour

// transientPrefix is the prefix by which clients and usher recognize transient tokens.
const transientPrefix = "transient-"

// claim is the content of a transient token: its parent token, its expiry,
// and the one server it is for (0: any).
type claim struct {
	parent   Hash
	expires  int64 // Unix milliseconds
	sourceID int64
}

const (
	claimSize  = 32 + 8 + 8
	nonceSize  = 12
	sealedSize = nonceSize + claimSize + 16
	keySize    = 32
)

var transientText = base64.RawURLEncoding.Strict()

// transientLength is the length of every transient token.
var transientLength = len(transientPrefix) + transientText.EncodedLen(sealedSize)

// sealer seals claims with a key that a process makes when it starts: a restart
// invalidates every transient token. It is safe for concurrent use.
type sealer struct {
	aead cipher.AEAD
	// Nonces are a counter: random ones of 96 bits must not be used more than
	// 2^32 times with one key (NIST SP 800-38D, section 8.3), which a busy
	// server does in a day. It is added to a random start, so that a token
	// does not reveal how many came before it.
	minted atomic.Uint64
	start  [nonceSize]byte
}

// newSealer returns a sealer with a new key.
func newSealer(random io.Reader) (s *sealer, key [keySize]byte, err error) {
	_, _ = io.ReadFull(random, key[:]) // crypto/rand never fails
	if s, err = openSealer(key); err == nil {
		_, _ = io.ReadFull(random, s.start[:])
	}
	return s, key, err
}

// openSealer returns a sealer with a key, which can only open: its
// nonces would be used twice.
func openSealer(key [keySize]byte) (*sealer, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	return &sealer{aead: aead}, nil
}

// putNonce writes a nonce that was not used before.
func (s *sealer) putNonce(b []byte) {
	copy(b, s.start[:4])
	binary.BigEndian.PutUint64(b[4:], binary.BigEndian.Uint64(s.start[4:])+s.minted.Add(1))
}

// scratch is a buffer for one token. Arguments of a cipher.AEAD escape,
// and would be allocated for each token.
type scratch struct {
	plain  [claimSize]byte
	sealed [sealedSize]byte
	text   []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *sealer) seal(c claim) plexauth.Secret {
	b := scratches.Get().(*scratch)
	defer scratches.Put(b)
	copy(b.plain[:32], c.parent[:])
	binary.BigEndian.PutUint64(b.plain[32:], uint64(c.expires))
	binary.BigEndian.PutUint64(b.plain[40:], uint64(c.sourceID))
	s.putNonce(b.sealed[:nonceSize])
	s.aead.Seal(b.sealed[:nonceSize], b.sealed[:nonceSize], b.plain[:], nil)
	b.text = transientText.AppendEncode(append(b.text[:0], transientPrefix...), b.sealed[:])
	return plexauth.Secret(b.text)
}

// idOf returns the ID of the sealer of a token, if it is a token.
func idOf(token plexauth.Secret) (id uint32, ok bool) {
	var head [6]byte
	text, ok := strings.CutPrefix(string(token), transientPrefix)
	if !ok || len(token) != transientLength {
		return 0, false
	}
	if n, err := transientText.Decode(head[:], []byte(text[:8])); err != nil || n != len(head) {
		return 0, false
	}
	return binary.BigEndian.Uint32(head[:]), true
}

// open returns the claim of a token that this sealer's key sealed. ok is false for any
// other text. The caller must check whether the claim is still valid.
func (s *sealer) open(token plexauth.Secret) (claim, bool) {
	text, ok := strings.CutPrefix(string(token), transientPrefix)
	if !ok || len(token) != transientLength {
		return claim{}, false
	}
	b := scratches.Get().(*scratch)
	defer scratches.Put(b)
	b.text = append(b.text[:0], text...)
	if n, err := transientText.Decode(b.sealed[:], b.text); err != nil || n != sealedSize {
		return claim{}, false
	}
	plain, err := s.aead.Open(b.plain[:0], b.sealed[:nonceSize], b.sealed[nonceSize:], nil)
	if err != nil {
		return claim{}, false
	}
	return claim{
		parent:   Hash(plain[:32]),
		expires:  int64(binary.BigEndian.Uint64(plain[32:])),
		sourceID: int64(binary.BigEndian.Uint64(plain[40:])),
	}, true
}
