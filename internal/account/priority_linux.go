package account

import "syscall"

// niceness is how far below everything else hashing stands: a thread of nice
// 10 gets a tenth of what one of nice 0 gets when both want the processor.
const niceness = 10

// lowerPriority puts the calling thread behind all others. On Linux, a
// priority is a thread's own. That it cannot be set is no reason not to hash.
func lowerPriority() {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), niceness)
}
