package http_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	usher "github.com/usher-auth/usher/test/http/binary"
)

// Attack: one network holds 1,500 idle connections. Other clients are served, health checks
// are answered, and sign-ins can start processes, even if the system allows only 256 open
// files.
func TestIdleConnectionsStopNobody(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"256", "unlimited"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			shell := `ulimit -n 256; exec "$@"`
			if limit == "unlimited" {
				shell = `exec "$@"`
			}
			cmd := exec.Command("sh", "-c", shell, "sh", usherBinary, "serve", "--listen", "127.0.0.1:0",
				"--metrics-listen", "127.0.0.1:0", "--data", s.data)
			cmd.Env = usher.Env()
			server, err := usher.Start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.end(server) })
			address := strings.TrimPrefix(server.URL, "http://")
			var crowd []net.Conn
			defer func() {
				for _, c := range crowd {
					c.Close()
				}
			}()
			attacker := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: 10 * time.Second}
			for i := range 1500 {
				c, err := attacker.DialContext(t.Context(), "tcp", address)
				if err != nil {
					t.Fatalf("connection %d: %v", i, err)
				}
				crowd = append(crowd, c)
			}
			// Every connection is a new one, like that of a new client.
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
			get := func(what, where string) {
				t.Helper()
				began := time.Now()
				resp, err := client.Get(where)
				if err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK || time.Since(began) > 5*time.Second {
					t.Errorf("%s got %s after %v", what, resp.Status, time.Since(began))
				}
			}
			for i := range 30 {
				get(fmt.Sprintf("request %d", i), server.URL+"/identity")
			}
			metrics := metricsOf(t, server)
			get("the health check", metrics+"/readyz")
			get("the metrics", metrics+"/metrics")
			resp, err := client.PostForm(server.URL+"/api/v2/users/signin?X-Plex-Client-Identifier=x",
				url.Values{"login": {"olga"}, "password": {s.vars["olga_password"]}})
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusCreated {
				t.Errorf("a sign-in got %s", resp.Status)
			}
			// Health checks are answered while the attacker holds all connections that they
			// can get.
			busy, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				for busy.Err() == nil {
					if c, err := attacker.DialContext(busy, "tcp", address); err == nil {
						defer c.Close()
					}
				}
			}()
			for range 20 {
				get("the health check during a flood", metrics+"/readyz")
				get("a request during a flood", server.URL+"/identity")
			}
			cancel()
			if log := server.Log(); strings.Contains(log, "too many open files") {
				t.Error("the server ran out of open files")
			}
		})
	}
}

// metricsOf returns the address of a server's metrics, from its log.
func metricsOf(t *testing.T, server *usher.Server) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^.*"msg":"metrics".*$`)
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		var said struct{ Address string }
		if json.Unmarshal([]byte(line.FindString(server.Log())), &said) == nil {
			return "http://" + said.Address
		}
	}
	t.Fatal("the log does not name the address of the metrics")
	return ""
}
