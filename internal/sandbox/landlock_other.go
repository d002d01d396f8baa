//go:build !linux

package sandbox

// LandlockVersion returns ErrNoLandlock: Landlock is a part of Linux.
func LandlockVersion() (int, error) { return 0, ErrNoLandlock }

func connectOnly([]int) error { return ErrNoLandlock }
