//go:build linux || darwin || freebsd

package machine

import "golang.org/x/sys/unix"

// FreeBytes returns how many bytes usher can still write to the file system of a
// folder. The error matches errors.ErrUnsupported on systems where it cannot tell.
func FreeBytes(folder string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return 0, err
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize), nil
}
