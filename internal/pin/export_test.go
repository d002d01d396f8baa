package pin

import (
	"io"
	"time"
)

// The constants on which the probability of a correct guess depends.
const (
	ShortCodes  = len(shortAlphabet) * len(shortAlphabet) * len(shortAlphabet) * len(shortAlphabet)
	MaxShort    = maxShort
	ShortTTL    = shortTTL
	StrongTTL   = strongTTL
	WrongRefill = wrongRefill
	PollBurst   = pollBurst
	PollRefill  = pollRefill
)

// The alphabets.
const (
	ShortAlphabet  = shortAlphabet
	StrongAlphabet = strongAlphabet
)

// Pace is the pace of polling that is never rate limited.
const Pace = 500 * time.Millisecond

// SetMost sets the maximum number of pending PINs of each kind.
func (s *Service) SetMost(n int) { s.short.most, s.strong.most = n, n }

// ProofOf returns the proof of a PIN.
func (s *Service) ProofOf(p PIN) string { return s.proof(p) }

// Functions that add a proof to an address.
var (
	ParseProofURL = parseProofURL
	WithProof     = withProof
)

// NewID generates an ID.
func NewID(random io.Reader) int64 { return newID(random) }
