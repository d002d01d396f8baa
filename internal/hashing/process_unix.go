//go:build unix

package hashing

import (
	"os"
	"strconv"
	"syscall"
)

// niceness is how far below everything else hashing stands: a thread of nice
// 10 gets a tenth of what one of nice 0 gets when both want the processor.
const niceness = 10

// lowerPriority puts this process behind all others. On Linux, a priority is a
// thread's own and handed down to the threads that it starts: each that there
// is by now is told. That it cannot be set is no reason not to hash.
func lowerPriority() {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness)
	threads, _ := os.ReadDir("/proc/self/task") // not there: not Linux
	for _, t := range threads {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, niceness)
		}
	}
}
