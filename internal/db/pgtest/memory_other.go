//go:build unix && !linux

package pgtest

// inMemory returns a folder for files that stay in memory, of which there is none.
func inMemory() string { return "" }
