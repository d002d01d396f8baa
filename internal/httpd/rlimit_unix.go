//go:build !windows

package httpd

import (
	"math"
	"syscall"
)

// MaxOpenFiles returns the maximum number of files and connections that this process
// may have open, or 0 if it is unknown.
func MaxOpenFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
