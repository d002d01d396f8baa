//go:build unix && !linux

package pgtest

import "syscall"

// dieWithParent does nothing: only Linux can do that.
func dieWithParent(*syscall.SysProcAttr) {}
