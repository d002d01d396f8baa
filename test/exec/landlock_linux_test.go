package exec_test

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// hasLandlock reports whether the kernel can block TCP. If not, the test only checks that
// usher does not run the program.
func hasLandlock(t *testing.T) bool {
	t.Helper()
	r := run(t, "--doctor")
	if strings.Contains(r.out, "--landlock: refuses TCP in mode env, by port (Landlock ") {
		return true
	}
	t.Logf("Landlock was not tested, because this machine lacks it:\n%s", r.out)
	return false
}

// Attack: in mode env, a program or its child ignores the proxy variables, and connects to
// an address of its choice. The kernel blocks all ports except usher's and those that were
// opened.
func TestLandlock(t *testing.T) {
	if !hasLandlock(t) {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	const script = `"$0" dial tcp "$1" && echo "direct: reached"
		sh -c '"$0" dial tcp "$1" && echo "child: reached"' "$0" "$1"
		"$0" get https://plex.tv/api/v2/ping
		"$0" control GET /clock ""`
	try := func(flags ...string) result {
		return run(t, append(append([]string{"--mode", "env"}, flags...), "--", "sh", "-c", script, self, l.Addr().String())...)
	}
	reached := []string{"direct: reached", "child: reached"}
	always := []string{"200 HTTP/2.0 ", "200 {\"time\":"}
	try().check(t, 0, append(always, reached...), []string{"WARNING", "reaches the internet"})
	try("--landlock", "--forward", port).check(t, 0, append(always, reached...), nil)
	try("--landlock", "--allow", "files.example:"+port).check(t, 0, append(always, reached...), nil)
	r := try("--landlock")
	r.check(t, 0, always, []string{"connect: permission denied", "WARNING", "is refused by TCP at other ports"})
	if strings.Contains(r.out, "reached") {
		t.Errorf("a port that was not opened was reached:\n%s", r.out)
	}
}

// If the machine already has a media server at port 32400, the program cannot reach it. In
// this test, the outer usher is that server.
func TestLandlockMediaPort(t *testing.T) {
	if !allowed(t) || !hasLandlock(t) {
		return
	}
	dial := func(flags ...string) result {
		args := append([]string{"--mode", "namespace", "--quiet", "--", usher, "exec", "--mode", "env"}, flags...)
		return run(t, append(args, "--", self, "dial", "tcp", "127.0.0.1:32400")...)
	}
	dial().check(t, 0, nil, nil)
	dial("--landlock").check(t, 1, nil, []string{"connect: permission denied"})
}

// If the kernel has no Landlock, --landlock runs nothing, and says why.
func TestNoLandlock(t *testing.T) {
	s := newCommand(t, "--mode", "env", "--landlock", "--", "echo", "ran")
	s.Args = append([]string{self, "without-landlock", usher}, s.Args[1:]...)
	s.Path = self
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	r := finish(t, s)
	r.check(t, 125, nil, []string{"error: --landlock: ", "this kernel has no Landlock", "hint: usher exec --doctor"})
	if r.out != "" {
		t.Errorf("it prints %q", r.out)
	}
	s = newCommand(t, "--doctor")
	s.Args = append([]string{self, "without-landlock", usher}, s.Args[1:]...)
	s.Path = self
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	finish(t, s).check(t, 0, []string{"--landlock: is not possible: this kernel has no Landlock"}, nil)
	run(t, "--mode", "namespace", "--landlock", "--", "true").check(t, 2, nil, []string{"--landlock is for --mode env"})
	run(t, "--daemon", "--env-file", "x", "--landlock").check(t, 2, nil, []string{"--landlock is for --mode env"})
}

// withoutLandlock turns this process into a program without Landlock: a filter rejects the
// system call, like a kernel that lacks it.
func withoutLandlock(args []string) error {
	runtime.LockOSThread()
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4}, // the number of the system call
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_LANDLOCK_CREATE_RULESET, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(program))
	for i, p := range program {
		filter[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return fmt.Errorf("installing a filter: %w", err)
	}
	return syscall.Exec(args[0], args, os.Environ())
}
