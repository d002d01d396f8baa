package store

import "github.com/usher-auth/usher/internal/db"

// Hash is the SHA-256 of a token, which is all that is stored of one.
type Hash [32]byte

// The topics of what caches hold. Keys are IDs, except for tokens, whose key is
// their hash.
const (
	// AccountTopic: an account changed or was removed. Its tokens may have
	// gained or lost reach, or be gone.
	AccountTopic db.Topic = "account"
	// TokenTopic: a token was revoked.
	TokenTopic db.Topic = "token"
	// SourceTopic: a server or provider, or who reaches it, changed.
	SourceTopic db.Topic = "source"
	// PINTopic: a PIN was created, linked or removed.
	PINTopic db.Topic = "pin"
)
