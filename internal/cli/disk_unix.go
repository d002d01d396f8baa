//go:build linux || darwin || freebsd

package cli

import "golang.org/x/sys/unix"

// freeBytes is how much room there is for us on the file system of a folder.
func freeBytes(folder string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return 0, err
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize), nil
}
