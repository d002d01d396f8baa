//go:build race

package binary

// race reports whether the race detector is in this program.
const race = true
