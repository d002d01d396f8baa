//go:build unix

package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	usher "github.com/usher-auth/usher/test/http/binary"
)

// TestShutdownFinishesRequestsInFlight asks the server to stop during a sign-in. The sign-in
// must get its response and take effect.
func TestShutdownFinishesRequestsInFlight(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string][]os.Signal{
		"service manager":         {syscall.SIGTERM},
		"Ctrl-C":                  {os.Interrupt},
		"a terminal that is gone": {syscall.SIGHUP, syscall.SIGHUP}, // from the shell and from the kernel
		"end of a session":        {syscall.SIGHUP, syscall.SIGTERM, syscall.SIGHUP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shutDownInFlight(t, signals)
		})
	}
}

func shutDownInFlight(t *testing.T, signals []os.Signal) {
	s := newScript(t)
	s.start()
	address := strings.TrimPrefix(s.server.URL, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	body := url.Values{"login": {"olga"}, "password": {s.vars["olga_password"]}}.Encode()
	head := fmt.Sprintf("POST /api/v2/users/signin.json HTTP/1.1\r\nHost: usher\r\nX-Plex-Client-Identifier: late\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	send(t, conn, head)
	in := bufio.NewReader(conn)
	// The server sends "continue" when its handler reads the body: the request is in
	// flight.
	if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("got %v, %v, want 100 Continue", resp, err)
	}

	ended := make(chan error, 1)
	go func() { ended <- s.server.StopBy(signals...) }()
	waitRefused(t, address)
	send(t, conn, body)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("got status %d and %s (%v)", resp.StatusCode, text, err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	s.secrets.addText(string(text))
	token, err := lookupJSON(string(text), "authToken")
	if err != nil {
		t.Fatal(err)
	}
	s.start()
	s.request = &request{method: http.MethodGet, target: "/api/v2/user", header: http.Header{"X-Plex-Token": {fmt.Sprint(token)}}}
	s.send()
	s.expectStatus("200")
}

// waitRefused waits until nothing listens on an address.
func waitRefused(t *testing.T, address string) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Fatal("the server still accepts connections")
}

// With --drain, a stopping server reports that it is not ready. It answers all other
// requests as before, on new connections, too.
func TestDrain(t *testing.T) {
	t.Parallel()
	serve := func(s *script, drain string) *usher.Server {
		t.Helper()
		cmd := exec.Command(usherBinary, "serve", "--listen", "127.0.0.1:0", "--data", s.data, "--drain", drain)
		cmd.Env = usher.Env()
		server, err := usher.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		return server
	}
	status := func(server *usher.Server, path string) int {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	s := newScript(t)
	server := serve(s, "1h")
	if got := status(server, "/readyz"); got != http.StatusOK {
		t.Errorf("/readyz before: %d", got)
	}
	if err := server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(20 * time.Second); status(server, "/readyz") != http.StatusServiceUnavailable; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("/readyz does not fail")
		}
	}
	for _, path := range []string{"/healthz", "/identity"} {
		if got := status(server, path); got != http.StatusOK {
			t.Errorf("%s while it drains: %d", path, got)
		}
	}
	resp, err := http.PostForm(server.URL+"/api/v2/users/signin?X-Plex-Client-Identifier=x",
		url.Values{"login": {"olga"}, "password": {s.vars["olga_password"]}})
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatal("a sign-in while it drains:", resp, err)
	}
	resp.Body.Close()
	if err := server.Stop(); err == nil { // a second signal stops it immediately
		t.Error("the second signal did not stop the server immediately")
	}

	server = serve(s, "300ms")
	began := time.Now()
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("it stopped after %v", took)
	}
}

// A program that was started with nohup keeps running when the terminal is closed.
func TestIgnoredHangupStaysIgnored(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	cmd := exec.Command("sh", "-c", `trap "" HUP; exec "$@"`, "sh", usherBinary, "serve", "--listen", "127.0.0.1:0", "--data", s.data)
	cmd.Env = usher.Env()
	server, err := usher.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // it would have exited
	resp, err := http.Get(server.URL + "/identity")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
}

// A hashing process exits with the server, even if the server is killed.
func TestNoProcessIsLeftBehind(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Log("without /proc, processes cannot be counted")
		return
	}
	for name, end := range map[string]func(*usher.Server) error{
		"SIGTERM": (*usher.Server).Stop, "SIGKILL": (*usher.Server).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			cmd := exec.Command(usherBinary, "serve", "--listen", "127.0.0.1:0", "--data", s.data)
			cmd.Env = usher.Env()
			server, err := usher.Start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.PostForm(server.URL+"/api/v2/users/signin?X-Plex-Client-Identifier=x",
				url.Values{"login": {"olga"}, "password": {s.vars["olga_password"]}})
			if err != nil || resp.StatusCode != http.StatusCreated {
				t.Fatal(resp, err)
			}
			resp.Body.Close()
			children := server.Children()
			if len(children) != 1 {
				t.Fatalf("after a sign-in, there are the processes %v, want one", children)
			}
			if err := end(server); err != nil {
				t.Fatal(err)
			}
			for until := time.Now().Add(10 * time.Second); alive(children[0]); time.Sleep(time.Millisecond) {
				if time.Now().After(until) {
					t.Fatal("the hashing process still exists")
				}
			}
		})
	}
}

// alive reports whether a process exists and has not exited.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}
