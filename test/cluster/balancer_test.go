//go:build faults

package cluster_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// loadBalancer is a load balancer with the configuration in docs/scaling.md.
type loadBalancer struct {
	name   string
	args   func(dir string) []string
	config func(dir, listen string, nodes []string) string
}

var haproxy = loadBalancer{
	name: "haproxy",
	args: func(dir string) []string { return []string{"-db", "-f", filepath.Join(dir, "conf")} },
	config: func(_, listen string, nodes []string) string {
		var b strings.Builder
		fmt.Fprintf(&b, `defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response 503
frontend plex
  bind %s
  default_backend usher
backend usher
  balance leastconn
  option httpchk GET /readyz
  http-request disable-l7-retry if !{ method GET HEAD }
  default-server check inter 500ms fall 2 rise 2
`, listen)
		for i, node := range nodes {
			fmt.Fprintf(&b, "  server node%d %s\n", i, strings.TrimPrefix(node, "http://"))
		}
		return b.String()
	},
}

// nginx has health checks only in its commercial version. The free version skips a node
// that failed for the duration of fail_timeout.
var nginx = loadBalancer{
	name: "nginx",
	args: func(dir string) []string { return []string{"-p", dir, "-c", filepath.Join(dir, "conf")} },
	config: func(dir, listen string, nodes []string) string {
		var servers strings.Builder
		for _, node := range nodes {
			fmt.Fprintf(&servers, "    server %s max_fails=2 fail_timeout=2s;\n", strings.TrimPrefix(node, "http://"))
		}
		return fmt.Sprintf(`daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  upstream usher {
    least_conn;
%[3]s    keepalive 16;
  }
  server {
    listen %[2]s;
    location / {
      proxy_pass http://usher;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_connect_timeout 2s;
      proxy_next_upstream error timeout http_503;
    }
  }
}
`, dir, listen, servers.String())
	},
}

// start runs the balancer before nodes until the test ends, and returns its address.
func (b loadBalancer) start(t *testing.T, nodes []string) string {
	t.Helper()
	program, err := exec.LookPath(b.name)
	if err != nil {
		t.Fatalf("%s is not installed: apt-get install %s", b.name, b.name)
	}
	dir := t.TempDir()
	listen := freeAddress(t)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(b.config(dir, listen, nodes)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command(program, b.args(dir)...))
	await(t, b.name, func() error {
		res, err := http.Get("http://" + listen + "/healthz")
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
	return "http://" + listen
}

// freeAddress returns an address that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// run runs a program until the test ends.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s printed: %s", cmd.Path, log.String())
		}
	})
}

// await waits until a program is ready.
func await(t *testing.T, name string, ready func() error) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", name, err)
		}
	}
}

// pgbouncer runs PgBouncer in one of its modes in front of a database, and returns
// PgBouncer's address.
func pgbouncer(t *testing.T, address, mode string) string {
	t.Helper()
	u := parse(t, address)
	dir, err := os.MkdirTemp("", "usher-pgbouncer-") // where another user can read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listen := freeAddress(t)
	host, port, _ := strings.Cut(listen, ":")
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = %s
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = 60
`, u.Hostname(), u.Port(), host, port, mode)
	file := filepath.Join(dir, "pgbouncer.ini")
	// Any user name connects as the user in the URL.
	config = strings.Replace(config, " port="+u.Port(), " port="+u.Port()+" user="+u.User.Username(), 1)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		t.Fatal("pgbouncer is not installed: apt-get install pgbouncer")
	}
	args := []string{file}
	if os.Geteuid() == 0 {
		args = []string{"-u", "nobody", file}
	}
	run(t, exec.Command(program, args...))
	await(t, "pgbouncer", func() error {
		conn, err := net.Dial("tcp", listen)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	u.Host = listen
	return u.String()
}
