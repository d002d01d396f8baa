package exec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/usher-auth/usher/test/http/binary"
)

// usher is the built binary, and self the program that it runs.
var usher, self string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && programs[os.Args[1]] != nil {
		if err := programs[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// A program inherits which signals are ignored, and the tests may run under nohup or in
	// the background of a shell. A signal that is caught here is not ignored in a program.
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if ossignal.Ignored(sig) {
			ossignal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	os.Exit(build(m))
}

// build builds usher for the tests, in a folder that other users may read.
func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "exec-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		panic(err)
	}
	if usher, err = binary.Build(dir); err != nil {
		panic(err)
	}
	// "go test" keeps its binary in a folder that only its user may read.
	own, err := os.Executable()
	if err != nil {
		panic(err)
	}
	text, err := os.ReadFile(own)
	if err != nil {
		panic(err)
	}
	self = filepath.Join(dir, "program")
	if err := os.WriteFile(self, text, 0o755); err != nil {
		panic(err)
	}
	return m.Run()
}

// command runs a program with this one's streams.
func command(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// result is the result of a command.
type result struct {
	out, err string
	code     int // -1: a signal killed it
}

// run runs "usher exec" with arguments.
func run(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, start(t, args...))
}

// started is a running "usher exec".
type started struct {
	*exec.Cmd
	out, err bytes.Buffer
}

// newCommand returns "usher exec" with arguments. In its environment, the test's folder is
// the one for temporary files.
func newCommand(t *testing.T, args ...string) *started {
	t.Helper()
	s := &started{Cmd: exec.CommandContext(t.Context(), usher, append([]string{"exec"}, args...)...)}
	s.Stdout, s.Stderr = &s.out, &s.err
	s.Env = binary.Env("TMPDIR="+t.TempDir(), "TEST_VALUE=as it was")
	return s
}

func start(t *testing.T, args ...string) *started {
	t.Helper()
	s := newCommand(t, args...)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func finish(t *testing.T, s *started) result {
	t.Helper()
	var status *exec.ExitError
	if err := s.Wait(); err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	return result{s.out.String(), s.err.String(), s.ProcessState.ExitCode()}
}

// check compares parts of the output.
func (r result) check(t *testing.T, code int, out, err []string) {
	t.Helper()
	if r.code != code {
		t.Errorf("the exit code is %d, want %d", r.code, code)
	}
	for _, want := range out {
		if !strings.Contains(r.out, want) {
			t.Errorf("standard output has no %q", want)
		}
	}
	for _, want := range err {
		if !strings.Contains(r.err, want) {
			t.Errorf("standard error has no %q", want)
		}
	}
	if t.Failed() {
		t.Logf("standard output:\n%s\nstandard error:\n%s", r.out, r.err)
	}
}

// allowed reports whether this machine allows namespaces. Containers often do not, and then
// the tests that need them do nothing. "make test" sets NAMESPACES=required.
func allowed(t *testing.T) bool {
	t.Helper()
	r := run(t, "--doctor")
	if strings.Contains(r.out, "mode: namespace\n") {
		return true
	}
	if os.Getenv("NAMESPACES") == "required" {
		t.Fatalf("this machine refuses namespaces:\n%s%s", r.out, r.err)
	}
	t.Logf("not tested in a namespace, which this machine refuses:\n%s", r.out)
	return false
}

// modes runs a test with each way to lead a program to usher.
func modes(t *testing.T, test func(t *testing.T, mode string)) {
	t.Helper()
	inTurn(t, func(t *testing.T, mode string) {
		t.Parallel()
		test(t, mode)
	})
}

// inTurn is like modes, for programs that need port 32400 at localhost in mode env: they
// run one at a time.
func inTurn(t *testing.T, test func(t *testing.T, mode string)) {
	t.Helper()
	list := []string{"env"}
	if allowed(t) {
		list = []string{"namespace", "env"}
	}
	for _, mode := range list {
		t.Run(mode, func(t *testing.T) { test(t, mode) })
	}
}

const directHost = "192-0-2-1.0123456789abcdef0123456789abcdef.plex.direct"

// Every host of Plex leads to usher, over HTTPS at both ports, with the newest protocol
// version that the program supports.
func TestHostsLeadToUsher(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		r := run(t, "--mode", mode, "--", self, "get",
			"https://plex.tv/api/v2/ping", "https://clients.plex.tv/api/v2/ping", "https://plex.tv:32400/identity",
			"https://"+directHost+":32400/identity")
		r.check(t, 0, nil, []string{"plex.tv: 1 request (1 × 200)", "clients.plex.tv: 1 request"})
		if n := strings.Count(r.out, "200 HTTP/2.0"); n != 4 {
			t.Errorf("%d answers of 4 use HTTP/2:\n%s%s", n, r.out, r.err)
		}
	})
}

// A media server answers at localhost, without TLS.
func TestMediaServerAtLocalhost(t *testing.T) {
	if !allowed(t) {
		return
	}
	run(t, "--mode", "namespace", "--", self, "get", "http://localhost:32400/identity", "http://127.0.0.1:32400/identity").
		check(t, 0, []string{"200 HTTP/1.1", `"machineIdentifier":"75736865`}, nil)
}

// The accounts exist, and the environment has their tokens.
func TestPeople(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		for _, name := range []string{"admin", "member", "twofactor"} {
			script := fmt.Sprintf(`TOKEN=$USHER_ACCOUNT_%s_TOKEN exec "$0" get https://plex.tv/api/v2/user`, strings.ToUpper(name))
			run(t, "--mode", mode, "--", "sh", "-c", script, self).check(t, 0, []string{"200 ", `"username":"` + name + `"`}, nil)
		}
		run(t, "--mode", mode, "--", "sh", "-c", `TOKEN=$USHER_ACCOUNT_DISABLED_TOKEN exec "$0" get https://plex.tv/api/v2/user`, self).
			check(t, 0, []string{"401 "}, nil)
	})
}

// --env prints the variables of a program in the syntax of a shell.
func TestVariables(t *testing.T) {
	printed := run(t, "--env")
	printed.check(t, 0, []string{`USHER_ACCOUNT_ADMIN_PASSWORD='admin'\''s password'`, "USHER_SERVER_DEN_ID='den'"}, nil)
	inside := run(t, "--quiet", "--", "sh", "-c", `env | grep ^USHER_ | grep -v ^USHER_CONTROL | sort`) // those belong to one run
	outside, err := exec.CommandContext(t.Context(), "sh", "-c", "set -a; "+printed.out+"\nenv | grep ^USHER_ | sort").Output()
	if err != nil {
		t.Fatal(err)
	}
	if inside.out != string(outside) {
		t.Errorf("the program gets\n%s\nand --env prints\n%s", inside.out, outside)
	}
}

// The variables of an inner run replace those of an outer one, whatever their names
// contain.
func TestVariablesInside(t *testing.T) {
	scene := func(address string) string {
		file := filepath.Join(t.TempDir(), "scene.yaml")
		text := "accounts: [{username: Ζωή, email: " + address + ", password: zoe has one}]"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	modes(t, func(t *testing.T, mode string) {
		r := run(t, "--quiet", "--mode", mode, "--scene", scene("outer@example.org"), "--",
			usher, "exec", "--quiet", "--mode", mode, "--scene", scene("inner@example.org"), "--", "env")
		r.check(t, 0, []string{"\nUSHER_ACCOUNT__EMAIL=inner@example.org\n"}, nil)
		if strings.Contains(r.out, "outer@") || strings.Count(r.out, "\nUSHER_CONTROL=") != 1 {
			t.Errorf("the program's environment is\n%s", r.out)
		}
	})
}

// An usher that the program runs is not confused by the variables, and is led to the outer
// usher. The flags of usher exec do not apply to it.
func TestUsherInside(t *testing.T) {
	s := newCommand(t, "--", "sh", "-c", `echo "allow=$USHER_ALLOW" && "$0" server list --data "$TMPDIR/none"; "$0" exec -q -- "$1" get https://plex.tv/api/v2/ping`, usher, self)
	s.Env = append(s.Env, "USHER_ALLOW=example.com", "USHER_QUIET=true")
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	finish(t, s).check(t, 0, []string{"allow=\n", "200 HTTP/2.0"}, []string{"error: there is no usher database"})
}

// Attack: a program sends its data to a host of its choice. Nothing gets out, whether it is
// sent to a name or an address, over TCP or UDP. The outer usher and the trap take the
// place of the outside world. They do receive the data of the same program without the
// inner usher.
func TestNothingGetsOut(t *testing.T) {
	if !allowed(t) {
		return
	}
	attempts := []string{
		`"$0" dial tcp 203.0.113.9:8443`,       // a hard-coded address
		`"$0" dial tcp "[2001:db8::9]:8443"`,   // by IPv6
		`"$0" send 203.0.113.9:5353`,           // UDP
		`"$0" lookup 8.8.8.8:53 leak.example`,  // DNS over UDP
		`"$0" get http://203.0.113.9/`,         // HTTP
		`"$0" get https://203.0.113.9/`,        // HTTPS
		`"$0" get https://leak.example/secret`, // by name
		`"$0" dial tcp 127.0.0.1:8443`,         // the host's own loopback
		`"$0" dial tcp 169.254.169.254:8443`,   // a cloud's metadata
	}
	script := strings.Join(attempts, "; ") + "; true"
	heard := run(t, "--mode", "namespace", "--", self, "trap", "sh", "-c", script, self)
	for _, want := range []string{"heard a connection", "heard a datagram"} {
		if !strings.Contains(heard.out, want) {
			t.Fatalf("the trap does not work: no %q\n%s%s", want, heard.out, heard.err)
		}
	}
	if !strings.Contains(heard.err, "refused leak.example") {
		t.Fatalf("the outer usher does not hear of DNS:\n%s", heard.err)
	}
	inside := run(t, "--mode", "namespace", "--", self, "trap", usher, "exec", "--mode", "namespace", "--", "sh", "-c", script, self)
	if strings.Contains(inside.out, "heard") {
		t.Errorf("something got out:\n%s", inside.out)
	}
	if n := strings.Count(inside.err, "usher exec: refused leak.example"); n != 1 {
		t.Errorf("%d ushers heard of leak.example, want only the inner one:\n%s", n, inside.err)
	}
	inside.check(t, 0, nil, []string{
		"refused 203.0.113.9:80", "refused 203.0.113.9:443", "refused 203.0.113.9:8443", "refused [2001:db8::9]:8443",
		"refused 203.0.113.9:5353", "refused 169.254.169.254:8443",
	})
	if strings.Contains(inside.err, "refused 127.0.0.1") {
		t.Errorf("the program's own loopback is reported:\n%s", inside.err)
	}
}

// The program's error names a blocked host, and so does usher's report.
func TestRefusalsAreReadable(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		run(t, "--mode", mode, "--", self, "get", "https://other.example/").
			check(t, 1, nil, []string{"other.example", "usher exec: refused other.example"})
		run(t, "--mode", mode, "--", self, "get", "http://203.0.113.9/").
			check(t, 0, []string{"403 HTTP/1.1 usher exec: 203.0.113.9 is refused; --allow 203.0.113.9 opens it"},
				[]string{"usher exec: refused 203.0.113.9:80"})
	})
}

// The summary counts answers by host and status, and names the paths that usher does not
// know.
func TestSummary(t *testing.T) {
	args := []string{"--", self, "get", "https://plex.tv/api/v2/user", "https://plex.tv/api/v2/ping", "https://plex.tv/api/v2/none?token=x"}
	r := run(t, args...)
	r.check(t, 0, nil, []string{
		"usher exec: plex.tv: 3 requests (1 × 200, 1 × 400, 1 × 404)\n", "usher exec: usher does not know GET plex.tv/api/v2/none\n",
	})
	run(t, append([]string{"--quiet"}, args...)...).check(t, 0, nil, nil)
	if r := run(t, append([]string{"--quiet"}, args...)...); r.err != "" {
		t.Errorf("--quiet prints %q", r.err)
	}
}

// --record writes an archive without secrets.
func TestRecord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.har")
	run(t, "--record", file, "--", "sh", "-c", `TOKEN=$USHER_ACCOUNT_MEMBER_TOKEN exec "$0" get https://plex.tv/api/v2/user`, self).
		check(t, 0, []string{"usherTokenOfMember01"}, nil)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var archive struct {
		Log struct {
			Entries []struct{ Request struct{ URL string } }
		}
	}
	if err := json.Unmarshal(text, &archive); err != nil {
		t.Fatal(err)
	}
	if len(archive.Log.Entries) != 1 || archive.Log.Entries[0].Request.URL != "https://plex.tv/api/v2/user" ||
		strings.Contains(string(text), "usherTokenOf") {
		t.Errorf("the archive is\n%s", text)
	}
	run(t, "--record", "/nowhere/run.har", "--", "echo", "ran").check(t, 125, nil, []string{"error: creating the file of --record"})
}

// --scene replaces the accounts and servers, and --time sets the clock.
func TestScene(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scene.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("accounts: [{username: mia, password: mia has one, token: aTokenThatIsChosen01}]\nservers: [{name: Big Attic, id: attic}]\n")
	args := []string{"--scene", file, "--time", "2030-01-02T03:04:05Z", "--frozen", "--", "sh", "-c"}
	run(t, append(args, `echo "$USHER_SERVER_BIG_ATTIC_ID $USHER_ACCOUNT_ADMIN_TOKEN" && TOKEN=$USHER_ACCOUNT_MIA_TOKEN exec "$0" get https://plex.tv/api/v2/user`, self)...).
		check(t, 0, []string{"attic \n", `"username":"mia"`, `"joinedAt":1893553445`}, nil)
	write(`accounts:
  - {username: mia, password: mia has one, token: aTokenThatIsChosen01}
  - {username: noa, password: noa has one}
  - {username: Kid, managed: true, home: mia, pin: 5678}
servers: [{name: Attic, id: attic, owner: mia, sections: [Films, Songs], connections: [{uri: "https://192.0.2.9:32400"}]}]
shares: [{server: attic, with: noa, sections: [Songs]}]
invitations: [{from: mia, to: zoe@example.org, server: attic}]
devices: [{account: noa, id: tv-1, token: aTokenThatIsChosen02}]
`)
	run(t, append(args, `echo "PIN $USHER_ACCOUNT_KID_PIN" && TOKEN=$USHER_ACCOUNT_MIA_TOKEN "$0" get https://plex.tv/api/v2/home/users \
		https://plex.tv/api/v2/friends https://plex.tv/api/v2/shared_servers/owned/pending https://plex.tv/api/v2/servers/attic &&
		TOKEN=$USHER_DEVICE_TV_1_TOKEN exec "$0" get https://plex.tv/api/v2/user`, self)...).
		check(t, 0, []string{
			"PIN 5678\n", `"title":"Kid"`, `"username":"noa"`, `"libraries":[{"id":2,"key":2,"title":"Songs","type":"movie"}]`,
			`"invitedEmail":"zoe@example.org"`, `"librarySections":[{"id":1,"key":1,"title":"Films","type":"movie"}`, `"username":"noa","title":"noa"`,
		}, nil)
	write("accounts: [{username: mia, pasword: mia has one}]")
	run(t, "--scene", file, "--", "true").check(t, 125, nil, []string{`line 1: accounts has no key "pasword"; did you mean "password"?`})
	write("accounts: [{username: mia, password: mia has one, token: short}]")
	run(t, "--scene", file, "--", "true").check(t, 125, nil, []string{"scene.yaml: adding the account mia: a token is 20 letters and digits"})
	run(t, "--time", "tomorrow", "--", "true").check(t, 2, nil, []string{"error: --time tomorrow is not a time from 1970 to 2105"})
}

// --allow opens a port of a host, by name or address, and no other.
func TestAllow(t *testing.T) {
	if !allowed(t) {
		return
	}
	outside := []string{"--mode", "namespace", "--allow-all", "--quiet", "--", self, "serve", usher, "exec", "--mode", "namespace"}
	for _, host := range []string{"files.example", "203.0.113.9"} {
		u := "http://" + host + ":8443/"
		run(t, append(outside, "--allow", host+":8443", "--", self, "get", u)...).check(t, 0, []string{"200 HTTP/1.1 outside"}, nil)
		run(t, append(outside, "--allow", host, "--", self, "get", u)...).check(t, 1, nil, []string{"refused"})
		run(t, append(outside, "--allow", "else.example:8443", "--", self, "get", u)...).check(t, 1, nil, []string{host})
	}
	run(t, append(outside, "--allow-all", "--allow", "x:8443", "--", self, "get", "http://any.example:8443/")...).
		check(t, 0, []string{"200 HTTP/1.1 outside"}, nil)
}

// --forward opens a port at this machine's localhost.
func TestForward(t *testing.T) {
	if !allowed(t) {
		return
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from outside") }))
	defer srv.Close()
	port := strconv.Itoa(srv.Listener.Addr().(*net.TCPAddr).Port)
	u := "http://localhost:" + port + "/"
	run(t, "--mode", "namespace", "--forward", port, "--", self, "get", u).check(t, 0, []string{"200 HTTP/1.1 from outside"}, nil)
	run(t, "--mode", "namespace", "--", self, "get", u).check(t, 1, nil, []string{"connection refused"})
}

// usher exec passes through the program's streams and its exit code.
func TestStreamsAndExitCodes(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := newCommand(t, "--quiet", "--mode", mode, "--", "sh", "-c", `cat; echo "$TEST_VALUE $#" >&2; exit 42`, "sh", "-x", "--", "--env")
		s.Stdin = strings.NewReader("typed in")
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		finish(t, s).check(t, 42, []string{"typed in"}, []string{"as it was 3\n"})
		run(t, "--mode", mode, "--", "there-is-no-such-program").check(t, 127, nil, []string{"error: running there-is-no-such-program: not found"})
		run(t, "--mode", mode, "--", "/etc/passwd").check(t, 126, nil, []string{"error: running /etc/passwd: permission denied"})
	})
	run(t, "--").check(t, 2, nil, []string{"error: usher exec needs a program to run"})
	run(t, "--allow", "plex.tv", "--", "true").check(t, 2, nil, []string{"usher answers for this host"})
	for _, host := range []string{"a b", "", "https://example.com", "*.example.com", "user@example.com", "example.com:0", "example.com:x"} {
		run(t, "--allow", host, "--", "true").check(t, 2, nil, []string{"error: --allow "})
	}
	for _, host := range []string{"localhost", "127.0.0.1:5432", "[::1]:5432", "db.localhost"} {
		run(t, "--allow", host, "--", "true").check(t, 2, nil, []string{"error: --allow " + host + ": this machine's localhost", "--forward PORT"})
	}
	run(t, "--env", "--record", "run.har").check(t, 2, nil, []string{"nothing for --record"})
	run(t, "--doctor", "--assert", "no-unknown-host").check(t, 2, nil, []string{"nothing for --record and --assert"})
	run(t, "--forward", "32400", "--", "true").check(t, 2, nil, []string{"usher listens at this port"})
	run(t, "--mode", "magic", "--", "true").check(t, 2, nil, []string{"--mode magic is not"})
	run(t, "--env", "--", "true").check(t, 2, nil, []string{"run no program"})
}

// usher exec passes on arguments and environment variables unchanged: they may be arbitrary
// bytes, and long. The same is true for the program's name.
func TestArguments(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "\xff\n \"'")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "sh\xfe")
	if err := os.Symlink("/bin/sh", link); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 100_000)
	arguments := []string{"a\xffb", "", "one\ntwo", "go", "é", long, long, long, long, long}
	modes(t, func(t *testing.T, mode string) {
		s := newCommand(t, append([]string{"--quiet", "--mode", mode, "--", link, "-c", `printf '<%s>' "$@" "$RAW"`, "sh"}, arguments...)...)
		s.Env = append(s.Env, "RAW=c\xfed")
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		r := finish(t, s)
		r.check(t, 0, nil, nil)
		if want := "<" + strings.Join(append(arguments, "c\xfed"), "><") + ">"; r.out != want {
			t.Errorf("the program received %.200q…, want %.200q…", r.out, want)
		}
	})
}

// A signal to usher reaches the program, and usher exits like the program does.
func TestSignals(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1} {
			s := ready(t, "--mode", mode, "--", "sh", "-c", "echo ready; exec sleep 1000")
			signal(t, s, sig)
			if r := finish(t, s); r.code != -1 || s.ProcessState.Sys().(syscall.WaitStatus).Signal() != sig {
				t.Errorf("%v: usher exited with %v\n%s", sig, s.ProcessState, r.err)
			}
			s = ready(t, "--mode", mode, "--", "sh", "-c", `trap "echo caught; exit 7" HUP INT TERM USR1; echo ready; while :; do sleep 0.01; done`)
			signal(t, s, sig)
			finish(t, s).check(t, 7, []string{"caught"}, nil)
		}
		for _, sig := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGWINCH} { // these stop neither
			s := ready(t, "--mode", mode, "--", "sh", "-c", `trap "echo caught; exit 7" TSTP WINCH; echo ready; while :; do sleep 0.01; done`)
			signal(t, s, sig)
			finish(t, s).check(t, 7, []string{"caught"}, nil)
		}
		s := start(t, "--mode", mode, "--", "sh", "-c", "kill -SEGV $$")
		finish(t, s)
		if s.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGSEGV {
			t.Errorf("usher exited with %v, and the program with SIGSEGV", s.ProcessState)
		}
	})
}

// ready starts usher exec, and returns after the program has printed a line.
func ready(t *testing.T, args ...string) *started {
	t.Helper()
	s := newCommand(t, args...)
	awaitLine(t, s)
	return s
}

// awaitLine starts a command, and waits until the program has printed a line.
func awaitLine(t *testing.T, s *started) {
	t.Helper()
	pipe := &tee{first: make(chan struct{}), s: s}
	s.Stdout = pipe
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-pipe.first:
	case <-time.After(30 * time.Second):
		t.Fatalf("the program has not started: %s", s.err.String())
	}
}

// tee stores the output, and signals the first line.
type tee struct {
	s     *started
	first chan struct{}
	seen  bool
}

func (p *tee) Write(b []byte) (int, error) {
	p.s.out.Write(b)
	if !p.seen && bytes.ContainsRune(p.s.out.Bytes(), '\n') {
		p.seen = true
		close(p.first)
	}
	return len(b), nil
}

func signal(t *testing.T, s *started, sig syscall.Signal) {
	t.Helper()
	if err := s.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// When the program is stopped, usher is stopped, so that a shell notices. When usher is
// continued, so is the program.
func TestStops(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := ready(t, "--mode", mode, "--", "sh", "-c", "echo $$; exec sleep 1000")
		pid, err := strconv.Atoi(strings.TrimSpace(s.out.String()))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		await(t, "usher stops", func() bool { return state(s.Process.Pid) == "T" })
		signal(t, s, syscall.SIGCONT)
		await(t, "the program goes on", func() bool { return state(pid) == "S" && state(s.Process.Pid) != "T" })
		signal(t, s, syscall.SIGTERM)
		finish(t, s)
	})
}

// A program may ignore the key that stops it, and usher is not stopped before the program.
func TestStopIsIgnored(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := newCommand(t, "--mode", mode, "--", "sh", "-c", `trap "" TSTP; echo ready; read line; echo "$line"`)
		s.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // like a shell starts a job
		input, err := s.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		awaitLine(t, s)
		if err := syscall.Kill(-s.Process.Pid, syscall.SIGTSTP); err != nil { // like the terminal sends it
			t.Fatal(err)
		}
		if _, err := io.WriteString(input, "went on\n"); err != nil {
			t.Fatal(err)
		}
		finish(t, s).check(t, 0, []string{"went on"}, nil)
	})
}

// state returns the kernel's state of a process, or "" if it does not exist.
func state(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest[:1]
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Errorf("in 20 seconds, %s: no", what)
}

// running reports whether a process runs. A zombie does not.
func running(pid int) bool { s := state(pid); return s != "" && s != "Z" && s != "X" }

// Nothing is left behind, neither processes nor files, whether the program exits or usher
// is killed.
func TestNothingIsLeft(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		for name, end := range map[string]func(t *testing.T, s *started){
			"the program ends": func(t *testing.T, s *started) { signal(t, s, syscall.SIGTERM) },
			"usher is killed":  func(t *testing.T, s *started) { signal(t, s, syscall.SIGKILL) },
			"it ends first":    func(t *testing.T, s *started) { endFirst(t, s) },
		} {
			t.Run(name, func(t *testing.T) {
				s := ready(t, "--mode", mode, "--", "sh", "-c", "setsid sleep 1000 > /dev/null 2>&1 & echo $$ $!; exec sleep 1000")
				pids := strings.Fields(s.out.String())
				end(t, s)
				finish(t, s)
				for _, text := range pids {
					pid, err := strconv.Atoi(text)
					if err != nil {
						t.Fatal(err)
					}
					await(t, "process "+text+" has ended", func() bool { return !running(pid) })
				}
				for _, v := range s.Env {
					dir, is := strings.CutPrefix(v, "TMPDIR=")
					if !is {
						continue
					}
					await(t, "the folder for temporary files is empty", func() bool {
						left, err := os.ReadDir(dir)
						return err == nil && len(left) == 0
					})
				}
			})
		}
	})
}

// The path of the temporary folder may be relative, or not exist.
func TestTemporaryFolder(t *testing.T) {
	for _, name := range []string{"a folder", "none"} {
		s := newCommand(t, "--quiet", "--mode", "env", "--", "sh", "-c", `cd / && exec "$0" get https://plex.tv/api/v2/ping`, self)
		s.Dir = t.TempDir()
		if err := os.Mkdir(filepath.Join(s.Dir, "a folder"), 0o700); err != nil {
			t.Fatal(err)
		}
		s.Env = append(s.Env, "TMPDIR="+name)
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		finish(t, s).check(t, 0, []string{"200 HTTP/2.0"}, nil)
		await(t, "the folder is empty", func() bool {
			left, err := os.ReadDir(filepath.Join(s.Dir, "a folder"))
			return err == nil && len(left) == 0
		})
	}
}

// A request of HTTP/1.0 has no host: it is for the host that the program connected to.
func TestNoHost(t *testing.T) {
	if !allowed(t) {
		return
	}
	run(t, "--mode", "namespace", "--", self, "ask", "localhost:32400", "plex.tv:80", "plex.tv:32400").
		check(t, 0, []string{strings.Repeat("HTTP/1.0 200 OK\n", 3)}, nil)
}

// The user's own certificates stay trusted, whichever variable names their file or folder,
// and whichever variable the program reads: some have priority over others.
func TestOwnCertificates(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a folder")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "own.pem")
	if err := os.WriteFile(file, []byte("the user's own"), 0o644); err != nil {
		t.Fatal(err)
	}
	variables := []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}
	script := `for f in "$` + strings.Join(variables, `" "$`) + `"; do
		test -d "$f" && f=$f/own.pem
		grep -q "the user's own" "$f" && echo has it; done; exec "$0" get https://plex.tv/api/v2/ping`
	modes(t, func(t *testing.T, mode string) {
		for _, own := range []string{"SSL_CERT_FILE=" + file, "CURL_CA_BUNDLE=" + file, "REQUESTS_CA_BUNDLE=" + folder, "SSL_CERT_DIR=" + folder} {
			s := newCommand(t, "--quiet", "--mode", mode, "--", "sh", "-c", script, self)
			s.Env = append(s.Env, own)
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			finish(t, s).check(t, 0, []string{strings.Repeat("has it\n", len(variables)) + "200 HTTP/2.0"}, nil)
			if t.Failed() {
				t.Fatal(own)
			}
		}
	})
}

// endFirst ends a run's program, whose child keeps running.
func endFirst(t *testing.T, s *started) {
	t.Helper()
	pid, err := strconv.Atoi(strings.Fields(s.out.String())[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// An ordinary user needs no privileges.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 || !allowed(t) {
		return // without root, every test runs as an ordinary user
	}
	s := newCommand(t, "--mode", "namespace", "--", "sh", "-c", `id -u; grep CapEff /proc/self/status; exec "$0" get https://plex.tv/api/v2/ping`, self)
	s.Dir = "/"
	s.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	finish(t, s).check(t, 0, []string{"65534\n", "CapEff:\t0000000000000000", "200 HTTP/2.0"}, nil)
}

// An ordinary user needs no privileges without namespaces either.
func TestOrdinaryUserWithoutNamespaces(t *testing.T) {
	if os.Geteuid() != 0 || !allowed(t) {
		return // without root, TestNamespacesRefused runs as an ordinary user
	}
	const user = 1000
	s := newCommand(t, "--", "sh", "-c", `id -u; grep CapEff /proc/self/status; exec "$0" get https://plex.tv/api/v2/ping`, self)
	s.Args = append([]string{"sh", "-c", `echo 0 > /proc/sys/user/max_user_namespaces &&
		exec setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all -- "$@"`, "sh", usher}, s.Args[1:]...)
	s.Path, s.Dir = "/bin/sh", "/"
	s.Env = append(s.Env, "TMPDIR=/tmp") // the test's own folder belongs to root
	mapping := func(root int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{HostID: root, Size: 1}, {ContainerID: user, HostID: 65534, Size: 1}}
	}
	s.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER, UidMappings: mapping(os.Geteuid()), GidMappings: mapping(os.Getegid()),
		GidMappingsEnableSetgroups: true,
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	finish(t, s).check(t, 0, []string{"1000\n", "CapEff:\t0000000000000000", "200 HTTP/2.0"},
		[]string{"WARNING", "creating a user namespace"})
}

// If namespaces are not allowed, variables lead the program to usher, and one line says
// what that cannot do.
func TestNamespacesRefused(t *testing.T) {
	if !allowed(t) {
		run(t, "--", self, "get", "https://plex.tv/api/v2/ping").check(t, 0, []string{"200 HTTP/2.0"}, []string{"WARNING"})
		return
	}
	refused := func(args ...string) result {
		t.Helper()
		s := newCommand(t, args...)
		s.Args = append([]string{"sh", "-c", `echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"`, "sh", usher}, s.Args[1:]...)
		s.Path = "/bin/sh"
		s.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		return finish(t, s)
	}
	const why = "creating a user namespace: no space left on device"
	refused("--", self, "get", "https://plex.tv/api/v2/ping").check(t, 0, []string{"200 HTTP/2.0"}, []string{"WARNING", why})
	refused("--mode", "namespace", "--", "true").check(t, 125, nil, []string{why, "hint: usher exec --doctor"})
	refused("--doctor").check(t, 0, []string{"mode: env", why, "mend: the kernel allows no user namespaces: sudo sysctl -w user.max_user_namespaces=10000"}, nil)
}
