package token

import (
	"context"

	"github.com/usher-auth/usher/plexauth"
)

// NewToken draws an access token.
func NewToken() plexauth.Secret { return newToken() }

// Flush tells the store which tokens were used.
func (s *Service) Flush(ctx context.Context) { s.flush(ctx) }
