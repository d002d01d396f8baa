//go:build faults

package cluster_test

import (
	"os/exec"
	"syscall"
)

// endWithParent makes a program exit with the tests, even if these are killed. Otherwise it
// would keep its address, and every file that it inherited.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
