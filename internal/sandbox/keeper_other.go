//go:build !linux

package sandbox

// Only Linux shows the network and the environment of every process.
func inNetwork(string) func(string) bool { return nil }

func namedIn(string) func(string) bool { return nil }

func endProcesses(func(string) bool) {}
