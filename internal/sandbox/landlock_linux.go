package sandbox

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// landlockTCP is the first version of Landlock that can refuse connections of TCP:
// that of Linux 6.7.
const landlockTCP = 4

// LandlockVersion returns the version of Landlock that the kernel has, if it can
// refuse TCP connections. The error is ErrNoLandlock with the reason.
func LandlockVersion() (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return landlockVersion(int(n), errno)
}

// landlockVersion reads the kernel's answer.
func landlockVersion(version int, errno syscall.Errno) (int, error) {
	switch {
	case errors.Is(errno, unix.ENOSYS):
		return 0, fmt.Errorf("%w: it was built without it, or a filter of system calls refuses it", ErrNoLandlock)
	case errors.Is(errno, unix.EOPNOTSUPP):
		return 0, fmt.Errorf("%w: it was disabled at boot", ErrNoLandlock)
	case errno != 0:
		return 0, fmt.Errorf("%w: %w", ErrNoLandlock, errno)
	case version < landlockTCP:
		return 0, fmt.Errorf("%w that knows TCP: it has version %d, and Linux 6.7 brings version %d", ErrNoLandlock, version, landlockTCP)
	}
	return version, nil
}

// Types of the kernel that golang.org/x/sys lacks: the first two fields of its
// attributes of a set of rules, which every version since landlockTCP takes, and a rule
// about a port.
type (
	landlockRules struct{ files, network uint64 }
	landlockPort  struct{ access, port uint64 }
)

// landlockRulePort is the kernel's number for rules of the type landlockPort.
const landlockRulePort = 2

// connectOnly lets this thread, and all processes that it starts from now on, connect
// by TCP to these ports and no others. It cannot be undone.
func connectOnly(ports []int) error {
	if _, err := LandlockVersion(); err != nil {
		return err
	}
	attr := landlockRules{network: unix.LANDLOCK_ACCESS_NET_CONNECT_TCP}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("creating rules of Landlock: %w", errno)
	}
	defer unix.Close(int(fd))
	for _, port := range ports {
		rule := landlockPort{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(port)}
		if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, fd, landlockRulePort, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
			return fmt.Errorf("allowing port %d by Landlock: %w", port, errno)
		}
	}
	// The kernel requires it, so that no program with more rights is limited.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("enforcing rules of Landlock: %w", errno)
	}
	return nil
}
