package sandbox

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

// endProcesses ends every process in a network namespace. Each pass can meet
// children that were started during the one before.
func endProcesses(network string) {
	for range 100 {
		if endSome(network) == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// endSome ends the processes that are in a network namespace now, and returns how
// many there were.
func endSome(network string) int {
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
		if err != nil {
			continue
		}
		if is, err := os.Readlink("/proc/" + name + "/ns/net"); err == nil && is == network {
			found++
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return found
}
