//go:build faults

package cluster_test

import (
	"os/exec"
	"syscall"
)

// endWithParent makes a program end with the tests, also if these are killed: it would
// keep its address, and every file that it has inherited.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
