// Package letters writes random and derived bits as text that clients take and
// people can type.
//
// It owns how bits become letters without any of them coming up more often. It
// does not own what the text is good for: it knows neither tokens nor codes.
package letters

import (
	"crypto/rand"
	"math/big"
)

// All is what every client takes in a token: plex-api-pinauth matches letters
// and digits only.
const All = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Draw returns n letters of an alphabet of at most 256, each as likely as any
// other.
func Draw(alphabet string, n int) []byte {
	// Beyond the highest multiple of the alphabet's length in a byte, the first
	// letters would come up more often.
	beyond := 256 - 256%len(alphabet)
	text := make([]byte, 0, n)
	var pool [64]byte
	for len(text) < n {
		_, _ = rand.Read(pool[:]) // never fails
		for _, b := range pool {
			if int(b) < beyond && len(text) < n {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return text
}

// Write returns n letters of All that stand for bits, always the same for the
// same. There should be some more bits than the letters hold, six for each, so
// that all are equally likely.
func Write(bits []byte, n int) []byte {
	left, base, digit := new(big.Int).SetBytes(bits), big.NewInt(int64(len(All))), new(big.Int)
	text := make([]byte, n)
	for i := range text {
		left.DivMod(left, base, digit)
		text[i] = All[digit.Int64()]
	}
	return text
}
