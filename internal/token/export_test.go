package token

import (
	"crypto/rand"

	"github.com/usher-auth/usher/plexauth"
)

// NewToken draws an access token.
func NewToken() plexauth.Secret { return newToken(rand.Reader) }

// AddUses adds n uses of tokens that are not there.
func (s *Service) AddUses(n int) {
	for i := range n {
		s.unrecorded.add(Use{TokenID: 1<<40 + int64(i), DeviceID: 1 << 40, At: s.now()})
	}
}

// Enough is how many uses are written together.
const Enough = enough

// The times between two uses of a token that are written.
const (
	NoteEvery       = noteEvery
	NoteEveryShared = noteEveryShared
)
