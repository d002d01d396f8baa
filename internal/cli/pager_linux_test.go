package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/usher-auth/usher/internal/core"
)

// many creates a data folder with sixty origins, whose events are in the audit log.
func many(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	c, err := core.Open(t.Context(), core.Config{Dir: data, KeyFile: filepath.Join(data, "usher.key")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 60 {
		if _, err := c.Origins.Allow(t.Context(), commandLine(), fmt.Sprintf("https://app-%02d.with-a-long-name.example.org", i)); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// startAtSize runs usher at a terminal of the given size.
func startAtSize(t *testing.T, rows, columns uint16, data string, env []string, args ...string) *terminal {
	t.Helper()
	us, its := openTerminal(t)
	size := [4]uint16{rows, columns}
	ioctl(t, its, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	cmd := usherCommand(t, data, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = its, its, its
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	for _, pair := range cmd.Env { // without the pager of the user who runs the test
		if !strings.HasPrefix(pair, "PAGER=") && !strings.HasPrefix(pair, "LESS") {
			env = append(env, pair)
		}
	}
	cmd.Env = append(env, "TERM=xterm")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, us: us, its: its, cmd: cmd, gone: make(chan error, 1)}
	go func() { x.gone <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	go x.read()
	return x
}

// A listing that is longer than the terminal is piped to the pager. Other listings are not.
func TestPager(t *testing.T) {
	data := many(t)
	file := filepath.Join(t.TempDir(), "paged")
	pager := "PAGER=cat > '" + file + "'; echo the pager has ended"
	for _, c := range []struct {
		name  string
		rows  uint16
		env   string
		args  []string
		paged bool
	}{
		{"long", 24, pager, []string{"origin", "list"}, true},
		{"long, in JSON", 24, pager, []string{"origin", "list", "--json"}, true},
		{"the audit log", 24, pager, []string{"audit", "list"}, true},
		{"one line too long", 60, pager, []string{"origin", "list"}, true},
		{"it fits", 62, pager, []string{"origin", "list"}, false},
		{"it fits by its limit", 24, pager, []string{"origin", "list", "--limit", "9"}, false},
		{"without a pager", 24, pager, []string{"origin", "list", "--no-pager"}, false},
		{"with an empty one", 24, "PAGER=", []string{"origin", "list"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_ = os.Remove(file) // of the previous test
			x := startAtSize(t, c.rows, 120, data, []string{c.env}, c.args...)
			if code := x.end(); code != 0 {
				t.Errorf("got exit code %d: %q", code, x.screen())
			}
			last := choose(c.paged, "the pager has ended", "https://app-0")
			x.await(last, func() bool { return strings.Contains(x.screen(), last) })
			text, _ := os.ReadFile(file)
			if got := strings.Contains(string(text), "app-59"); got != c.paged {
				t.Errorf("the pager got the listing: %v, want %v", got, c.paged)
			}
			if got := strings.Contains(x.screen(), "app-0"); got == c.paged {
				t.Errorf("the terminal got the listing: %v", got)
			}
		})
	}
}

// Quitting the pager early stops the command without an error.
func TestPagerQuitsEarly(t *testing.T) {
	x := startAtSize(t, 10, 120, many(t), []string{"PAGER=head -n 1"}, "audit", "list")
	code := x.end()
	x.await("the first line", func() bool { return strings.Contains(x.screen(), "TIME") })
	if code != 0 || strings.Contains(x.screen(), "error") {
		t.Errorf("got exit code %d: %q", code, x.screen())
	}
}

// Without $PAGER, less shows one screen and waits.
func TestLess(t *testing.T) {
	if _, err := os.Stat("/usr/bin/less"); err != nil {
		t.Log("less is not installed: the listing is printed without a pager")
		return
	}
	x := startAtSize(t, 10, 120, many(t), nil, "origin", "list")
	x.await("the first screen", func() bool { return strings.Contains(x.screen(), "app-07") })
	time.Sleep(100 * time.Millisecond)
	if strings.Contains(x.screen(), "app-20") {
		t.Errorf("more than one screen is shown: %q", x.screen())
	}
	x.typeIn("q")
	if code := x.end(); code != 0 {
		t.Errorf("got exit code %d: %q", code, x.screen())
	}
}

// If a pager cannot be started, the error names it.
func TestMissingPager(t *testing.T) {
	x := startAtSize(t, 10, 120, many(t), []string{"PAGER=/no/such/pager"}, "origin", "list")
	if code := x.end(); code != exitFailed {
		t.Errorf("got exit code %d, want %d", code, exitFailed)
	}
	x.await("the error", func() bool {
		return strings.Contains(x.screen(), "error: cannot start the pager /no/such/pager") &&
			strings.Contains(x.screen(), "hint: set PAGER, or use --no-pager")
	})
}

// Every line fits the terminal, and the times of the audit log are complete.
func TestColumnsFit(t *testing.T) {
	data := many(t)
	for _, args := range [][]string{{"origin", "list"}, {"audit", "list"}, {"audit", "list", "--limit", "3"}} {
		for _, columns := range []uint16{80, 100, 200} {
			x := startAtSize(t, 100, columns, data, nil, append(args, "--no-pager")...)
			if code := x.end(); code != 0 {
				t.Fatalf("got exit code %d: %q", code, x.screen())
			}
			x.await("the listing", func() bool { return strings.Contains(x.screen(), "20") })
			for line := range strings.Lines(x.screen()) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\r\n")); n > int(columns) {
					t.Errorf("usher %s: a line of %d characters in %d columns: %s", strings.Join(args, " "), n, columns, line)
				}
			}
			if args[0] == "audit" && !strings.Contains(x.screen(), time.Now().Local().Format(time.DateOnly)+" ") {
				t.Errorf("the times are cut: %q", x.screen())
			}
		}
	}
}
