//go:build unix

// Package pgtest starts a PostgreSQL server for the tests of a package, and gives
// each test a database of its own.
//
// The server is one of Debian's packages, in a temporary folder, and never the
// system's. It listens on the loopback interface, and ends with the tests. Where
// there are no such programs, one line says how to get them; under CI that fails.
// It also owns a proxy that can cut, stop and censor connections (proxy.go).
package pgtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// install says how to get the programs.
const install = "PostgreSQL is not installed, so nothing is tested on it: apt-get install postgresql"

// Main runs a package's tests and stops the server that they started. TestMain
// calls it: os.Exit(pgtest.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	if shared != nil {
		shared.Stop()
	}
	return code
}

// Available reports whether there are the programs to start a server. Where there
// are not, it says so; under CI the test fails.
func Available(t testing.TB) bool {
	t.Helper()
	if _, err := programs(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(install)
		}
		fmt.Fprintln(os.Stderr, "\n*** "+install+" ***")
		t.Log(install)
		return false
	}
	return true
}

var (
	sharedOnce sync.Once
	shared     *Server
	sharedErr  error
	count      int
	countMu    sync.Mutex
)

// Database creates an empty database on the server that the tests of the package
// share, and returns its URL. The test must have asked Available.
func Database(t testing.TB) string {
	t.Helper()
	sharedOnce.Do(func() { shared, sharedErr = startShared() })
	if sharedErr != nil {
		t.Fatal(sharedErr)
	}
	return shared.Database(t)
}

// startShared starts the server that the tests of a package share. Its databases are in
// memory, where there is room: each is three hundred files. Nothing of it outlives the
// tests, so it writes as little as it can, and cleans nothing up: there are so many databases
// that it would start a process for one of them every second.
func startShared() (*Server, error) {
	return start(inMemory(), "autovacuum=off", "full_page_writes=off", "min_wal_size=32MB", "max_wal_size=64MB")
}

// Copy creates a database that holds what another one of Database holds, which is
// faster than to migrate an empty one. Nobody may be connected to the other one.
func Copy(t testing.TB, url string) string {
	t.Helper()
	return shared.Copy(t, url)
}

// Server is a running PostgreSQL.
type Server struct {
	// Port is where it listens, on 127.0.0.1.
	Port int

	bin, dir string
	owner    *syscall.Credential
	options  []string
	cmd      *exec.Cmd
	exited   chan struct{}
}

// Start starts a server with settings such as "max_connections=200". The caller
// stops it.
func Start(settings ...string) (*Server, error) { return start("", settings...) }

// start is Start with the folder that the server's is in; empty: that for temporary
// files.
func start(parent string, settings ...string) (s *Server, err error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s = &Server{bin: bin}
	if s.dir, err = os.MkdirTemp(parent, "usher-postgres-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	if err := s.own(); err != nil {
		return nil, err
	}
	if err := s.run("initdb", "-D", s.data(), "-U", "usher", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"); err != nil {
		return nil, err
	}
	if err := s.guard(); err != nil {
		return nil, err
	}
	if s.Port, err = freePort(); err != nil {
		return nil, err
	}
	settings = append([]string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.Port), "unix_socket_directories=",
		"max_connections=300", "fsync=off", "shared_buffers=32MB", "log_min_messages=fatal",
	}, settings...)
	for _, setting := range settings {
		s.options = append(s.options, "-c", setting)
	}
	return s, s.Launch()
}

// ServeTLS makes the server offer TLS with a certificate for localhost, and returns the
// file with the certificate of the authority that signed it: itself.
func (s *Server) ServeTLS(t testing.TB) (root string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	for name, content := range map[string][]byte{
		"server.crt": text, "server.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	} {
		file := filepath.Join(s.data(), name)
		if err := errors.Join(os.WriteFile(file, content, 0o600), s.Give(file)); err != nil {
			t.Fatal(err)
		}
	}
	root = filepath.Join(t.TempDir(), "root.crt")
	if err := os.WriteFile(root, text, 0o600); err != nil {
		t.Fatal(err)
	}
	Exec(t, s.URL("postgres"), "ALTER SYSTEM SET ssl = on")
	Exec(t, s.URL("postgres"), "SELECT pg_reload_conf()")
	return root
}

// Standby starts a second server, which replicates this one: from now on, a commit
// here is acknowledged once it is there, too. The caller stops it.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby, err := s.replicate()
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		Exec(t, s.URL("postgres"), statement)
	}
	return standby
}

func (s *Server) replicate() (_ *Server, err error) {
	r := &Server{bin: s.bin}
	if r.dir, err = os.MkdirTemp("", "usher-postgres-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.Stop()
		}
	}()
	if err := r.own(); err != nil {
		return nil, err
	}
	err = r.run("pg_basebackup", "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "usher", "-D", r.data(), "-R", "-c", "fast")
	if err != nil {
		return nil, err
	}
	if r.Port, err = freePort(); err != nil {
		return nil, err
	}
	r.options = append(slices.Clone(s.options), "-c", "port="+strconv.Itoa(r.Port))
	return r, r.Launch()
}

// Promote makes a standby take writes.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	Exec(t, s.URL("postgres"), "SELECT pg_promote()")
}

// Give gives a folder to the user that the server runs as.
func (s *Server) Give(dir string) error {
	if s.owner == nil {
		return nil
	}
	return os.Chown(dir, int(s.owner.Uid), int(s.owner.Gid))
}

// MoveLog moves the write-ahead log to another folder, which may be on another disk,
// and starts the server again.
func (s *Server) MoveLog(dir string) error {
	s.Shutdown()
	log, moved := filepath.Join(s.data(), "pg_wal"), filepath.Join(dir, "pg_wal")
	if out, err := exec.CommandContext(context.Background(), "cp", "-a", log, moved).CombinedOutput(); err != nil {
		return fmt.Errorf("moving the log: %w\n%s", err, out)
	}
	if err := errors.Join(os.RemoveAll(log), os.Symlink(moved, log)); err != nil {
		return err
	}
	return s.Launch()
}

// own gives the folder to a user who may run PostgreSQL: root may not.
func (s *Server) own() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return s.Give(s.dir)
	}
	return errors.New("there is no user but root to run PostgreSQL as")
}

// Guarded is a role that the server asks for a password. A test creates it.
const Guarded = "guarded"

// guard says who needs a password.
func (s *Server) guard() error {
	rules := "host all " + Guarded + " 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n" +
		"host replication all 127.0.0.1/32 trust\n"
	return os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(rules), 0o600)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Setpgid: true}
	return cmd
}

func (s *Server) run(name string, args ...string) error {
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// Launch starts the server again after Kill, on the same data and port.
func (s *Server) Launch() error {
	var log bytes.Buffer
	s.cmd = s.command("postgres", append([]string{"-D", s.data()}, s.options...)...)
	s.cmd.Stdout, s.cmd.Stderr = &log, &log
	s.exited = make(chan struct{})
	started := make(chan error)
	go func() {
		// The server ends with this program, and the kernel means the thread that
		// started it.
		runtime.LockOSThread()
		dieWithParent(s.cmd.SysProcAttr)
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
		}
		close(s.exited)
	}()
	if err := <-started; err != nil {
		return err
	}
	return s.await(&log)
}

// await waits until the server answers.
func (s *Server) await(log *bytes.Buffer) error {
	pool, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		return err
	}
	defer pool.Close()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = pool.Ping(); err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("postgres ended: %s", log)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("postgres does not answer: %w", err)
		}
	}
}

// PID is the number of the process that starts all others of the server.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Kill ends the server as a power failure would end its processes.
func (s *Server) Kill() { s.signal(syscall.SIGKILL, syscall.SIGKILL) }

// Ended reports whether the server has ended, by itself or by Kill or Shutdown.
func (s *Server) Ended() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// Shutdown ends the server; it ends its connections first.
func (s *Server) Shutdown() { s.signal(syscall.SIGINT) }

func (s *Server) signal(signals ...syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	for _, sig := range signals {
		_ = syscall.Kill(-s.cmd.Process.Pid, sig)
	}
	<-s.exited
}

// Pause stops every process of the server until Resume.
func (s *Server) Pause() { s.toChildren(syscall.SIGSTOP) }

// Resume undoes Pause.
func (s *Server) Resume() { s.toChildren(syscall.SIGCONT) }

func (s *Server) toChildren(sig syscall.Signal) {
	pid := s.cmd.Process.Pid
	out, _ := exec.CommandContext(context.Background(), "pgrep", "-P", strconv.Itoa(pid)).Output()
	for _, field := range append(bytes.Fields(out), []byte(strconv.Itoa(pid))) {
		if child, err := strconv.Atoi(string(field)); err == nil {
			_ = syscall.Kill(child, sig)
		}
	}
}

// Stop ends the server and removes its data.
func (s *Server) Stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.exited
	}
	_ = os.RemoveAll(s.dir)
}

// URL is the address of a database of the server.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://usher@127.0.0.1:%d/%s?sslmode=disable", s.Port, database)
}

// Database creates an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.Copy(t, s.URL("template1"))
}

// Copy creates a database that holds what another one of the server holds, and
// returns its URL. Nobody may be connected to the other one.
func (s *Server) Copy(t testing.TB, url string) string {
	t.Helper()
	countMu.Lock()
	count++
	name := fmt.Sprintf("test%d", count)
	countMu.Unlock()
	other := path.Base(strings.SplitN(url, "?", 2)[0])
	Exec(t, s.URL("postgres"), "CREATE DATABASE "+name+" TEMPLATE "+other)
	return s.URL(name)
}

// programs returns the folder with the newest PostgreSQL that is installed, 15 or
// newer.
var programs = sync.OnceValues(func() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(initdb); err == nil && exists(filepath.Join(filepath.Dir(real), "postgres")) {
			return filepath.Dir(real), nil
		}
	}
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.Sort(folders)
	for _, folder := range slices.Backward(folders) {
		if exists(filepath.Join(folder, "initdb")) && exists(filepath.Join(folder, "postgres")) {
			return folder, nil
		}
	}
	return "", errors.New(install)
})

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func freePort() (int, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// Exec runs a statement in the database at a URL.
func Exec(t testing.TB, address, statement string) {
	t.Helper()
	if err := execute(t.Context(), address, statement); err != nil {
		t.Fatal(err)
	}
}

func execute(ctx context.Context, address, statement string) error {
	pool, err := sql.Open("pgx", address)
	if err == nil {
		_, err = pool.ExecContext(ctx, statement)
		err = errors.Join(err, pool.Close())
	}
	return err
}
