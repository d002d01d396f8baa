//go:build unix

package seal

import (
	"io/fs"
	"syscall"
)

// othersMayUse returns the bits of a mode that a key file must not have. The group may
// read a file that root owns, because Kubernetes and systemd pass secrets to
// unprivileged processes in this way.
func othersMayUse(info fs.FileInfo) fs.FileMode {
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid == 0 {
		return 0o037
	}
	return 0o077
}
