package pin

import "time"

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
