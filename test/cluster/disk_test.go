//go:build faults && linux

package cluster_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/db/pgtest"
)

// diskSize is the size of a disk that fills up.
const diskSize = 64 << 20

// inNamespace runs a test in another process with its own mount namespace, where run may
// mount. The mounts disappear with the process.
func inNamespace(t *testing.T, run func()) {
	t.Helper()
	const variable = "CLUSTER_IN_NAMESPACE"
	if os.Getenv(variable) == t.Name() {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		run()
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if id := os.Geteuid(); id != 0 {
		const sysAdmin = 21
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		cmd.SysProcAttr.AmbientCaps = []uintptr{sysAdmin}
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("in a mount namespace: %v", err)
	}
}

// disk is a small file system.
type disk struct {
	t   *testing.T
	dir string
}

// newDisk mounts a disk that every user may write to.
func newDisk(t *testing.T) disk {
	t.Helper()
	dir, err := os.MkdirTemp("", "usher-disk-")
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), syscall.Mount("usher-disk", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=1777", diskSize)))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(syscall.Unmount(dir, syscall.MNT_DETACH), os.Remove(dir)) })
	return disk{t, dir}
}

// fill fills the disk.
func (d disk) fill() {
	f, err := os.Create(filepath.Join(d.dir, "ballast"))
	if err != nil {
		d.t.Error(err)
		return
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			d.t.Error(err)
			break
		}
	}
	_ = f.Close()
}

// empty undoes fill.
func (d disk) empty() {
	if err := os.Remove(filepath.Join(d.dir, "ballast")); err != nil {
		d.t.Error(err)
	}
}

// full is the fault. Clients continue, and an additional client signs in until a sign-in is
// rejected, with a time to retry. Then tokens are checked. When the disk has room again,
// everything works within seconds.
func (s *scene) full(d disk) {
	const name = "the disk of the database is full"
	s.fault(name, *between, func() {
		d.fill()
		s.awaitRefusal()
		s.checkEverywhere()
		s.enter(name + ": after the first refusal")
	}, d.empty)
	s.awaitSignIn()
}

// awaitSignIn waits until sign-ins work again.
func (s *scene) awaitSignIn() {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		before := len(s.tokens)
		if s.signIn(s.t.Context(), "after"); len(s.tokens) > before {
			return
		}
		if time.Now().After(deadline) {
			s.t.Error("with room on the disk again, sign-ins fail")
			return
		}
	}
}

// awaitRefusal signs in until a sign-in is rejected.
func (s *scene) awaitRefusal() {
	for range 500 {
		res, err := http.PostForm(s.nodes[0]+"/api/v2/users/signin?X-Plex-Client-Identifier="+fmt.Sprint("filler-", time.Now().UnixNano()),
			url.Values{"login": {"mia"}, "password": {password}})
		if err != nil {
			s.t.Error(err)
			return
		}
		_ = res.Body.Close()
		switch {
		case res.StatusCode == http.StatusServiceUnavailable:
			if res.Header.Get("Retry-After") == "" {
				s.t.Error("the answer does not say when to retry")
			}
			return
		case res.StatusCode != http.StatusCreated:
			s.t.Errorf("a sign-in on a full disk: %s, want 503", res.Status)
			return
		}
	}
	s.t.Error("500 sign-ins fit on a full disk: the test proves nothing")
}

// judgeFull judges a scene with a full disk.
func (s *scene) judgeFull() {
	for _, err := range s.finish() {
		s.t.Error(err)
	}
	s.c.usher("", "audit", "verify")
	s.t.Log(s.table())
	for _, w := range s.windows {
		if w.failed > clients {
			s.t.Errorf("%s: %d requests failed without status 503", w.name, w.failed)
		}
	}
}

// checkEverywhere checks a token on each node.
func (s *scene) checkEverywhere() {
	for _, node := range s.nodes {
		if status, body := send(s.t.Context(), "GET", node+"/api/v2/user", "checker", s.tokens[0].text, nil); status != http.StatusOK {
			s.t.Errorf("on a full disk, a token check has status %d: %s", status, body)
		}
	}
}

// logFull is a fault in which PostgreSQL has no room for its log. It closes all
// connections, tries to recover, and stops, because there is no room for that either. Once
// there is room, it must be started again.
func (s *scene) logFull(d disk, server *pgtest.Server) {
	s.fault("the disk of PostgreSQL's log is full", *between, func() {
		d.fill()
		useUpLog(s.t, server)
		s.awaitRefusal()
		for deadline := time.Now().Add(time.Minute); !server.Ended(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				s.t.Error("PostgreSQL continues without room for its log: the test proves less than it says")
				break
			}
		}
	}, func() {
		d.empty()
		if !server.Ended() {
			return
		}
		if err := server.Launch(); err != nil {
			s.t.Error(err)
		}
	})
	s.awaitSignIn()
}

// useUpLog writes to the log until there is no room. Each write leaves the rest of a log
// file empty.
func useUpLog(t *testing.T, server *pgtest.Server) {
	admin, err := sql.Open("pgx", server.URL("postgres"))
	if err != nil {
		t.Error(err)
		return
	}
	defer admin.Close()
	for range 2 * diskSize / (16 << 20) {
		if _, err := admin.ExecContext(t.Context(), "SELECT pg_logical_emit_message(TRUE, 'full', 'x'), pg_switch_wal()"); err != nil {
			return
		}
	}
	t.Error("the log has room on a full disk: the test proves nothing")
}

// The disk of PostgreSQL's log fills up while three nodes work. After PostgreSQL has been
// restarted, everything acknowledged before is there.
func TestFullDiskOfTheLog(t *testing.T) {
	inNamespace(t, func() {
		server, err := pgtest.Start("fsync=on", "min_wal_size=32MB", "max_wal_size=32MB")
		if err != nil {
			t.Fatal(err)
		}
		defer server.Stop()
		d := newDisk(t)
		if err := server.MoveLog(d.dir); err != nil {
			t.Fatal(err)
		}
		c := newCluster(t)
		c.address = server.Database(t)
		s := newScene(t, c, usherBinary, haproxy, c.address, c.address, c.address)
		time.Sleep(*between)
		s.logFull(d, server)
		s.judgeFull()
	})
}

// The disk of PostgreSQL's tables fills up while three nodes work. The log is on another
// disk.
func TestFullDisk(t *testing.T) {
	inNamespace(t, func() {
		server, err := pgtest.Start("fsync=on")
		if err != nil {
			t.Fatal(err)
		}
		defer server.Stop()
		d := newDisk(t)
		space := filepath.Join(d.dir, "tables")
		if err := errors.Join(os.Mkdir(space, 0o700), server.Give(space)); err != nil {
			t.Fatal(err)
		}
		admin, err := sql.Open("pgx", server.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		for _, statement := range []string{"CREATE TABLESPACE small LOCATION '" + space + "'", "CREATE DATABASE small TABLESPACE small"} {
			if _, err := admin.ExecContext(context.Background(), statement); err != nil {
				t.Fatal(err)
			}
		}
		c := newCluster(t)
		c.address = server.URL("small")
		s := newScene(t, c, usherBinary, haproxy, c.address, c.address, c.address)
		time.Sleep(*between)
		s.full(d)
		s.judgeFull()
	})
}

// The disk of a node with SQLite fills up.
func TestFullDiskSQLite(t *testing.T) {
	inNamespace(t, func() {
		d := newDisk(t)
		c := &cluster{t: t, keyFile: filepath.Join(d.dir, "data", "usher.key")}
		s := newScene(t, c, usherBinary, haproxy, c.address)
		time.Sleep(*between)
		s.full(d)
		s.judgeFull()
	})
}

// A backup without enough room, encrypted or not, leaves no files, and the error says which
// disk is full. The server continues.
func TestFullDiskOfABackup(t *testing.T) {
	inNamespace(t, func() {
		d := newDisk(t)
		d.fill()
		for engine, c := range map[string]*cluster{
			"PostgreSQL": newCluster(t), "SQLite": {t: t, keyFile: filepath.Join(t.TempDir(), "usher.key")},
		} {
			c.usher(password, "account", "add", "mia", "--password-stdin")
			n := c.node(c.address)
			for _, passphrase := range []string{"", "correct horse"} {
				cmd := c.command(c.address, "backup", filepath.Join(d.dir, "copy"))
				cmd.Env = append(cmd.Env, "USHER_PASSPHRASE="+passphrase)
				out, err := cmd.CombinedOutput()
				if text := string(out); err == nil || !strings.Contains(text, d.dir) || strings.Contains(text, "try again in a moment") {
					t.Errorf("%s, passphrase %q: %v\n%s", engine, passphrase, err, out)
				}
				if left, err := os.ReadDir(d.dir); err != nil || len(left) != 1 {
					t.Errorf("%s, passphrase %q: besides the ballast, %v is left, %v", engine, passphrase, left, err)
				}
			}
			n.signIn("mia")
		}
	})
}
