package sandbox

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The error for the user says what the kernel answered.
func TestLandlockVersion(t *testing.T) {
	for _, x := range []struct {
		version int
		errno   syscall.Errno
		want    string // empty: it is there
	}{
		{4, 0, ""},
		{7, 0, ""},
		{3, 0, "this kernel has no Landlock that knows TCP: it has version 3, and Linux 6.7 brings version 4"},
		{-1, unix.ENOSYS, "this kernel has no Landlock: it was built without it, or a filter of system calls refuses it"},
		{-1, unix.EOPNOTSUPP, "this kernel has no Landlock: it was disabled at boot"},
		{-1, unix.EPERM, "this kernel has no Landlock: operation not permitted"},
	} {
		version, err := landlockVersion(x.version, x.errno)
		switch {
		case x.want == "" && (err != nil || version != x.version):
			t.Errorf("%d: %d, %v", x.version, version, err)
		case x.want != "" && (err == nil || err.Error() != x.want || !errors.Is(err, ErrNoLandlock)):
			t.Errorf("%d, %v: %v, want %s", x.version, x.errno, err, x.want)
		}
	}
}

// The command may connect to usher's ports and to the opened ones.
func TestConnectable(t *testing.T) {
	for _, x := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "[4711 32400]"},
		{Config{Forward: []int{5432}}, "[4711 5432 32400]"},
		{Config{Allow: []Destination{{Host: "a.example"}, {Host: "b.example", Port: 8443}}}, "[80 443 4711 8443 32400]"},
		{Config{AllowAll: true, Forward: []int{4711}}, "[80 443 4711 32400]"},
	} {
		if got := fmt.Sprint(x.cfg.connectable([]int{4711, 32400})); got != x.want {
			t.Errorf("%+v: %s, want %s", x.cfg, got, x.want)
		}
	}
}
