package pgtest

import "syscall"

// enoughMemory is how much room in memory the databases of a package's tests need. A
// container often has less.
const enoughMemory = 2 << 30

// inMemory returns a folder for files that stay in memory. It is empty where there is
// none, or no room: the files are then in a folder for temporary files.
func inMemory() string {
	const dir = "/dev/shm"
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil || uint64(fs.Bsize)*fs.Bavail < enoughMemory || syscall.Access(dir, 7) != nil {
		return ""
	}
	return dir
}
