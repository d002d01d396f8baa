//go:build !linux && !darwin && !freebsd

package machine

import "errors"

// FreeBytes returns how many bytes usher can still write to the file system of a
// folder. The error matches errors.ErrUnsupported on systems where it cannot tell.
func FreeBytes(string) (uint64, error) { return 0, errors.ErrUnsupported }
