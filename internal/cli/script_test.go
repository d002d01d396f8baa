package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/plexauth"
	"github.com/usher-auth/usher/plexauthtest"
	usher "github.com/usher-auth/usher/test/http/binary"
)

// The scripts in testdata/*.txtar run usher like a user in a shell. They are in the
// language of testscript (https://pkg.go.dev/github.com/rogpeppe/go-internal/testscript),
// with these additional commands:
//
//	fails CODE command…        runs a command. It must exit with this code,
//	                           print one line "error: …" and, for code 2,
//	                           print a line "hint: …"
//	fails-at-terminal CODE …   the same at a terminal; see below
//	serve [flags]              starts the server on a free port and sets $URL
//	shutdown                   stops it like a service manager does; its output
//	                           is in serve.out and serve.log
//	signin NAME PASSWORD [CODE]   signs in to it and sets $TOKEN
//	! signin …                 must be rejected
//	get STATUS PATH [TOKEN]    requests the path, and prints the body
//	soon STATUS PATH [TOKEN]   polls for the status, for one second
//	link STATUS CODE [TOKEN]   enters a PIN's code as TOKEN's account
//	await VAR FILE RE          waits until a file matches RE, for five
//	                           seconds, and sets a variable to the first group
//	sleep 1s                   waits
//	capture VAR RE             sets a variable to the last output's first match
//	                           of the group in RE
//	keys KEY…                  the last output is a JSON object, or a list of
//	                           objects, with these keys in this order and no
//	                           secret that hides itself
//	totp VAR SECRET [STEPS]    sets a variable to a code of a second factor
//	certificate [LIFE]         writes cert.pem and key.pem for 127.0.0.1, valid for
//	                           an hour; with a negative LIFE, it has expired
//	newer DATABASE             makes a database look like one of a newer usher
//	sql DATABASE STATEMENT     changes a database like an attacker who can write to it
//	encrypt FROM TO PASSPHRASE   encrypts a backup so that each use of it is quick
//	mode FILE 0600             the file has these permissions
//	elsewhere                  starts a second usher, a plexauthtest.Server
//	                           with its accounts, and sets $ELSEWHERE to its URL
//	asked                      prints every request that it has received since the last
//	                           "asked", in full
//	trouble STATUS FILE [HEADER VALUE]   it answers like this until "trouble over"
//	enter NAME CODE            enters a PIN's code there as member or admin
//	advance TIME               moves its clock
//	nowhere                    sets $CLOSED to a URL on which nothing listens, and
//	                           $MUTE to one that does not speak HTTP
//
// "exec at-terminal usher …" after "ttyin -stdin file" runs usher at a terminal
// on which the lines of the file are typed.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": fails, "fails-at-terminal": failsAtTerminal, "sleep": sleep, "serve": serve, "shutdown": shutdown, "signin": signin, "get": get, "soon": soon,
			"capture": capture, "keys": keys, "totp": totp, "certificate": certificate, "newer": newer, "sql": change,
			"encrypt": encrypt, "mode": mode, "elsewhere": elsewhere, "asked": asked, "trouble": troubleOf, "nowhere": nowhere,
			"link": link, "await": await, "enter": enter, "advance": advance,
		},
	})
}

// TestMain lets the scripts run this very program as usher.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"usher": watchedMain, "at-terminal": atTerminal})
}

// watchedMain is usher with cheap password hashes. If the script expects it to fail, it
// stops after ten seconds: a server that starts after all must not block the script. The
// scripts of test/http run the built binary, whose hashes have their real cost.
func watchedMain() { os.Exit(watched()) }

func watched() (code int) {
	account.DefaultCost = coretest.Cheap
	if os.Getenv(briefly) != "" {
		time.AfterFunc(10*time.Second, func() {
			fmt.Fprintln(os.Stderr, "usher is still running after ten seconds")
			os.Exit(124)
		})
	}
	return Main()
}

// briefly is set in the environment of commands that should fail.
const briefly = "BRIEFLY"

// filler is how many bytes to write so that all earlier bytes have been read: more than a
// terminal's buffer holds. testscript stops reading when the process exits.
const filler = 64 << 10

// atTerminal runs usher with its output connected to the terminal of testscript, too: usher
// prompts only if both input and output are terminals.
func atTerminal() {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(125)
	}
	os.Stdout, os.Stderr = tty, tty
	os.Args = os.Args[1:]
	code := watched()
	_, _ = tty.Write(bytes.Repeat([]byte(" "), filler))
	os.Exit(code)
}

// setup creates separate folders for data and for configuration for each script.
// No script touches the keyring of the user who runs the tests.
func setup(env *testscript.Env) error {
	env.Setenv("USHER_DATA", filepath.Join(env.WorkDir, "data"))
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
	env.Setenv("USHER_NO_KEYRING", "1")
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	env.Setenv("GOGC", "400") // as usher serve sets it; other commands exit before a collection
	env.Values[serverKey] = &running{t: env.T().(testing.TB)}
	return nil
}

// serverKey is the key of a script's servers in its environment.
const serverKey = "server"

// running has a script's server, if there is one, and the second usher.
type running struct {
	*usher.Server
	t         testing.TB
	elsewhere *plexauthtest.Server
	over      func() // removes the fault of the second usher
}

func serverOf(ts *testscript.TestScript) *running { return ts.Value(serverKey).(*running) }

// plain rejects "!" before a command that does not support it.
func plain(ts *testscript.TestScript, neg bool, ok bool, usage string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

func fails(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) > 1, "fails CODE command…")
	ts.Setenv(briefly, "1")
	err := ts.Exec(args[1], args[2:]...)
	ts.Setenv(briefly, "")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("got %v, want exit code %s", err, args[0])
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stderr"), "\n"), "\n")
	explained := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "error: ") })
	if explained < 0 || len(lines) > explained+2 {
		ts.Fatalf("the error must be one line, with at most a hint after it")
	}
	if hinted := len(lines) == explained+2; hinted && !strings.HasPrefix(lines[explained+1], "hint: ") || !hinted && args[0] == "2" {
		ts.Fatalf("a usage error needs a hint")
	}
}

// failsAtTerminal is like fails, but at a terminal whose output is in ttyout.
func failsAtTerminal(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) > 1, "fails-at-terminal CODE command…")
	err := ts.Exec("at-terminal", args[1:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("got %v and %s, want exit code %s", err, ts.ReadFile("ttyout"), args[0])
	}
}

func serve(ts *testscript.TestScript, neg bool, args []string) {
	s := serverOf(ts)
	plain(ts, neg, s.Server == nil, "serve [flags], once before a shutdown")
	env := slices.DeleteFunc(usher.Env(), func(pair string) bool { return strings.HasPrefix(pair, "HOME=") })
	for _, name := range []string{
		"HOME", "USHER_DATA", "USHER_ADMIN_USERNAME", "USHER_ADMIN_EMAIL", "USHER_ADMIN_PASSWORD",
		"USHER_ADMIN_PASSWORD_FILE", "USHER_TRANSIENT_TTL", "USHER_SERVER_NAME",
	} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	path, err := exec.LookPath("usher") // testscript.Main put it there
	ts.Check(err)
	cmd := exec.Command(path, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env, cmd.Dir = env, ts.MkAbs(".")
	s.Server, err = usher.Start(cmd)
	ts.Check(err)
	ts.Defer(func() { stop(ts) })
	ts.Setenv("URL", s.URL)
	ts.Setenv("ADDRESS", strings.TrimPrefix(strings.TrimPrefix(s.URL, "https://"), "http://"))
}

func shutdown(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 0 && serverOf(ts).Server != nil, "shutdown, after serve")
	stop(ts)
}

// stop stops the server, if there is one, and saves its output.
func stop(ts *testscript.TestScript) {
	s := serverOf(ts)
	if s.Server == nil {
		return
	}
	last := s.Server
	s.Server = nil
	ts.Check(last.Stop())
	ts.Check(os.WriteFile(ts.MkAbs("serve.out"), []byte(last.Printed()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("serve.log"), []byte(last.Log()), 0o600))
}

// client accepts any certificate: it connects only to a server on this machine that the
// script has just started.
var client = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
}

// ask sends a request for JSON to the script's server.
func ask(ts *testscript.TestScript, method, path, token string, form url.Values) (status int, body string) {
	req, err := http.NewRequest(method, ts.Getenv("URL")+path, strings.NewReader(form.Encode()))
	ts.Check(err)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Plex-Client-Identifier", "script")
	req.Header.Set("X-Plex-Product", "Script")
	if token != "" {
		req.Header.Set("X-Plex-Token", token)
	}
	resp, err := client.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return resp.StatusCode, string(text)
}

func signin(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, false, len(args) == 2 || len(args) == 3, "signin NAME PASSWORD [CODE]")
	form := url.Values{"login": {args[0]}, "password": {args[1]}}
	if len(args) == 3 {
		form.Set("verificationCode", args[2])
	}
	var status int
	var body string
	// A change on the command line takes effect within one second.
	within(func() bool {
		status, body = ask(ts, http.MethodPost, "/api/v2/users/signin", "", form)
		return (status == http.StatusUnauthorized) == neg
	})
	var in struct{ AuthToken string }
	_ = json.Unmarshal([]byte(body), &in)
	switch {
	case neg && status == http.StatusUnauthorized:
	case !neg && status == http.StatusCreated && in.AuthToken != "":
		ts.Setenv("TOKEN", in.AuthToken)
	default:
		ts.Fatalf("got status %d and %s", status, body)
	}
}

// patience is how long tests wait for something that is immediate on an idle machine.
const patience = 30 * time.Second

// within retries until done returns true or patience runs out.
func within(done func() bool) {
	for until := time.Now().Add(patience); !done() && time.Now().Before(until); {
		time.Sleep(20 * time.Millisecond)
	}
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 2 || len(args) == 3, "get STATUS PATH [TOKEN]")
	status, body := ask(ts, http.MethodGet, args[1], strings.Join(args[2:], ""), nil)
	fmt.Fprint(ts.Stdout(), body)
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("got status %d and %s", status, body)
	}
}

func soon(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 2 || len(args) == 3, "soon STATUS PATH [TOKEN]")
	within(func() bool {
		status, _ := ask(ts, http.MethodGet, args[1], strings.Join(args[2:], ""), nil)
		return strconv.Itoa(status) == args[0]
	})
	get(ts, neg, args)
}

func link(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 2 || len(args) == 3, "link STATUS CODE [TOKEN]")
	status, body := ask(ts, http.MethodPut, "/api/v2/pins/link", strings.Join(args[2:], ""), url.Values{"code": {args[1]}})
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("got status %d and %s", status, body)
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 3, "await VAR FILE RE")
	re, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	var text []byte
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		text, _ = os.ReadFile(ts.MkAbs(args[1])) // it may not exist yet
		if m := re.FindSubmatch(text); len(m) > 1 {
			ts.Setenv(args[0], string(m[1]))
			return
		}
	}
	ts.Fatalf("there is no %s in %s: %s", args[2], args[1], text)
}

func enter(ts *testscript.TestScript, neg bool, args []string) {
	s := serverOf(ts).elsewhere
	plain(ts, neg, len(args) == 2 && s != nil, "enter NAME CODE, after elsewhere")
	people := map[string]*plexauthtest.User{"member": s.Member, "admin": s.Admin}
	people[args[0]].LinkPIN(args[1])
}

func advance(ts *testscript.TestScript, neg bool, args []string) {
	s := serverOf(ts).elsewhere
	plain(ts, neg, len(args) == 1 && s != nil, "advance TIME, after elsewhere")
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	s.Advance(d)
}

func sleep(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 1, "sleep TIME")
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	time.Sleep(d)
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 2, "capture VAR RE")
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	m := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) < 2 {
		ts.Fatalf("there is no %s in the last output", args[1])
	}
	ts.Setenv(args[0], m[1])
}

func keys(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) > 0, "keys KEY…")
	text := []byte(ts.ReadFile("stdout"))
	objects := []json.RawMessage{text}
	if bytes.HasPrefix(text, []byte("[")) {
		ts.Check(json.Unmarshal(text, &objects))
	}
	if len(objects) == 0 {
		ts.Fatalf("the list is empty, so its keys cannot be checked")
	}
	for _, object := range objects {
		got, err := keysOf(object)
		ts.Check(err)
		if !slices.Equal(got, args) {
			ts.Fatalf("got the keys %v", got)
		}
		if bytes.Contains(object, []byte(`"…"`)) {
			ts.Fatalf("a value is a secret that hides itself: %s", object)
		}
	}
}

// keysOf lists a JSON object's own keys in order.
func keysOf(object json.RawMessage) ([]string, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var list []string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		list = append(list, fmt.Sprint(key))
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// totp computes a code according to RFC 6238. It does not use usher's library, which it
// checks.
func totp(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 2 || len(args) == 3, "totp VAR SECRET [STEPS]")
	step := time.Now().Unix() / 30
	if len(args) == 3 {
		offset, err := strconv.ParseInt(args[2], 10, 64)
		ts.Check(err)
		step += offset
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(args[1])
	ts.Check(err)
	mac := hmac.New(sha1.New, key)
	ts.Check(binary.Write(mac, binary.BigEndian, step))
	sum := mac.Sum(nil)
	number := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	ts.Setenv(args[0], fmt.Sprintf("%06d", number%1_000_000))
}

func certificate(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) < 2, "certificate [LIFE]")
	life, err := time.ParseDuration(append(args, "1h")[0])
	ts.Check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "usher"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().AddDate(0, 0, -60),
		NotAfter:     time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for file, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		ts.Check(os.WriteFile(ts.MkAbs(file), pem.EncodeToMemory(block), 0o600))
	}
}

func newer(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 1, "newer DATABASE")
	change(ts, neg, append(args, "INSERT INTO schema_version (version) VALUES (999)"))
}

func change(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 2, "sql DATABASE STATEMENT")
	db, err := sql.Open("sqlite", ts.MkAbs(args[0])) // package store registers this driver
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(args[1])
	ts.Check(err)
}

func encrypt(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 3, "encrypt FROM TO PASSPHRASE")
	f, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	defer f.Close()
	phrase := seal.Passphrase{Text: plexauth.Secret(args[2]), Work: 2}
	ts.Check(phrase.EncryptFile(context.Background(), f, ts.MkAbs(args[0])))
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 2, "mode FILE 0600")
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%#o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has the mode %s", args[0], got)
	}
}

func elsewhere(ts *testscript.TestScript, neg bool, args []string) {
	s := serverOf(ts)
	plain(ts, neg, len(args) == 0 && s.elsewhere == nil, "elsewhere, once")
	s.elsewhere = plexauthtest.New(s.t, plexauthtest.Config{})
	ts.Setenv("ELSEWHERE", s.elsewhere.AccountURL)
}

func asked(ts *testscript.TestScript, neg bool, args []string) {
	s := serverOf(ts).elsewhere
	plain(ts, neg, len(args) == 0 && s != nil, "asked, after elsewhere")
	for _, r := range s.Requests() {
		fmt.Fprintf(ts.Stdout(), "%s %s?%s %d\n", r.Method, r.Path, r.Query.Encode(), r.Status)
		ts.Check(r.Header.Write(ts.Stdout()))
		fmt.Fprintf(ts.Stdout(), "\n%s\n", r.Body)
	}
	s.ResetRequests()
}

func troubleOf(ts *testscript.TestScript, neg bool, args []string) {
	s := serverOf(ts)
	plain(ts, neg, s.elsewhere != nil && (len(args) == 1 && args[0] == "over" || len(args) == 2 || len(args) == 4),
		"trouble STATUS FILE [HEADER VALUE], or trouble over, after elsewhere")
	if s.over != nil {
		s.over()
		s.over = nil
	}
	if len(args) == 1 {
		return
	}
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	f := plexauthtest.Fault{Status: status, Body: ts.ReadFile(args[1])}
	if len(args) == 4 {
		f.Header = map[string]string{args[2]: args[3]}
	}
	s.over = s.elsewhere.InjectFault(f)
}

func nowhere(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 0, "nowhere")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv("CLOSED", "http://"+closed.Addr().String())
	ts.Check(closed.Close())
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { mute.Close() })
	ts.Setenv("MUTE", "http://"+mute.Addr().String())
	go func() {
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, "SSH-2.0-OpenSSH_9.9\r\n")
			conn.Close()
		}
	}()
}
