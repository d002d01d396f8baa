package token

import (
	"time"

	"github.com/usher-auth/usher/internal/store"
)

// Kind is what a presented token is.
type Kind uint8

// The kinds of token.
const (
	Access Kind = iota + 1
	Transient
	Server
)

func (k Kind) String() string {
	switch k {
	case Access:
		return "access"
	case Transient:
		return "transient"
	case Server:
		return "server"
	}
	return "unknown"
}

// Principal is who a request comes from, and how far it reaches.
type Principal struct {
	AccountID int64
	DeviceID  int64
	// TokenID is the stored token's: the presented one's, or the parent's of a
	// transient token.
	TokenID int64
	Kind    Kind
	// Admin: the account is an administrator's.
	Admin bool
	// SourceID is the one server that the token reaches; 0: any that its
	// account does.
	SourceID int64
	// ExpiresAt is zero for a token that lives until it is revoked.
	ExpiresAt time.Time

	hash store.Hash // of the stored token
}

// ActsForAccount reports whether the token may change the account, list what
// it has and be given tokens of its own: access tokens only.
func (p Principal) ActsForAccount() bool { return p.Kind == Access }

// Reaches reports whether the token is good at a server.
func (p Principal) Reaches(sourceID int64) bool { return p.SourceID == 0 || p.SourceID == sourceID }
