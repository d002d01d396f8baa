package token

import (
	"crypto/rand"

	"github.com/usher-auth/usher/plexauth"
)

// NewToken draws an access token.
func NewToken() plexauth.Secret { return newToken(rand.Reader) }
