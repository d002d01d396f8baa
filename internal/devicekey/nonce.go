package devicekey

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
)

// nonceLife is how long a nonce is valid (from clients' sources).
const nonceLife = 5 * time.Minute

// nonces creates and checks nonces. A nonce looks like a UUID, as clients expect. Its
// first half is the time and a random number, its second half an HMAC over them and the
// client identifier. So creating one needs no write, every node can verify it, and no
// other client can use it. Its use is recorded in a row, so that it works once.
type nonces struct {
	key    [32]byte
	random io.Reader
}

// at returns the nonce of a client for a time and a random number.
func (n nonces) at(client string, seconds uint32, random [4]byte) string {
	var b [16]byte
	binary.BigEndian.PutUint32(b[:], seconds)
	copy(b[4:8], random[:])
	b[6] = b[6]&0x0f | 0x40 // version and variant of a random UUID
	mac := hmac.New(sha256.New, n.key[:])
	mac.Write(b[:8])
	mac.Write([]byte(client))
	copy(b[8:], mac.Sum(nil))
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// draw generates a nonce.
func (n nonces) draw(client string, now time.Time) string {
	var random [4]byte
	_, _ = io.ReadFull(n.random, random[:]) // crypto/rand never fails
	return n.at(client, uint32(now.Unix()), random)
}

// check reports whether a nonce belongs to the client and is valid, and until when.
func (n nonces) check(client, nonce string, now time.Time) (until time.Time, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(nonce, "-", ""))
	if err != nil || len(b) != 16 {
		return time.Time{}, false
	}
	seconds := binary.BigEndian.Uint32(b)
	if !hmac.Equal([]byte(nonce), []byte(n.at(client, seconds, [4]byte(b[4:8])))) {
		return time.Time{}, false
	}
	until = time.Unix(int64(seconds), 0).Add(nonceLife)
	return until, now.Before(until)
}
