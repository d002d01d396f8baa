//go:build !windows

package httpd

import (
	"math"
	"syscall"
)

// MaxOpenFiles is how many files and connections the system lets this process have
// open; 0 if that is not known.
func MaxOpenFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
