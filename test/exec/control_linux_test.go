package exec_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/usher-auth/usher/test/http/binary"
)

// controlled calls the control API: method, path, body.
func controlled(args []string) error {
	req, err := http.NewRequest(args[0], os.Getenv("USHER_CONTROL")+args[1], strings.NewReader(args[2]))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("USHER_CONTROL_TOKEN"))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, strings.TrimSpace(string(body)))
	return err
}

// The program controls the usher that it signs in to, also in its own network. A request
// without the secret is rejected.
func TestControl(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		const script = `set -e
			TOKEN=$USHER_ACCOUNT_MEMBER_TOKEN; export TOKEN
			"$0" control POST /clock '{"time": "2030-01-02T03:04:05Z", "frozen": true}'
			"$0" control POST /faults '{"fault": "bad-gateway", "times": 1}'
			"$0" get https://plex.tv/api/v2/user
			"$0" control DELETE /accounts/member/tokens ''
			"$0" get https://plex.tv/api/v2/user
			"$0" control POST /reset ''
			"$0" get https://plex.tv/api/v2/user
			USHER_CONTROL_TOKEN=another "$0" control POST /reset ''`
		run(t, "--mode", mode, "--", "sh", "-c", script, self).check(t, 0, []string{
			"200 {\"time\":\"2030-01-02T03:04:05Z\",\"frozen\":true}\n200 {\"id\":1}\n502 HTTP/2.0 <html>", "\n204 \n401 HTTP/2.0 ",
			"\n204 \n200 HTTP/2.0 {", "\n401 {\"error\":",
		}, nil)
	})
}

// The faults of a flag or of a scene occur.
func TestFaultFlag(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		run(t, "--mode", mode, "--fault", "rate-limit,path=/api/v2/ping,times=1", "--fault", "empty,path=/api/v2/ping,times=1", "--",
			self, "get", "https://plex.tv/api/v2/ping", "https://plex.tv/identity", "https://plex.tv/api/v2/ping", "https://plex.tv/api/v2/ping").
			check(t, 0, []string{"429 HTTP/2.0 ", "\n200 HTTP/2.0 {", "\n200 HTTP/2.0 \n200 HTTP/2.0 "}, []string{"(3 × 200, 1 × 429)"})
		run(t, "--mode", mode, "--fault", "drop", "--", self, "get", "https://plex.tv/api/v2/ping").
			check(t, 1, nil, []string{"× no answer"})
	})
	run(t, "--fault", "emtpy", "--", "true").check(t, 2, nil, []string{`--fault emtpy: there is no fault "emtpy"; did you mean "empty"?`})
}

// A run fails if the program breaks a rule, and the output says how.
func TestAssert(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		rules := []string{"--mode", mode, "--quiet", "--assert", "no-token-in-url", "--assert", "max-calls=1/plex.tv", "--assert", "no-unknown-host", "--assert", "no-unknown-path", "--"}
		run(t, append(rules, self, "get", "https://plex.tv/api/v2/ping")...).check(t, 0, nil, nil)
		run(t, append(rules, self, "get", "https://plex.tv/api/v2/user?X-Plex-Token=usherTokenOfMember01", "https://plex.tv/nothing")...).
			check(t, 1, nil, []string{
				"--assert no-token-in-url: BROKEN\nusher exec:   GET plex.tv/api/v2/user has a secret in its URL: X-Plex-Token\n",
				"--assert max-calls=1/plex.tv: BROKEN\nusher exec:   there are 2 requests, at most 1 are allowed",
				"--assert no-unknown-path: BROKEN\nusher exec:   GET plex.tv/nothing\n",
			})
		r := run(t, append(rules, self, "get", "https://other.example/")...)
		if r.check(t, 1, nil, nil); mode == "namespace" && !strings.Contains(r.err, "--assert no-unknown-host: BROKEN\nusher exec:   other.example") {
			t.Errorf("standard error is\n%s", r.err)
		}
	})
	run(t, "--assert", "no-token-in-ulr", "--", "true").check(t, 2, nil, []string{`did you mean "no-token-in-url"?`})
}

// Two runs with the same seed are the same. usher serve accepts no seed.
func TestSeedFlag(t *testing.T) {
	const script = `"$0" control POST /accounts/member/tokens '{}'`
	args := []string{"--quiet", "--seed", "7", "--", "sh", "-c", script, self}
	first, second := run(t, args...), run(t, args...)
	first.check(t, 0, []string{`200 {"token":"`}, nil)
	if first.out != second.out {
		t.Errorf("the runs print %s and %s", first.out, second.out)
	}
	out, err := exec.CommandContext(t.Context(), usher, "serve", "--seed", "7", "--data", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "only usher exec has --seed") {
		t.Errorf("usher serve --seed: %v\n%s", err, out)
	}
}

// Sign-ups work if a flag or a scene allows them, and in no other run.
func TestSignUpFlag(t *testing.T) {
	const script = `"$0" post https://plex.tv/api/v2/users 'username=ida&email=ida@example.org&password=ida+has+a+password'
		"$0" control POST /accounts/ida/tokens '{}'`
	args := []string{"--quiet", "--", "sh", "-c", script, self}
	run(t, append([]string{"--sign-up"}, args...)...).check(t, 0, []string{"201 {", `"username":"ida"`, `200 {"token":"`}, nil)
	run(t, args...).check(t, 0, []string{`403 {"errors":`, "404 {"}, nil)
	file := filepath.Join(t.TempDir(), "scene.yaml")
	if err := os.WriteFile(file, []byte("accounts: [{username: mia, password: mia has one}]\nsignUp: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, append([]string{"--scene", file}, args...)...).check(t, 0, []string{"201 {"}, nil)
	if err := os.WriteFile(file, []byte("accounts: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "--scene", file, "--sign-up", "--", "true").check(t, 125, nil, []string{"signUp needs an account in the scene"})
	run(t, "--server", "http://127.0.0.1:1", "--sign-up", "--", "true").check(t, 2, nil, []string{"--sign-up"})
}

// With --strict, usher rejects what the real services reject.
func TestStrictFlag(t *testing.T) {
	run(t, "--strict", "--", self, "get", "https://plex.tv/identity").check(t, 0, []string{"404 HTTP/2.0 "}, []string{"usher does not know GET plex.tv/identity"})
}

// A program can use an usher that runs already: in this test, that of an outer usher exec,
// which the program also controls.
func TestServer(t *testing.T) {
	if !allowed(t) {
		return
	}
	const script = `set -e
		"$1" exec --quiet --mode env --server http://127.0.0.1:32400 --fault bad-gateway,times=1 -- sh -c '
			TOKEN=$USHER_ACCOUNT_MEMBER_TOKEN; export TOKEN
			"$0" get https://plex.tv/api/v2/user https://plex.tv/api/v2/user
			"$0" control DELETE /accounts/member/tokens ""
			"$0" get https://plex.tv/api/v2/user' "$0"
		"$1" exec --mode env --server http://127.0.0.1:1 -- true`
	r := run(t, "--mode", "namespace", "--", "sh", "-c", script, self, usher)
	r.check(t, 125, []string{"502 HTTP/", "\n200 HTTP/2.0 {", "\n204 \n401 HTTP/2.0 "}, []string{"connecting to --server http://127.0.0.1:1: "})
	for _, url := range []string{"plex", "ftp://plex", "http://me@127.0.0.1", "http://127.0.0.1?a=b", "http://127.0.0.1#a"} {
		run(t, "--server", url, "--", "true").check(t, 2, nil, []string{"--server " + url + " is not a URL"})
	}
	run(t, "--server", "http://127.0.0.1:1", "--seed", "7", "--", "true").check(t, 2, nil, []string{"does not go with"})
}

// If that usher exits while the program runs, the program's requests fail with the reason.
// A URL that does not lead to an usher is an error.
func TestServerEnds(t *testing.T) {
	answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/below/api/v2/ping":
		case "/elsewhere/api/v2/ping":
			http.Redirect(w, r, "/below/api/v2/ping", http.StatusMovedPermanently)
		default:
			panic(http.ErrAbortHandler)
		}
	})
	srv := httptest.NewServer(answers)
	defer srv.Close()
	r := run(t, "--mode", "env", "--server", srv.URL+"/below/", "--", self, "get", "https://plex.tv/api/v2/ping", "https://plex.tv/api/v2/user")
	r.check(t, 0, []string{"200 HTTP/2.0", "502 HTTP/2.0 usher exec: the usher of --server does not answer: EOF"}, []string{"1 × 200, 1 × 502"})
	run(t, "--server", srv.URL+"/elsewhere", "--", "true").check(t, 125, nil, []string{"it responds with 301 Moved Permanently: it is not an usher"})
}

// A daemon sends the requests of programs that start later to one usher, until it is
// stopped. Then nothing is left behind.
func TestDaemon(t *testing.T) {
	dir, tmp := t.TempDir(), t.TempDir()
	sh := filepath.Join(dir, "usher.sh")
	daemon := newCommand(t, "--daemon", "--env-file", sh, "--record", filepath.Join(dir, "run.har"))
	daemon.Env = append(daemon.Env, "TMPDIR="+tmp)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	finish(t, daemon).check(t, 0, nil, []string{"goes on in the background"})
	const script = `set -e; . "$1"; echo "$USHER_DAEMON_PID"
		TOKEN=$USHER_ACCOUNT_ADMIN_TOKEN; export TOKEN
		"$0" get https://plex.tv/api/v2/user
		"$0" control DELETE /accounts/admin/tokens ""
		"$0" get https://plex.tv/api/v2/user
		test "$USHER_ACCOUNT_ADMIN_PASSWORD" = "admin's password"`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script, self, sh)
	cmd.Env = binary.Env()
	out, err := cmd.CombinedOutput()
	first, rest, _ := strings.Cut(string(out), "\n")
	pid, bad := strconv.Atoi(first)
	if bad != nil {
		t.Fatalf("the variables have no process: %s", out)
	}
	if err != nil || !strings.HasPrefix(rest, "200 HTTP/2.0 {") || !strings.Contains(rest, "\n204 \n401 HTTP/2.0 ") {
		t.Errorf("%v\n%s", err, out)
	}
	if info, err := os.Stat(sh); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with secrets: %v, %v", info, err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "the daemon has ended", func() bool { return !running(pid) })
	await(t, "its folder is gone", func() bool {
		left, err := os.ReadDir(tmp)
		return err == nil && len(left) == 0
	})
	if har, err := os.ReadFile(filepath.Join(dir, "run.har")); err != nil || strings.Count(string(har), `"/api/v2/user"`) == 0 && !strings.Contains(string(har), "https://plex.tv/api/v2/user") {
		t.Errorf("the archive: %v\n%s", err, har)
	}
	run(t, "--daemon").check(t, 2, nil, []string{"--daemon needs --env-file FILE"})
	run(t, "--daemon", "--env-file", sh, "--", "true").check(t, 2, nil, []string{"run no program"})
	run(t, "--daemon", "--env-file", filepath.Join(dir, "none", "x")).check(t, 125, nil, []string{"writing --env-file"})
}
