//go:build unix

package seal

import (
	"io/fs"
	"syscall"
)

// othersMayUse returns the bits of a mode that a key file must not have. A group
// may read a file of root: that is how Kubernetes and systemd hand a secret to a
// process that is not root.
func othersMayUse(info fs.FileInfo) fs.FileMode {
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid == 0 {
		return 0o037
	}
	return 0o077
}
