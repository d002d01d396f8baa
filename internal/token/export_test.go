package token

import (
	"crypto/rand"

	"github.com/usher-auth/usher/plexauth"
)

// NewToken draws an access token.
func NewToken() plexauth.Secret { return newToken(rand.Reader) }

// NoteUses notes n uses of tokens that are not there.
func (s *Service) NoteUses(n int) {
	for i := range n {
		s.unrecorded.add(Hash{byte(i), byte(i >> 8)}, use{at: s.now()})
	}
}

// UsesAtOnce is how many uses one transaction writes.
const UsesAtOnce = usesAtOnce
