package sandbox

import (
	"errors"
	"slices"
)

// ErrNoLandlock says that the kernel cannot refuse TCP connections.
var ErrNoLandlock = errors.New("this kernel has no Landlock")

// connectable are the ports that the command may connect to with Config.Landlock:
// those where this process listens, and those of allowed destinations.
func (c *Config) connectable(listening []int) []int {
	list := append(slices.Clone(listening), c.Forward...)
	for _, d := range c.Allow {
		list = append(list, d.ports()...)
	}
	if c.AllowAll {
		list = append(list, httpPorts...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
