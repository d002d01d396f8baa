package token

import (
	"crypto/sha256"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/plexauth"
)

// Topic is announced for every token that is revoked. The key is its hash, as
// [Hash.Key] writes it.
const Topic db.Topic = "token"

// Hash is the SHA-256 of a token, which is all that is stored of one.
type Hash [sha256.Size]byte

// HashOf returns the hash of a token.
func HashOf(token plexauth.Secret) Hash { return sha256.Sum256([]byte(token)) }

// Key returns the hash as the key of a change.
func (h Hash) Key() string { return string(h[:]) }

// hashOfKey is the reverse of Key.
func hashOfKey(key string) (h Hash, ok bool) {
	return h, copy(h[:], key) == len(h) && len(key) == len(h)
}

// Kind is the kind of a token. The numbers of stored kinds are in the database.
type Kind uint8

// The kinds of token.
const (
	Access    Kind = 1 // acts for its account
	Server    Kind = 2 // reaches one server
	Transient Kind = 3 // has a stored token's reach for a while; is not stored
	DeviceKey Kind = 4 // a device's public key: no token has its hash, JWTs are revoked with it
	JWT       Kind = 5 // acts for its account for a while; is not stored
)

func (k Kind) String() string {
	switch k {
	case Access:
		return "access"
	case Server:
		return "server"
	case Transient:
		return "transient"
	case DeviceKey:
		return "device key"
	case JWT:
		return "jwt"
	}
	return "unknown"
}

// Grant is a stored token with the fields that determine its reach.
type Grant struct {
	TokenID   int64 // of the row
	Hash      Hash  // of the token
	Kind      Kind  // Access or Server
	AccountID int64 // the account that it acts for
	DeviceID  int64 // the device that holds it
	// SourceID is the one server that a server token reaches; 0 otherwise.
	SourceID int64
	// ExpiresAt is zero for a token that lives until it is revoked.
	ExpiresAt time.Time
	// LastUsedAt is the last use that is stored in the database.
	LastUsedAt time.Time
	// Admin and Disabled are properties of the account.
	Admin, Disabled bool
}

// Row is a token to store.
type Row struct {
	Hash      Hash  // of the token
	Kind      Kind  // Access or Server
	AccountID int64 // the account that it acts for
	DeviceID  int64 // the device that holds it
	// ParentID is the token that this one is revoked with; 0 if none.
	ParentID int64
	// SourceID is the one server that a server token reaches; 0 otherwise.
	SourceID int64
	// ExpiresAt is zero for a token that lives until it is revoked.
	ExpiresAt time.Time
}

// Parent is the token that another one is revoked with; the child expires no later. The
// zero value means no parent.
type Parent struct {
	TokenID   int64
	ExpiresAt time.Time
}

// Selection selects the tokens to revoke: those that match every field that is
// not 0, and their descendants. The zero value selects none.
type Selection struct {
	ID        int64 // one token
	AccountID int64 // all of an account
	DeviceID  int64 // all of a device
	SourceID  int64 // all for a server
}

// Token is the public part of a stored token.
type Token struct {
	ID        int64         // of the row
	Kind      Kind          // Access or Server
	AccountID int64         // the account that it belongs to
	Username  string        // the account's name
	Device    device.Device // the device that holds it
	// Source is the server's name, for a server token.
	Source    string
	CreatedAt time.Time // to the millisecond, UTC
	// LastUsedAt is to the minute or, where several nodes use one database, to a
	// quarter of an hour.
	LastUsedAt time.Time
	ExpiresAt  time.Time
}

// Counts holds the number of tokens of each stored kind.
type Counts struct{ Access, Server int }

// Principal is the authenticated caller of a request, and its reach.
type Principal struct {
	AccountID int64 // the account of the caller
	DeviceID  int64 // the device of the caller
	// TokenID is the stored token's: the presented one's, the parent's of a
	// transient token, or the device key's of a JWT.
	TokenID int64
	Kind    Kind
	// Admin reports whether the account is an admin.
	Admin bool
	// SourceID is the one server that the token reaches; 0: every server that
	// its account reaches.
	SourceID int64
	// ExpiresAt is zero for a token that lives until it is revoked.
	ExpiresAt time.Time

	hash Hash // of the stored token
	// seed is the hash of the token that was presented, which server tokens are
	// derived from.
	seed Hash
}

// ActsForAccount reports whether the token can change the account, list its
// objects and receive further tokens. Only access tokens and JWTs can.
func (p Principal) ActsForAccount() bool { return p.Kind == Access || p.Kind == JWT }

// Parent returns p's token as the parent of derived secrets.
func (p Principal) Parent() Parent { return Parent{p.TokenID, p.ExpiresAt} }

// Reaches reports whether the token is valid for a server.
func (p Principal) Reaches(sourceID int64) bool { return p.SourceID == 0 || p.SourceID == sourceID }
