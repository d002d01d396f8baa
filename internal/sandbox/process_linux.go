package sandbox

import (
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tie lets the kernel end a process when the thread that starts it ends.
func tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// hasStopped reports whether a child has stopped since the last call.
func hasStopped(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG, nil)
	return err == nil && info.Signo == int32(unix.SIGCHLD)
}

// stopThread stops this process, immediately from this thread's view.
func stopThread() { _ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP) }

// defaultAction lets a signal end this process as it ends others: Go's runtime
// catches all signals, and ignores most. The process leaves no core dump.
func defaultAction(sig syscall.Signal) {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	var action [4]uint64 // SIG_DFL, no flags, an empty mask
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}
