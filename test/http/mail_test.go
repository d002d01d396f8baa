package http_test

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/mail/mailtest"
	usher "github.com/usher-auth/usher/test/http/binary"
)

// A command that runs next to the server, and a user who has lost the password, cause
// e-mails. The server is killed before its mail server accepts them. After a restart, it
// sends them. Until then, no file and no log contains their links.
func TestKilledServerSendsItsMail(t *testing.T) {
	t.Parallel()
	inbox := mailtest.Start(t, "", "", nil, false)
	inbox.Refuse(true)
	dir := t.TempDir()
	run := func(input string, args ...string) string {
		t.Helper()
		cmd := exec.Command(usherBinary, append(args, "--data", dir)...)
		cmd.Env, cmd.Stdin = usher.Env(), strings.NewReader(input)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("usher %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	serve := func() *usher.Server {
		t.Helper()
		cmd := exec.Command(usherBinary, "serve", "--listen", "127.0.0.1:0", "--data", dir, "--public-url", "https://usher.example.org")
		cmd.Env = append(usher.Env(), "USHER_SMTP_URL=smtp://"+inbox.Addr+"?from=usher@example.org")
		server, err := usher.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		return server
	}
	run("mia has a password\n", "account", "add", "mia", "--email", "mia@example.org", "--password-stdin")
	server := serve()
	link := run("", "invite", "create", "--email", "kim@example.org", "--mail")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm("http://"+listening(t, server)+"/forgot", url.Values{"login": {"mia"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("asking for a link: status %d", resp.StatusCode)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	log := server.Log()
	_, secret, _ := strings.Cut(link, "key=")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || !strings.HasPrefix(link, "https://usher.example.org/invitation?key=") {
		t.Fatalf("the link is %s, %v", link, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), secret) {
			t.Errorf("%s has the link", file)
		}
	}
	inbox.Refuse(false)
	server = serve()
	got := map[string]string{}
	for range 2 {
		m := inbox.Next()
		got[m.To] = m.Text
	}
	if !strings.Contains(got["kim@example.org"], link) || !strings.Contains(got["mia@example.org"], "https://usher.example.org/reset?key=") {
		t.Errorf("the e-mails are %q", got)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{secret, "mia@example.org", "kim@example.org"} {
		if strings.Contains(log+server.Log(), text) {
			t.Errorf("the log has %s", text)
		}
	}
	if inbox.Waiting() != 0 {
		t.Errorf("%d more e-mails arrived", inbox.Waiting())
	}
}

// listening returns the address that a server listens on, from its log.
func listening(t *testing.T, server *usher.Server) string {
	t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if found := listens.FindStringSubmatch(server.Log()); found != nil {
			return found[1]
		}
	}
	t.Fatal("the log does not name the address of the server")
	return ""
}

var listens = regexp.MustCompile(`"address":"(127\.0\.0\.1:\d+)"`)
