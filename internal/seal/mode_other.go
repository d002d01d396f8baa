//go:build !unix

package seal

import "io/fs"

// othersMayUse returns no bits, because access control lists decide who may use a file.
func othersMayUse(fs.FileInfo) fs.FileMode { return 0 }
