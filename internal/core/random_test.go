package core_test

import (
	"crypto/rand"
	"errors"
	"io"
	"testing"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/seal"
)

// Attack: a public server runs with tokens that can be predicted.
func TestPredictableSecretsAreForMemoryOnly(t *testing.T) {
	cfg := core.Config{Key: seal.NewKey([32]byte{1}), Random: func(string) io.Reader { return rand.Reader }}
	for _, place := range []core.Config{{Dir: t.TempDir()}, {Database: "postgres://127.0.0.1:1/usher"}} {
		cfg.Dir, cfg.Database = place.Dir, place.Database
		if _, err := core.Open(t.Context(), cfg); !errors.Is(err, core.ErrPredictable) {
			t.Errorf("%+v: the error is %v", place, err)
		}
	}
}
