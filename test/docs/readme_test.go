package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	usher "github.com/usher-auth/usher/test/http/binary"
)

// The README's program, with only its placeholders replaced, signs in to the built binary
// with a second factor, and prints how to reach a server. The test types the code at the
// prompt.
func TestReadmeProgramSignsIn(t *testing.T) {
	dir := t.TempDir()
	binary, err := usher.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	command := func(stdin string, args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, append(args, "--data", data)...)
		cmd.Stdin, cmd.Env = strings.NewReader(stdin), usher.Env()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("usher %s: %v", strings.Join(args, " "), err)
		}
		return out
	}
	const password = "root has a password"
	command(password+"\n", "account", "add", "root", "--email", "root@example.org", "--admin", "--password-stdin") // as in the README
	var factor struct{ Secret string }
	if err := json.Unmarshal(command("", "account", "totp", "root", "--json", "--yes"), &factor); err != nil {
		t.Fatal(err)
	}
	command("", "server", "add", "Den", "--id", "den", "--connection", "http://192.0.2.5:32400")

	cmd := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data", data, "--webhook-network", "127.0.0.1/32")
	cmd.Env = usher.Env()
	server, err := usher.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()

	runExamples(t, "docs/admin-api.md", binary, data, server.URL)
	command(password+"\n", "account", "add", "mia", "--password-stdin")
	runReceivers(t, server.URL, password, string(bytes.TrimSpace(command("", "webhook", "secret", "mia"))))

	text := program.FindStringSubmatch(read(t, "README.md"))[1]
	for _, fill := range []struct{ before, after string }{
		{`Login: "root", Password: "…"`, `Login: "root", Password: "` + password + `"`},
		{`plexauth.ServerSource("…")`, `plexauth.ServerSource("den")`},
		{"http://127.0.0.1:32400", server.URL},
	} {
		if !strings.Contains(text, fill.before) {
			t.Fatalf("the README's program has no %s:\n%s", fill.before, text)
		}
		text = strings.ReplaceAll(text, fill.before, fill.after)
	}
	got := runAtPrompt(t, text, "Code: ", func() string {
		code, err := totp.GenerateCode(factor.Secret, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return code + "\n"
	})
	for _, want := range []string{"Den ", "http://192.0.2.5:32400"} {
		if !strings.Contains(got, want) {
			t.Errorf("the program prints %q, want it to have %q", got, want)
		}
	}
}

// runAtPrompt runs a Go program, types the answer at a prompt, and returns the output after
// it.
func runAtPrompt(t *testing.T, text, prompt string, typed func() string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", file)
	cmd.Dir = root
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	asked := make([]byte, len(prompt))
	if _, err := io.ReadFull(stdout, asked); err != nil || string(asked) != prompt {
		t.Errorf("the prompt is %q, want %q: %v", asked, prompt, err)
	} else if _, err := io.WriteString(stdin, typed()); err != nil {
		t.Error(err)
	}
	stdin.Close()
	rest, err := io.ReadAll(stdout)
	if err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, complaints.String())
	}
	return string(rest)
}

// runExamples runs the commands of a document in a shell, one after the other. Each must
// succeed.
func runExamples(t *testing.T, document, binary, data, url string) {
	t.Helper()
	var script strings.Builder
	fmt.Fprintf(&script, "set -eu\nusher() { %q \"$@\" --data %q; }\n", binary, data)
	blocks := regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(read(t, document), -1)
	for _, block := range blocks {
		script.WriteString(regexp.MustCompile(`(?m)^\$ `).ReplaceAllString(block[1], "echo; "))
	}
	text := strings.ReplaceAll(script.String(), "http://127.0.0.1:32400", url)
	if len(blocks) < 2 || !strings.Contains(text, url) {
		t.Fatalf("%s has no commands:\n%s", document, text)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", text)
	cmd.Env = usher.Env("NO_PROXY=*")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the commands of %s: %v\n%s\n%s", document, err, text, out)
	}
}
