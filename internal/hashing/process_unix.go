//go:build unix

package hashing

import (
	"os"
	"strconv"
	"syscall"
)

// niceness is the priority of hashing: a thread of nice 10 gets a tenth of the CPU
// time of one of nice 0 if both can run.
const niceness = 10

// lowerPriority lowers the priority of this process. On Linux, each thread has its
// own priority and passes it on to the threads that it starts, so it is set for
// each existing thread. An error is ignored: hashing works without it.
func lowerPriority() {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness)
	threads, _ := os.ReadDir("/proc/self/task") // does not exist on other systems
	for _, t := range threads {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, niceness)
		}
	}
}
