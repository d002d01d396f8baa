package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// order is what the helper does in the namespaces, before it becomes the command.
type order struct {
	// Parent is the process that must be alive.
	Parent int
	// Ports are where it listens.
	Ports []int
	// Replace are files with their new content. They exist.
	Replace []replacement
	// Authority is added to each of the files Bundles. They exist. Their names need not
	// be UTF-8, as a text of JSON is.
	Authority []byte
	Bundles   [][]byte
	// Folder is where the files Create are, in memory. It exists, and is empty.
	// If it is "", there are no such files.
	Folder string
	Create []replacement
	// System is the first one of Bundles, to which the files Own are added, too. Empty:
	// there is none, and Trusted is created in Folder instead.
	System  []byte
	Own     [][]byte
	Trusted string
	// Java is a key store to create in Folder, of the same certificates. If empty, none is created.
	Java string
	// Hide are sockets that lead to name services outside.
	Hide []string
	// Root keeps what root may do to files and processes.
	Root bool
}

// replacement is a file and what it has in the namespace.
type replacement struct {
	Path    string
	Content []byte
}

// report is the helper's answer. The sockets come with it: a listener for each
// port, the two of DNS, and the one that watches.
type report struct {
	// Network is the namespace, as /proc names it.
	Network string
	// Watch says that the socket that watches is there.
	Watch bool
	// Step and Errno say what was refused; Started says that the failure is one
	// of the command, not of the machine.
	Step    string
	Errno   syscall.Errno
	Text    string
	Started bool
}

func (r report) err() error {
	if r.Errno != 0 {
		return r.Errno
	}
	return errors.New(r.Text)
}

// namespace runs the command in a network of its own.
func (r *run) namespace() (Status, error) {
	// The kernel ends the command when the thread that started it ends: this one
	// lives as long as the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sig := catchSignals()
	defer sig.stop()
	cmd, conn, err := r.startInit()
	if err != nil {
		return Status{}, err
	}
	defer conn.Close()
	status, err := r.serveInit(conn, func() (Status, error) { return sig.wait(cmd) })
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return status, err
}

// order returns what to do in the namespaces, and the environment of the
// command.
func (r *run) order() (order, environ) {
	system, bundles := r.bundles()
	o := order{
		Parent: os.Getpid(), Ports: r.ports(), Authority: r.authority.pem,
		Hide: nameSockets, Root: os.Geteuid() == 0, System: []byte(system),
	}
	for _, path := range bundles {
		o.Bundles = append(o.Bundles, []byte(path))
	}
	for _, path := range environ(r.cfg.Env).own(system) {
		o.Own = append(o.Own, []byte(path))
	}
	for path, content := range nameFiles() {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			o.Replace = append(o.Replace, replacement{real, content})
		}
	}
	env := r.cfg.cleanEnv()
	if info, err := os.Stat(memoryFolder); err == nil && info.IsDir() {
		o.Folder = memoryFolder
		if system == "" {
			o.Trusted = filepath.Join(memoryFolder, "certificates.pem")
			system = o.Trusted
		}
		python := filepath.Join(memoryFolder, "python")
		o.Create = append(o.Create, replacement{filepath.Join(python, "sitecustomize.py"), pythonHookFor(hookSettings{Bundle: system})})
		env = env.first("PYTHONPATH", python, string(os.PathListSeparator))
		if env.runsJava() {
			o.Java = filepath.Join(memoryFolder, "java.jks")
			env = env.trustingJava(o.Java, nil)
		}
	}
	return o, env.trusting(system, bundles)
}

// memoryFolder is where files of a run are, in memory. The kernel keeps this folder
// empty, as a place to mount something.
const memoryFolder = "/proc/fs/nfsd"

// nameSockets are the sockets of name services, which the C library asks before
// DNS.
var nameSockets = []string{
	"/run/nscd/socket", "/var/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve", "/run/avahi-daemon/socket",
}

// nameFiles say how names are resolved.
func nameFiles() map[string][]byte {
	own, err := os.Hostname()
	if err != nil {
		own = ""
	}
	files := map[string][]byte{
		"/etc/resolv.conf": []byte("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
		"/etc/hosts":       fmt.Appendf(nil, "127.0.0.1 localhost %s\n::1 localhost ip6-localhost ip6-loopback\n", own),
	}
	if text, err := os.ReadFile("/etc/nsswitch.conf"); err == nil {
		files["/etc/nsswitch.conf"] = dnsOnly(string(text))
	}
	return files
}

// dnsOnly returns an nsswitch.conf in which hosts are looked up in /etc/hosts and
// by DNS.
func dnsOnly(text string) []byte {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "hosts:") {
			b.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return []byte(b.String() + "hosts: files dns\n")
}

// ports are where the front listens: those of the handler, of allowed
// destinations, and those to forward.
func (r *run) ports() []int {
	list := append(slices.Clone(r.cfg.Ports), httpPorts...)
	for _, d := range r.cfg.Allow {
		list = append(list, d.ports()...)
	}
	list = append(list, r.cfg.Forward...)
	slices.Sort(list)
	return slices.Compact(list)
}

// startInit starts the helper in new namespaces, with a socket to talk to it. It has
// no environment: that of the command follows.
func (r *run) startInit() (*exec.Cmd, *net.UnixConn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("creating a pair of sockets: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "init"), os.NewFile(uintptr(fds[1]), "init")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, nil, err
	}
	var last error
	for _, ids := range idMaps() {
		cmd, err := helper(initHelper)
		if err != nil {
			return nil, nil, errors.Join(err, conn.Close())
		}
		cmd.Env, cmd.ExtraFiles = []string{}, []*os.File{theirs}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = orNull(r.cfg.Stdin), orNull(r.cfg.Stdout), orNull(r.cfg.Stderr)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
			UidMappings: ids.users, GidMappings: ids.groups, GidMappingsEnableSetgroups: ids.all,
			AmbientCaps: []uintptr{unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SYS_ADMIN},
			Pdeathsig:   syscall.SIGKILL,
		}
		if last = cmd.Start(); last == nil {
			return cmd, conn.(*net.UnixConn), nil
		}
	}
	_ = conn.Close()
	return nil, nil, &RefusedError{"creating a user namespace", innermost(last)}
}

// innermost returns the system's own error.
func innermost(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}

// idMap says which users and groups there are in a user namespace.
type idMap struct {
	users, groups []syscall.SysProcIDMap
	all           bool
}

// idMaps are those to try. Everyone is who they are outside. For root, all others
// exist as well, so that it can become them.
func idMaps() []idMap {
	uid, gid := os.Geteuid(), os.Getegid()
	one := idMap{
		users:  []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
		groups: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
	}
	users, groups := sameIDs("/proc/self/uid_map"), sameIDs("/proc/self/gid_map")
	if uid != 0 || len(users) == 0 || len(groups) == 0 {
		return []idMap{one}
	}
	return []idMap{{users, groups, true}, one}
}

// sameIDs maps the IDs that exist here to themselves.
func sameIDs(file string) []syscall.SysProcIDMap {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var list []syscall.SysProcIDMap
	for line := range strings.Lines(string(text)) {
		var inside, outside, size int
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err != nil {
			return nil
		}
		list = append(list, syscall.SysProcIDMap{ContainerID: inside, HostID: inside, Size: size})
	}
	return list
}

// serveInit gives the helper its order, serves the sockets that it hands over, and
// waits for the command.
func (r *run) serveInit(conn *net.UnixConn, wait func() (Status, error)) (Status, error) {
	if err := r.certify(); err != nil {
		return Status{}, err
	}
	o, env := r.order()
	text, err := json.Marshal(o)
	if err != nil {
		return Status{}, err
	}
	if _, err := conn.Write(text); err != nil {
		return Status{}, &RefusedError{"starting a process in a user namespace", innermost(err)}
	}
	rep, sockets, err := receive(conn)
	if err != nil {
		return Status{}, &RefusedError{"starting a process in a user namespace", innermost(err)}
	}
	if rep.Step != "" {
		return Status{}, &RefusedError{rep.Step, rep.err()}
	}
	if err := r.keep(); err != nil {
		return Status{}, err
	}
	if err := r.keeper.add(keepNetwork, rep.Network); err != nil {
		return Status{}, err
	}
	f := newFront(r.cfg, r.authority)
	defer f.stop()
	if rep.Watch && len(sockets) > 0 {
		last := len(sockets) - 1
		go f.watch(sockets[last], o.Ports)
		sockets = sockets[:last]
	}
	if err := f.serveSockets(sockets); err != nil {
		return Status{}, err
	}
	late, err := r.begin(Namespace, nil)
	if err != nil {
		return Status{}, err
	}
	if err := r.sendCommand(conn, env.replacing(late)); err != nil {
		return Status{}, fmt.Errorf("starting the command: %w", err)
	}
	// The socket ends when the helper has become the command.
	if rep, _, err := receive(conn); err == nil {
		return Status{}, commandError(r.cfg.Command[0], rep.err())
	}
	return wait()
}

// sendCommand tells the helper what to become. Each part has a message of its own: all
// of them are more than a socket accepts in one message.
func (r *run) sendCommand(conn net.Conn, env environ) error {
	send := func(kind byte, values ...string) error {
		for _, v := range values {
			if _, err := conn.Write(append([]byte{kind}, v...)); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.Join(send(itsPath, r.path), send(itsArgument, r.cfg.Command...), send(itsVariable, env...), send(goOn, ""))
}

// serveSockets serves the listeners and the two sockets of DNS.
func (f *front) serveSockets(sockets []*os.File) error {
	var listeners []net.Listener
	for i, s := range sockets {
		defer s.Close()
		if i == len(sockets)-1 {
			c, err := net.FilePacketConn(s)
			if err != nil {
				return err
			}
			go f.resolveUDP(c)
			continue
		}
		l, err := net.FileListener(s)
		if err != nil {
			return err
		}
		listeners = append(listeners, l)
	}
	for _, l := range listeners[:len(listeners)-1] {
		go f.listen(l)
	}
	go f.resolveTCP(listeners[len(listeners)-1])
	return nil
}

// receive reads one report with its sockets.
func receive(conn *net.UnixConn) (report, []*os.File, error) {
	var rep report
	buf, control := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(maxSockets*4))
	n, cn, _, _, err := conn.ReadMsgUnix(buf, control)
	if err != nil {
		return rep, nil, err
	}
	if n == 0 {
		return rep, nil, errors.New("the helper has ended")
	}
	if err := json.Unmarshal(buf[:n], &rep); err != nil {
		return rep, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:cn])
	if err != nil {
		return rep, nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return rep, nil, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "socket"))
		}
	}
	return rep, files, nil
}

// maxSockets is how many sockets one message carries at most (SCM_MAX_FD).
const maxSockets = 253
