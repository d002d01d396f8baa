//go:build !linux

package sandbox

import "errors"

// namespace is refused: only Linux has namespaces.
func (r *run) namespace() (Status, error) {
	return Status{}, &RefusedError{"creating a network of the command's own", errors.New("only Linux has that")}
}

func runInit() int { return 1 }
