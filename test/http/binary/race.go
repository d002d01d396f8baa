//go:build race

package binary

// race reports whether this program has the race detector.
const race = true
