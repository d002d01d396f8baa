package pin

import (
	"io"
	"time"
)

// What the arithmetic of guessing rests on.
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

// Pace of the polling that is promised never to be refused.
const Pace = 500 * time.Millisecond

// SetMost sets how many PINs of each kind may wait.
func (s *Service) SetMost(n int) { s.short.most, s.strong.most = n, n }

// ProofOf is the proof of a PIN.
func (s *Service) ProofOf(p PIN) string { return s.proof(p) }

// What turns an address into one with a proof.
var (
	ParseProofURL = parseProofURL
	WithProof     = withProof
)

// NewID draws an ID.
func NewID(random io.Reader) int64 { return newID(random) }
