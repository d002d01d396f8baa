// Package letters encodes random and derived bits as text that clients accept and
// people can type.
//
// It owns the encoding, in which all letters are equally likely. It does not own
// the purpose of the text: it knows neither tokens nor codes.
package letters

import (
	"io"
	"math/big"
)

// All is the alphabet that every client accepts in a token: plex-api-pinauth
// matches letters and digits only.
const All = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Draw returns n random letters of an alphabet of at most 256 bytes. All letters are
// equally likely if all bytes from random are.
func Draw(random io.Reader, alphabet string, n int) []byte {
	// Bytes beyond the highest multiple of the alphabet's length would make the
	// first letters more likely.
	beyond := 256 - 256%len(alphabet)
	text := make([]byte, 0, n)
	var pool [64]byte
	for len(text) < n {
		_, _ = io.ReadFull(random, pool[:]) // crypto/rand never fails
		for _, b := range pool {
			if int(b) < beyond && len(text) < n {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return text
}

// Write encodes bits as n letters of All. The same bits give the same letters.
// There should be more bits than the letters hold, six for each, so that all
// letters are equally likely.
func Write(bits []byte, n int) []byte {
	left, base, digit := new(big.Int).SetBytes(bits), big.NewInt(int64(len(All))), new(big.Int)
	text := make([]byte, n)
	for i := range text {
		left.DivMod(left, base, digit)
		text[i] = All[digit.Int64()]
	}
	return text
}
