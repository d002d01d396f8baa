package docs_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// receiver is a program in docs/protocol.md that verifies webhooks.
type receiver struct {
	language, url string
	lines         chan string // its output
}

// runReceivers runs the receivers in docs/protocol.md, and signs in mia, whose webhooks
// have a secret. Each receiver must print the events, and reject requests with another
// signature.
func runReceivers(t *testing.T, server, password, secret string) {
	t.Helper()
	receivers := []receiver{startReceiver(t, "go", secret, buildReceiver(t))}
	if python, err := exec.LookPath("python3"); err == nil {
		receivers = append(receivers, startReceiver(t, "python", secret, python, "-c", receiverText(t, "python")))
	} else {
		t.Log("python3 is not installed: the receiver in Python was not run")
	}
	hooks := url.Values{}
	for _, r := range receivers {
		hooks.Add("urls[]", r.url)
		for _, signature := range []string{"", "sha256=", "sha256=" + strings.Repeat("0", 64)} {
			if status := postForm(t, r.url, url.Values{"payload": {`{"event":"user.signin"}`}}, "X-Usher-Signature", signature, nil); status != http.StatusForbidden {
				t.Errorf("the receiver in %s answers status %d to the signature %q", r.language, status, signature)
			}
		}
	}
	signIn := func(device string) (account struct{ AuthToken string }) {
		form := url.Values{"login": {"mia"}, "password": {password}}
		if status := postForm(t, server+"/api/v2/users/signin", form, "X-Plex-Client-Identifier", device, &account); status != http.StatusCreated {
			t.Fatalf("signing in: status %d", status)
		}
		return account
	}
	if status := postForm(t, server+"/api/v2/user/webhooks", hooks, "X-Plex-Token", signIn("laptop").AuthToken, nil); status != http.StatusCreated {
		t.Fatalf("setting webhooks: status %d", status)
	}
	signIn("phone")
	for _, r := range receivers {
		for _, want := range []string{"device.new", "user.signin"} {
			if got := <-r.lines; got != want {
				t.Errorf("the receiver in %s prints %q, want %s", r.language, got, want)
			}
		}
	}
}

// receiverText returns the text of the receiver in a language.
func receiverText(t *testing.T, language string) string {
	t.Helper()
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(read(t, "docs/protocol.md"), -1) {
		if strings.Contains(block[1], "X-Usher-Signature") {
			return block[1]
		}
	}
	t.Fatalf("docs/protocol.md has no receiver in %s", language)
	return ""
}

// buildReceiver builds the receiver in Go.
func buildReceiver(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	file, path := filepath.Join(dir, "main.go"), filepath.Join(dir, "receiver")
	if err := os.WriteFile(file, []byte(receiverText(t, "go")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, file)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the receiver: %v\n%s", err, out)
	}
	return path
}

// startReceiver starts a receiver, and returns when it listens.
func startReceiver(t *testing.T, language, secret string, command ...string) receiver {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "WEBHOOK_SECRET="+secret, "PORT="+port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := receiver{language, "http://" + address + "/", make(chan string, 100)}
	go func() {
		defer close(r.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			r.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() { // before the context ends, so that Wait does not race with it
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return r
		}
		if time.Now().After(deadline) {
			t.Fatalf("the receiver in %s does not listen: %v", language, err)
		}
	}
}

// postForm sends a form with a header, and decodes the answer into v unless v is nil. If
// there is a payload, it is sent like a webhook.
func postForm(t *testing.T, address string, form url.Values, header, value string, v any) (status int) {
	t.Helper()
	contentType, body := "application/x-www-form-urlencoded", form.Encode()
	if payload := form.Get("payload"); payload != "" {
		contentType = "multipart/form-data; boundary=x"
		body = fmt.Sprintf("--x\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n%s\r\n--x--\r\n", payload)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	req.Header.Set(header, value)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if v != nil {
		if err := json.NewDecoder(res.Body).Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	return res.StatusCode
}
