//go:build !linux && !darwin && !freebsd

package cli

import "errors"

// freeBytes is how much room there is for us on the file system of a folder.
func freeBytes(string) (uint64, error) { return 0, errors.ErrUnsupported }
