package sandbox

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// initSocket is the helper's socket to the process that started it.
const initSocket = 3

// runInit is the helper: it prepares the namespaces that it was started in, and
// becomes the command.
func runInit() int {
	runtime.LockOSThread() // capabilities are a thread's
	unix.CloseOnExec(initSocket)
	buf := make([]byte, 1<<20)
	n, err := unix.Read(initSocket, buf)
	var o order
	if err != nil || json.Unmarshal(buf[:n], &o) != nil {
		fmt.Fprintln(os.Stderr, "error: this command is for usher exec")
		return 1
	}
	sockets, err := o.prepare()
	if err != nil {
		answer(failure(err))
		return 1
	}
	network, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		answer(failure(&stepError{"reading the network namespace", err}))
		return 1
	}
	watch, err := openWatch()
	if err == nil { // some kernels have no such sockets
		sockets = append(sockets, watch)
	}
	answer(report{Network: network, Watch: err == nil}, sockets...)
	for _, fd := range sockets {
		_ = unix.Close(fd)
	}
	c, err := readCommand(buf)
	if err != nil {
		return 1
	}
	answer(failure(o.become(c)))
	return 1
}

// The first byte of each message after the order says what the rest is.
const (
	itsPath     = 'p' // the path of the command
	itsArgument = 'a' // the next one of its arguments
	itsVariable = 'v' // one of its variables
	goOn        = 'g' // nothing: that was all
)

// command is what the helper becomes.
type command struct {
	path      string
	args, env []string
}

// readCommand reads what to become.
func readCommand(buf []byte) (c command, err error) {
	for {
		n, err := unix.Read(initSocket, buf)
		if err != nil {
			return c, err
		}
		if n == 0 {
			return c, io.ErrUnexpectedEOF // usher has ended
		}
		switch value := string(buf[1:n]); buf[0] {
		case itsPath:
			c.path = value
		case itsArgument:
			c.args = append(c.args, value)
		case itsVariable:
			c.env = append(c.env, value)
		case goOn:
			return c, nil
		}
	}
}

// stepError says what the helper could not do.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }

// Unwrap returns the cause.
func (e *stepError) Unwrap() error { return e.err }

// failure is the report of an error.
func failure(err error) report {
	r := report{Step: "preparing a namespace", Text: err.Error()}
	if step := (*stepError)(nil); errors.As(err, &step) {
		r.Step, r.Text = step.step, step.err.Error()
	}
	_ = errors.As(err, &r.Errno)
	return r
}

// answer sends a report with sockets.
func answer(r report, sockets ...int) {
	text, err := json.Marshal(r)
	if err != nil {
		return
	}
	var rights []byte
	if len(sockets) > 0 {
		rights = unix.UnixRights(sockets...)
	}
	_ = unix.Sendmsg(initSocket, text, rights, nil, 0)
}

// prepare sets up the network and the files, and returns the sockets.
func (o *order) prepare() ([]int, error) {
	if err := loopbackUp(); err != nil {
		return nil, &stepError{"setting up a loopback interface", err}
	}
	if err := everyAddress(unix.AF_INET); err != nil {
		return nil, &stepError{"routing every address to the loopback interface", err}
	}
	_ = everyAddress(unix.AF_INET6) // there may be no IPv6
	sockets, err := o.listen()
	if err != nil {
		return nil, &stepError{"listening in a network namespace", err}
	}
	if err := o.replaceFiles(); err != nil {
		return nil, &stepError{"replacing files in a mount namespace", err}
	}
	return sockets, nil
}

// loopbackUp switches the loopback interface on.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}

// loopback is the index of the loopback interface, the first one of each network.
const loopback = 1

// everyAddress makes every address of a family one of this network's own:
// "ip route add local 0.0.0.0/0 dev lo".
func everyAddress(family uint8) error {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	var m bytes.Buffer
	const size = unix.SizeofNlMsghdr + unix.SizeofRtMsg + unix.SizeofRtAttr + 4
	for _, part := range []any{
		unix.NlMsghdr{Len: size, Type: unix.RTM_NEWROUTE, Flags: unix.NLM_F_REQUEST | unix.NLM_F_CREATE | unix.NLM_F_ACK},
		unix.RtMsg{
			Family: family, Table: unix.RT_TABLE_LOCAL, Protocol: unix.RTPROT_BOOT,
			Scope: unix.RT_SCOPE_HOST, Type: unix.RTN_LOCAL,
		},
		unix.RtAttr{Len: unix.SizeofRtAttr + 4, Type: unix.RTA_OIF},
		uint32(loopback),
	} {
		if err := binary.Write(&m, binary.NativeEndian, part); err != nil {
			return err
		}
	}
	if err := unix.Sendto(s, m.Bytes(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	reply := make([]byte, 4096)
	n, _, err := unix.Recvfrom(s, reply, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return errors.New("the kernel's answer is too short")
	}
	if errno := int32(binary.NativeEndian.Uint32(reply[unix.SizeofNlMsghdr:])); errno != 0 {
		return syscall.Errno(-errno)
	}
	return nil
}

// listen opens a listener for each port, and two sockets for DNS.
func (o *order) listen() ([]int, error) {
	var sockets []int
	for _, port := range append(o.Ports, dnsPort) {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			return nil, err
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, int(f.Fd()))
		kept = append(kept, f)
	}
	u, err := net.ListenPacket("udp", ":53")
	if err != nil {
		return nil, err
	}
	f, err := u.(*net.UDPConn).File()
	if err != nil {
		return nil, err
	}
	kept = append(kept, f)
	return append(sockets, int(f.Fd())), nil
}

// kept keeps files from being closed before they are handed over.
var kept []*os.File

// replaceFiles mounts new files over those of the machine, for the processes in
// this mount namespace only. The new files are in memory.
func (o *order) replaceFiles() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	dir, err := o.mountMemory()
	if err != nil {
		return err
	}
	if dir != o.Folder {
		// A mount in another folder would stay.
		defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	} else if err := o.createFiles(); err != nil {
		return err
	}
	return o.mountFiles(dir)
}

// stagings are folders that are there on nearly every machine.
var stagings = []string{"/mnt", "/srv", "/media", "/opt", "/tmp", "/var"}

// mountMemory mounts a file system in memory: on the order's folder or, where that
// does not exist, on one that none of the files is in.
func (o *order) mountMemory() (dir string, err error) {
	var paths []string
	for _, path := range o.Bundles {
		paths = append(paths, string(path))
	}
	for _, r := range o.Replace {
		paths = append(paths, r.Path)
	}
	for _, dir := range append([]string{o.Folder}, stagings...) {
		if dir == "" || slices.ContainsFunc(paths, func(path string) bool { return strings.HasPrefix(path, dir+"/") }) {
			continue
		}
		if err = unix.Mount("usher", dir, "tmpfs", 0, "mode=0755"); err == nil {
			return dir, nil
		}
	}
	return "", err
}

// createFiles creates the files of the folder.
func (o *order) createFiles() error {
	for _, f := range o.Create {
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(f.Path, f.Content, 0o644); err != nil {
			return err
		}
	}
	if o.Trusted == "" && o.Java == "" {
		return nil
	}
	// They are made here: the socket takes no message of their size.
	var all bytes.Buffer
	if err := readFile(&all, string(o.System)); err == nil {
		all.WriteByte('\n')
	}
	o.addOwn(&all)
	all.Write(o.Authority)
	if o.Trusted != "" {
		if err := os.WriteFile(o.Trusted, all.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if o.Java == "" {
		return nil
	}
	return os.WriteFile(o.Java, javaStore(all.Bytes()), 0o644)
}

// addOwn adds the user's own certificates. It skips files that cannot be read: the command
// cannot read them either.
func (o *order) addOwn(to *bytes.Buffer) {
	for _, path := range o.Own {
		_ = readFile(to, string(path))
		to.WriteByte('\n')
	}
}

// mountFiles makes files in a folder and mounts them over those of the machine.
func (o *order) mountFiles(dir string) error {
	// The files must stay: nothing can be mounted over one that was removed, as
	// a program does that runs usher exec itself.
	count := 0
	mount := func(content []byte, target string) error {
		count++
		file := filepath.Join(dir, strconv.Itoa(count)+"-"+filepath.Base(target))
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		return nil
	}
	for _, r := range o.Replace {
		if err := mount(r.Content, r.Path); err != nil {
			return err
		}
	}
	var content bytes.Buffer
	for _, name := range o.Bundles {
		path := string(name)
		content.Reset()
		if err := readFile(&content, path); err != nil {
			continue // the command cannot read it either
		}
		content.WriteByte('\n')
		if path == string(o.System) {
			o.addOwn(&content)
		}
		content.Write(o.Authority)
		if err := mount(content.Bytes(), path); err != nil {
			return err
		}
	}
	for _, path := range o.Hide {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
			if err := mount(nil, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// readFile reads a file into a buffer, whose memory is used for several files: new
// memory takes time when a process starts.
func readFile(into *bytes.Buffer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = into.ReadFrom(f)
	return err
}

// become gives up what the helper may do, and becomes the command. It returns only
// if that fails.
func (o *order) become(c command) error {
	if err := o.dropCapabilities(); err != nil {
		return &stepError{"dropping capabilities", err}
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return &stepError{"following the end of usher", err}
	}
	if os.Getppid() != o.Parent {
		os.Exit(1) // it has ended before
	}
	return syscall.Exec(c.path, c.args, c.env)
}

// dropCapabilities gives up every capability of a user other than root. Root keeps
// those over files and processes, but not those over the network and mounts.
func (o *order) dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	for _, c := range []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EPERM) {
			return err
		}
	}
	if o.Root {
		return nil
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}
