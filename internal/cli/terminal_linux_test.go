package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
	usher "github.com/usher-auth/usher/test/http/binary"
)

// The scripts type all their input at the start. Tests that depend on when something is
// typed are in this file, with a terminal of their own.

// terminal is a pseudo-terminal that usher runs at.
type terminal struct {
	t    *testing.T
	us   *os.File // the test types and reads here
	its  *os.File // usher reads and writes here
	cmd  *exec.Cmd
	gone chan error

	mu    sync.Mutex
	shown bytes.Buffer
}

// usherCommand is a command of usher on a data folder, which runs for at most a minute.
func usherCommand(t *testing.T, data string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("usher") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, append(args, "--data", data)...)
	cmd.Env = usher.Env("USHER_NO_KEYRING=1", "XDG_CONFIG_HOME="+filepath.Join(data, "config"))
	return cmd
}

// startAtTerminal runs usher with a new terminal as its controlling terminal.
func startAtTerminal(t *testing.T, data string, args ...string) *terminal {
	t.Helper()
	us, its := openTerminal(t)
	cmd := usherCommand(t, data, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = its, its, its
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, us: us, its: its, cmd: cmd, gone: make(chan error, 1)}
	go func() { x.gone <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	go x.read()
	return x
}

// openTerminal opens both ends of a new pseudo-terminal.
func openTerminal(t *testing.T) (us, its *os.File) {
	t.Helper()
	us, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { us.Close() })
	var number, unlocked uint32
	ioctl(t, us, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	ioctl(t, us, syscall.TIOCGPTN, unsafe.Pointer(&number))
	its, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { its.Close() })
	return us, its
}

func ioctl(t *testing.T, f *os.File, request uintptr, value unsafe.Pointer) {
	t.Helper()
	if _, _, err := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(value)); err != 0 {
		t.Fatalf("ioctl %#x: %v", request, err)
	}
}

// read collects the output until the terminal is closed.
func (x *terminal) read() {
	buf := make([]byte, 1024)
	for {
		n, err := x.us.Read(buf)
		x.mu.Lock()
		x.shown.Write(buf[:n])
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (x *terminal) screen() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.shown.String()
}

// echoes reports whether the terminal echoes input.
func (x *terminal) echoes() bool {
	var state syscall.Termios
	ioctl(x.t, x.its, syscall.TCGETS, unsafe.Pointer(&state))
	return state.Lflag&syscall.ECHO != 0
}

// await waits until a condition holds.
func (x *terminal) await(what string, is func() bool) {
	x.t.Helper()
	for until := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			x.t.Fatalf("%s: not within %v; the terminal shows %q", what, patience, x.screen())
		}
	}
}

// askedUnseen waits for a prompt after which input is not echoed.
func (x *terminal) askedUnseen(prompt string) {
	x.t.Helper()
	x.await("asked "+prompt, func() bool { return strings.HasSuffix(x.screen(), prompt) && !x.echoes() })
}

// asked waits for a prompt after which input is echoed.
func (x *terminal) asked(prompt string) {
	x.t.Helper()
	x.await("asked "+prompt, func() bool { return strings.HasSuffix(x.screen(), prompt) && x.echoes() })
}

func (x *terminal) typeIn(text string) {
	x.t.Helper()
	if _, err := x.us.WriteString(text); err != nil {
		x.t.Fatal(err)
	}
}

// end waits until usher exits and returns its exit code.
func (x *terminal) end() int {
	x.t.Helper()
	select {
	case <-x.gone:
		return x.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		x.t.Fatalf("usher has not exited after %v; the terminal shows %q", patience, x.screen())
		return -1
	}
}

// Attack: an observer watches the screen while a user types a password.
func TestPasswordsAreNotEchoed(t *testing.T) {
	x := startAtTerminal(t, t.TempDir(), "account", "add", "mia")
	x.askedUnseen("Password: ")
	x.typeIn("typed unseen\n")
	x.askedUnseen("Repeat the password: ")
	x.typeIn("typed unseen\n")
	if code := x.end(); code != 0 {
		t.Errorf("got exit code %d", code)
	}
	x.await("done", func() bool { return strings.Contains(x.screen(), "created account mia (1)") })
	if strings.Contains(x.screen(), "unseen") {
		t.Errorf("the password is on the screen: %q", x.screen())
	}
	if !x.echoes() {
		t.Error("the terminal no longer echoes input")
	}
}

// A user cancels a prompt with Control-C. The program must exit, and the terminal must
// echo input again.
func TestInterruptAtAPrompt(t *testing.T) {
	data := t.TempDir()
	add := usherCommand(t, data, "account", "add", "olga", "--password-stdin")
	add.Stdin = strings.NewReader("olga has a password\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const controlC = "\x03"
	for _, prompt := range []struct {
		name  string
		args  []string
		reach func(*terminal)
	}{
		{"password", []string{"account", "add", "mia"}, func(x *terminal) { x.askedUnseen("Password: ") }},
		{"once more", []string{"account", "add", "mia"}, func(x *terminal) {
			x.askedUnseen("Password: ")
			x.typeIn("typed unseen\n")
			x.askedUnseen("Repeat the password: ")
		}},
		{"code", []string{"account", "totp", "olga", "--here"}, func(x *terminal) {
			x.await("asked", func() bool { return strings.HasSuffix(x.screen(), "Code from the app: ") })
		}},
	} {
		t.Run(prompt.name, func(t *testing.T) {
			t.Parallel()
			x := startAtTerminal(t, data, prompt.args...)
			prompt.reach(x)
			x.typeIn(controlC)
			if code := x.end(); code != 130 {
				t.Errorf("got exit code %d, want 130, like any program that Control-C stops", code)
			}
			if !x.echoes() {
				t.Error("the terminal no longer echoes input")
			}
		})
	}
}

// A sign-in at a terminal prompts for the login, the password and, until it is correct, the
// code.
func TestSignInAtATerminal(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	data := t.TempDir()
	x := startAtTerminal(t, data, "signin", "--account-url", srv.AccountURL)
	x.asked("Username or e-mail: ")
	x.typeIn("twofactor@example.org\n")
	x.askedUnseen("Password: ")
	x.typeIn(string(srv.TwoFactor.Password) + "\n")
	x.asked("Verification code: ")
	x.typeIn("12345\n")
	x.asked("That code is wrong or already used.\r\nVerification code: ")
	x.typeIn(string(srv.TwoFactor.VerificationCode()) + "\n")
	if code := x.end(); code != 0 {
		t.Errorf("got exit code %d", code)
	}
	x.await("done", func() bool { return strings.Contains(x.screen(), "Signed in as   twofactor") })
	if strings.Contains(x.screen(), string(srv.TwoFactor.Password)) {
		t.Errorf("the password is on the screen: %q", x.screen())
	}
	if !x.echoes() {
		t.Error("the terminal no longer echoes input")
	}
	token, err := os.ReadFile(filepath.Join(data, "config", "usher", "profiles", "default", "token"))
	if err != nil {
		t.Fatal(err)
	}
	c := srv.AnonymousClient()
	c.Token = plexauth.StaticToken(strings.TrimSpace(string(token)))
	if account, err := c.TokenDetails(t.Context()); err != nil || account.Username != "twofactor" {
		t.Errorf("the stored token belongs to %+v: %v", account, err)
	}
	if strings.Contains(x.screen(), strings.TrimSpace(string(token))) {
		t.Errorf("the token is on the screen: %q", x.screen())
	}
}

// At a terminal, the code is shown in large letters, and as a QR code of the address of its
// page. There are no prompts.
func TestSignInByPINAtATerminal(t *testing.T) {
	srv := plexauthtest.New(t, plexauthtest.Config{})
	data := t.TempDir()
	x := startAtTerminal(t, data, "signin", "--pin", "--account-url", srv.AccountURL)
	x.await("shown", func() bool { return strings.HasSuffix(x.screen(), "Press Ctrl-C to cancel.\r\n") })
	shown := strings.ReplaceAll(x.screen(), "\r\n", "\n")
	m := regexp.MustCompile(`^Open (\S+) on any device, sign in, and enter ([A-Z0-9]{4}):\n`).FindStringSubmatch(shown)
	if len(m) != 3 || m[1] != srv.AccountURL+"/link" {
		t.Fatalf("the terminal shows %q", shown)
	}
	symbol, err := terminalQR(srv.AccountURL+"/link?pin="+m[2], true)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{bigLetters(m[2]), symbol, "It is valid for 15 minutes, until "} {
		if want == "" || !strings.Contains(shown, want) {
			t.Errorf("the terminal shows %q, and not %q", shown, want)
		}
	}
	srv.Member.LinkPIN(m[2])
	if code := x.end(); code != 0 {
		t.Errorf("got exit code %d", code)
	}
	x.await("done", func() bool { return strings.Contains(x.screen(), "Signed in as   member") })
}

// Control-C cancels a sign-in at any prompt, and while the server does not respond. The
// terminal is restored, and nothing is stored.
func TestInterruptASignIn(t *testing.T) {
	const controlC = "\x03"
	for _, prompt := range []struct {
		name  string
		args  []string
		reach func(*terminal, *plexauthtest.Server)
	}{
		{"login", nil, func(x *terminal, _ *plexauthtest.Server) { x.asked("Username or e-mail: ") }},
		{"password", []string{"twofactor"}, func(x *terminal, _ *plexauthtest.Server) {
			x.askedUnseen("Password: ")
			x.typeIn("half of i")
		}},
		{"code", []string{"twofactor"}, func(x *terminal, srv *plexauthtest.Server) {
			x.askedUnseen("Password: ")
			x.typeIn(string(srv.TwoFactor.Password) + "\n")
			x.asked("Verification code: ")
		}},
		{"no answer", []string{"member"}, func(x *terminal, srv *plexauthtest.Server) {
			srv.InjectFault(plexauthtest.Fault{Delay: 20 * time.Second})
			x.askedUnseen("Password: ")
			x.typeIn(string(srv.Member.Password) + "\n")
			x.await("read", x.echoes)
		}},
		{"PIN", []string{"--pin"}, func(x *terminal, _ *plexauthtest.Server) {
			x.await("shown", func() bool { return strings.HasSuffix(x.screen(), "Press Ctrl-C to cancel.\r\n") })
		}},
	} {
		t.Run(prompt.name, func(t *testing.T) {
			t.Parallel()
			srv := plexauthtest.New(t, plexauthtest.Config{})
			data := t.TempDir()
			x := startAtTerminal(t, data, append([]string{"signin", "--account-url", srv.AccountURL}, prompt.args...)...)
			prompt.reach(x, srv)
			x.typeIn(controlC)
			if code := x.end(); code != 130 {
				t.Errorf("got exit code %d, want 130, like any program that Control-C stops", code)
			}
			if !x.echoes() {
				t.Error("the terminal no longer echoes input")
			}
			x.await("said", func() bool { return strings.Contains(x.screen(), "error: ") })
			if !strings.HasSuffix(x.screen(), "\r\nerror: interrupted\r\n") {
				t.Errorf("the terminal shows %q", x.screen())
			}
			if strings.Contains(x.screen(), "half of i") {
				t.Errorf("the password is on the screen: %q", x.screen())
			}
			if _, err := os.Stat(filepath.Join(data, "config", "usher", "profiles", "default", "token")); err == nil {
				t.Error("a token was stored")
			}
		})
	}
}

// A listing fits the width of the terminal.
func TestListingFitsTheTerminal(t *testing.T) {
	data := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := usherCommand(t, data, args...)
		cmd.Stdin = strings.NewReader("olga has a password\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	run("account", "add", "olga", "--password-stdin")
	run("server", "add", strings.Repeat("Den ", 20), "--id", "den-1", "--connection", "http://"+strings.Repeat("h", 60)+".example.org")
	us, its := openTerminal(t)
	size := struct{ rows, columns, x, y uint16 }{24, 60, 0, 0}
	ioctl(t, its, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	cmd := usherCommand(t, data, "server", "list")
	cmd.Stdout = its
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	shown := make([]byte, 4096)
	n, err := us.Read(shown)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(shown[:n]), "\r\n"), "\r\n")
	if len(lines) != 2 {
		t.Fatalf("the terminal shows %q, want two lines", shown[:n])
	}
	for _, line := range lines {
		if runes := len([]rune(strings.TrimRight(line, " "))); runes > 60 {
			t.Errorf("a line of %d characters on a terminal of 60: %q", runes, line)
		}
	}
	if !strings.HasPrefix(lines[1], "den-1 ") || !strings.Contains(lines[1], "…") {
		t.Errorf("the terminal shows %q", lines[1])
	}
}
