package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// inNetwork returns whether a process, by its folder in /proc, is in a network namespace.
func inNetwork(network string) func(proc string) bool {
	return func(proc string) bool {
		is, err := os.Readlink(proc + "/ns/net")
		return err == nil && is == network
	}
}

// namedIn returns whether the environment that a process was started with, by its folder
// in /proc, names a folder that only one run has.
func namedIn(folder string) func(proc string) bool {
	return func(proc string) bool {
		env, err := os.ReadFile(proc + "/environ")
		return err == nil && bytes.Contains(env, []byte(folder+"/"))
	}
}

// endProcesses ends every process of a kind. Each pass can meet children that were
// started during the previous one.
func endProcesses(is func(proc string) bool) {
	for range 100 {
		if endSome(is) == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// endSome ends the processes of a kind that there are now, and returns how many.
func endSome(is func(proc string) bool) int {
	dir, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer dir.Close()
	entries, err := dir.Readdirnames(-1)
	if err != nil {
		return 0
	}
	found := 0
	for _, name := range entries {
		pid, err := strconv.Atoi(name)
		if err == nil && is("/proc/"+name) {
			found++
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return found
}
