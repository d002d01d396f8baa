package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/plexauth"
)

const (
	// period and digits are those that every authenticator app supports (RFC 6238).
	period    = 30 * time.Second
	digits    = otp.DigitsSix
	numDigits = 6
	// skew is the number of steps that a clock may be ahead or behind.
	skew = 1
	// seedSize is the size of a seed in bytes: 160 bits (RFC 4226, section 4).
	seedSize = 20
	// backupCodes is the number of backup codes that are generated together.
	backupCodes = 10
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// seed is a TOTP seed in the base32 that people type.
type seed = plexauth.Secret

func newSeed() seed {
	var b [seedSize]byte
	_, _ = rand.Read(b[:]) // never fails
	return seed(base32Text.EncodeToString(b[:]))
}

// stepAt returns the number of the time step that contains t.
func stepAt(t time.Time) int64 { return t.Unix() / int64(period/time.Second) }

// matchStep returns the time step whose code is code, later than after; 0 if
// no step matches. Every step of the window is computed and compared, so that
// the duration reveals nothing.
//
// A code works once because its step is stored and only later steps are accepted (RFC
// 6238, section 5.2).
func matchStep(s seed, code plexauth.Secret, now time.Time, after int64) (int64, error) {
	var matched int64
	for step := stepAt(now) - skew; step <= stepAt(now)+skew; step++ {
		want, err := hotpCode(s, step)
		if err != nil {
			return 0, err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > after {
			matched = step
		}
	}
	return matched, nil
}

// A backup code is twelve characters of Crockford's base32 in threes of four,
// "7h2m-x9qd-04tk": 60 bits, without letters that look like others.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

const (
	backupGroups = 3
	backupGroup  = 4
	backupLength = backupGroups*backupGroup + backupGroups - 1
)

func newBackupCode(random io.Reader) plexauth.Secret {
	var b [backupGroups * backupGroup]byte
	_, _ = io.ReadFull(random, b[:]) // crypto/rand never fails
	var text strings.Builder
	for i, x := range b {
		if i > 0 && i%backupGroup == 0 {
			text.WriteByte('-')
		}
		text.WriteByte(crockford[x%32])
	}
	return plexauth.Secret(text.String())
}

// normalBackup returns the canonical form of a typed backup code: in lower case,
// without spaces and dashes.
func normalBackup(code plexauth.Secret) string {
	return strings.NewReplacer("-", "", " ", "").Replace(strings.ToLower(string(code)))
}

// hashBackup returns the stored form of a backup code. It is keyed, so that codes
// cannot be searched with a stolen database alone, and bound to its account.
func hashBackup(key *seal.Key, accountUUID string, code plexauth.Secret) signin.Hash {
	k := key.Derive("backup codes")
	mac := hmac.New(sha256.New, k[:])
	mac.Write([]byte(accountUUID + "\x00" + normalBackup(code)))
	return signin.Hash(mac.Sum(nil))
}

// splitCode splits a code from the end of a password: the last six digits, or the last
// fourteen characters if they look like a backup code. The result depends on the text
// only, not on the account.
func splitCode(password plexauth.Secret) (rest, code plexauth.Secret, ok bool) {
	if n := len(password) - backupLength; n > 0 && looksLikeBackup(password[n:]) {
		return password[:n], password[n:], true
	}
	if n := len(password) - numDigits; n > 0 && allDigits(password[n:]) {
		return password[:n], password[n:], true
	}
	return "", "", false
}

func allDigits(s plexauth.Secret) bool {
	return strings.Trim(string(s), "0123456789") == ""
}

func looksLikeBackup(s plexauth.Secret) bool {
	for i, c := range []byte(strings.ToLower(string(s))) {
		dash := i%(backupGroup+1) == backupGroup
		if dash && c != '-' || !dash && strings.IndexByte(crockford, c) < 0 {
			return false
		}
	}
	return len(s) == backupLength
}

func hotpCode(s seed, step int64) (string, error) {
	code, err := hotp.GenerateCodeCustom(string(s), uint64(step), hotp.ValidateOpts{Digits: digits, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return "", fmt.Errorf("computing a code: %w", err)
	}
	return code, nil
}
