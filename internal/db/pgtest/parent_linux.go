package pgtest

import "syscall"

// dieWithParent makes a process end when this one is killed.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
