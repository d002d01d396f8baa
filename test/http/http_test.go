package http_test

// The language of testdata/*.http.txt
//
// Each script has its own server, with a copy of the data folder that testdata/cast.txt
// created, and the variables that it saved. At the end of a script, the server's log is
// searched for every secret that the script used (see secrets_test.go).
//
// A line is a word and its arguments. "#" begins a comment. A line that begins with "=="
// names the following part of the script. $name and ${name} are replaced with the value of
// a variable; $url is the server's address. A request is sent at its first line with an
// expectation.
//
// Steps:
//
//	GET /path?query          a request, with any method in capitals
//	again                    repeats the last request
//	usher account list       runs a command on the server's data folder
//	usher … < text           the same, with a line of standard input
//	signin name who client   signs in as who with the password in $who_password and
//	                         this client identifier, and saves the token
//	set name text            sets a variable
//	totp name SECRET [n]     sets a variable to the code of a second factor, n
//	                         steps of 30 seconds from now
//	restart [flags]          restarts the server
//
// Parts of a request:
//
//	header Name: value
//	query name: value        one more parameter of the query string
//	form name: value         one more field of the form in the body
//	body text                the body; \n and \xff are as in Go
//	soon                     repeats the request for up to one second until the
//	                         status is the expected one
//
// Expectations about the last response, or the output of the command line:
//
//	status 401               the status; each request must have this line
//	exit 1                   the exit code of a command; 0 without this line
//	header-is Name: value    header-has Name: part    header-absent Name
//	header-matches Name: re  a header against a regular expression
//	json path value          value in JSON; path as in errors.0.code, "." is all
//	json-matches path re     a string or number against a regular expression
//	json-keys path a b c     exactly these keys, in any order
//	json-size path 2         the number of members
//	xml path value           path as in /errors/error@code, /a/b[2]@c or, for
//	                         an element's text, /a/b
//	xml-matches path re
//	xml-attributes path a b  exactly these attributes, in any order
//	xml-count path 2         the number of elements
//	body-is text             body-has part    body-lacks part    body-empty
//
// Values from the last response:
//
//	save name json path
//	save name xml path
//	save name body
//	save name match re       the first group of a regular expression, in the body
//	save name header Name re the same, in a header

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	usher "github.com/usher-auth/usher/test/http/binary"
)

// usherBinary is the path of the binary that all tests of this package run.
var usherBinary string

func TestMain(m *testing.M) {
	flag.Parse()
	if signal.Ignored(syscall.SIGHUP) {
		// Under nohup, the servers would ignore this signal, too. A signal that this
		// process catches has its default action in its child processes.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	os.Exit(buildAndRun(m))
}

// buildAndRun builds the binary, runs the tests, and removes it.
func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "usher-http-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if usherBinary, err = usher.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func TestScripts(t *testing.T) {
	t.Parallel()
	const suffix = ".http.txt"
	files, err := filepath.Glob("testdata/*" + suffix)
	if err != nil || len(files) < 10 {
		t.Fatalf("got %d scripts (%v), want more", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), suffix), func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.start()
			s.run(file)
			if s.requests == 0 {
				t.Errorf("%s sends no request", file)
			}
		})
	}
}

// script is a running script with its server.
type script struct {
	t       *testing.T
	data    string // the data folder
	server  *usher.Server
	flags   []string // of the server
	vars    map[string]string
	secrets *secrets
	client  *http.Client

	place    string // the current line, for messages
	request  *request
	answer   answer
	requests int
}

// request is a request that is being built or has been sent.
type request struct {
	method, target string
	header         http.Header
	form           []string // encoded fields
	body           string
	soon           bool
	place          string
	sent           bool
	checked        bool // its status was compared
}

// answer is the result of the last request or command.
type answer struct {
	status int
	header http.Header
	body   string
	exit   int
	isHTTP bool
}

// cast is the initial data folder of every script, created once.
var cast = sync.OnceValues(func() (castFolder, error) {
	dir, err := os.MkdirTemp(filepath.Dir(usherBinary), "cast-")
	return castFolder{dir, make(map[string]string)}, err
})

type castFolder struct {
	dir  string
	vars map[string]string
}

var castOnce sync.Once

// newScript returns a script without a server, on a new data folder.
func newScript(t *testing.T) *script {
	t.Helper()
	made, err := cast()
	if err != nil {
		t.Fatal(err)
	}
	castOnce.Do(func() {
		s := &script{t: t, data: made.dir, vars: made.vars, secrets: newSecrets()}
		s.run("testdata/cast.txt")
	})
	s := &script{
		t: t, data: filepath.Join(t.TempDir(), "data"), vars: maps.Clone(made.vars), secrets: newSecrets(),
		client: &http.Client{
			Timeout:       30 * time.Second,
			Transport:     &http.Transport{DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for _, value := range s.vars {
		s.secrets.add(value)
	}
	if err := os.CopyFS(s.data, os.DirFS(made.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(s.data, "usher.key"), 0o600); err != nil { // CopyFS opens it to others
		t.Fatal(err)
	}
	return s
}

// start starts the server, and stops it at the end of the test.
func (s *script) start(flags ...string) {
	s.t.Helper()
	s.flags = flags
	cmd := exec.Command(usherBinary, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", s.data}, flags...)...)
	cmd.Env = usher.Env()
	server, err := usher.Start(cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server, s.vars["url"] = server, server.URL
	s.t.Cleanup(func() { s.end(server) })
}

// end stops the server and searches its log and the audit log.
func (s *script) end(server *usher.Server) {
	s.t.Helper()
	if err := server.Stop(); err != nil {
		s.t.Error(err)
	}
	s.secrets.search(s.t, server.Log(), server.Printed())
	for _, verb := range []string{"verify", "list"} {
		cmd := exec.Command(usherBinary, "audit", verb, "--json", "--data", s.data)
		cmd.Env = usher.Env()
		out, err := cmd.Output()
		if err != nil {
			s.t.Errorf("usher audit %s: %v and %s", verb, err, out)
		}
		if verb == "list" {
			s.secrets.searchAudit(s.t, out)
		}
	}
}

// run runs the lines of a script file.
func (s *script) run(file string) {
	s.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	part := ""
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "=="); ok {
			part = " (" + strings.TrimSpace(title) + ")"
			continue
		}
		s.place = fmt.Sprintf("%s:%d%s: %s", file, i+1, part, line)
		if line != "" && line[0] != '#' {
			s.line(line)
		}
	}
	s.finish()
}

// failf reports an unmet expectation; the script continues.
func (s *script) failf(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf("%s\n\t%s", s.place, fmt.Sprintf(format, args...))
}

// fatalf stops a script that cannot continue.
func (s *script) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s\n\t%s", s.place, fmt.Sprintf(format, args...))
}

var variable = regexp.MustCompile(`\$(?:\w+|\{\w+\})`)

// expand replaces the variables of a line.
func (s *script) expand(line string) string {
	return variable.ReplaceAllStringFunc(line, func(name string) string {
		value, ok := s.vars[strings.Trim(name, "${}")]
		if !ok {
			s.fatalf("there is no variable %s", name)
		}
		return value
	})
}

var method = regexp.MustCompile(`^[A-Z]+$`)

// line runs one line.
func (s *script) line(line string) {
	s.t.Helper()
	word, rest, _ := strings.Cut(s.expand(line), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case method.MatchString(word):
		s.finish()
		s.request = &request{method: word, target: rest, header: make(http.Header), place: s.place}
	case steps[word] != nil:
		s.finish()
		steps[word](s, rest)
	case parts[word] != nil:
		if s.request == nil || s.request.sent {
			s.fatalf("there is no request that this could be a part of")
		}
		parts[word](s, rest)
	case expectations[word] != nil:
		s.send()
		expectations[word](s, rest)
	default:
		s.fatalf("the word %q is not known; the language is explained in http_test.go", word)
	}
}

// finish ends a step. A request without an expectation is an error, because it proves
// nothing.
func (s *script) finish() {
	s.t.Helper()
	if r := s.request; r != nil && !r.checked {
		s.place = r.place
		s.fatalf("this request has no line that says its status")
	}
	if s.answer.exit != 0 {
		s.failf("the command before this line ended with exit code %d and %s", s.answer.exit, s.answer.body)
		s.answer.exit = 0
	}
}

// steps are the words that begin a step.
var steps map[string]func(*script, string)

func init() { // not a literal: restart would refer to itself
	steps = map[string]func(*script, string){
		"again": func(s *script, _ string) {
			if s.request == nil {
				s.fatalf("there is no request before this")
			}
			r := *s.request
			r.sent, r.checked, r.place = false, false, s.place
			s.request = &r
		},
		"usher":   (*script).command,
		"signin":  (*script).signIn,
		"set":     (*script).set,
		"totp":    (*script).totp,
		"restart": (*script).restart,
	}
}

func (s *script) set(rest string) {
	name, value, _ := strings.Cut(rest, " ")
	s.vars[name] = value
}

func (s *script) restart(rest string) {
	s.end(s.server)
	s.start(strings.Fields(rest)...)
}

// command runs a command of usher.
func (s *script) command(rest string) {
	s.t.Helper()
	args, stdin, _ := strings.Cut(rest, "<")
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, usherBinary, append(strings.Fields(args), "--data", s.data)...)
	cmd.Env = usher.Env()
	cmd.Stdin = strings.NewReader(strings.TrimSpace(stdin) + "\n")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.fatalf("%v", err)
	}
	s.request, s.answer = nil, answer{body: string(out), exit: cmd.ProcessState.ExitCode()}
	s.secrets.addText(args)
	s.secrets.add(strings.TrimSpace(stdin))
	s.secrets.addText(s.answer.body)
}

// signIn signs in, if that is not the subject of the script.
func (s *script) signIn(rest string) {
	s.t.Helper()
	fields := strings.Fields(rest)
	if len(fields) != 3 {
		s.fatalf("it is written: signin name who client")
	}
	s.request = &request{
		method: http.MethodPost, target: "/api/v2/users/signin.json", checked: true,
		header: http.Header{"X-Plex-Client-Identifier": {fields[2]}},
		form:   []string{field("login:" + fields[1]), field("password:" + s.expand("$"+fields[1]+"_password"))},
	}
	s.send()
	s.expectStatus("201")
	s.save(fields[0] + " json authToken")
}

// totp computes a code according to RFC 6238. It does not use the server's library, so that
// it checks the server independently.
func (s *script) totp(rest string) {
	s.t.Helper()
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		s.fatalf("it is written: totp name SECRET [steps]")
	}
	offset := 0
	if len(fields) == 3 {
		offset, _ = strconv.Atoi(fields[2])
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(fields[1])
	if err != nil {
		s.fatalf("%v", err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30+int64(offset))
	sum := mac.Sum(nil)
	number := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	s.vars[fields[0]] = fmt.Sprintf("%06d", number%1_000_000)
	s.secrets.add(s.vars[fields[0]])
}

// parts are the words that add something to a request.
var parts = map[string]func(*script, string){
	"header": func(s *script, rest string) {
		name, value, _ := strings.Cut(rest, ":")
		s.request.header.Add(name, strings.TrimSpace(value))
	},
	"query": func(s *script, rest string) {
		mark := "?"
		if strings.Contains(s.request.target, "?") {
			mark = "&"
		}
		s.request.target += mark + field(rest)
	},
	"form": func(s *script, rest string) { s.request.form = append(s.request.form, field(rest)) },
	"body": func(s *script, rest string) {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(rest, `"`, `\"`) + `"`)
		if err != nil {
			s.fatalf("the body cannot be read: %v", err)
		}
		s.request.body = text
	},
	"soon": func(s *script, _ string) { s.request.soon = true },
}

// field encodes "name: value".
func field(text string) string {
	name, value, _ := strings.Cut(text, ":")
	return url.QueryEscape(name) + "=" + url.QueryEscape(strings.TrimSpace(value))
}

// send sends the request, unless it was sent already.
func (s *script) send() {
	s.t.Helper()
	r := s.request
	if r == nil || r.sent {
		return
	}
	r.sent = true
	if len(r.form) > 0 {
		r.body = strings.Join(r.form, "&")
		if r.header.Get("Content-Type") == "" {
			r.header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	s.exchange()
}

// exchange sends the request once, and reads the response.
func (s *script) exchange() {
	s.t.Helper()
	r := s.request
	var body io.Reader // nil sends no Content-Length
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), r.method, s.vars["url"]+r.target, body)
	if err != nil {
		s.fatalf("%v", err)
	}
	req.Header = r.header.Clone()
	if req.Header["User-Agent"] == nil {
		req.Header.Set("User-Agent", "http-scripts")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.fatalf("%v", err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		s.fatalf("%v", err)
	}
	s.requests++
	s.answer = answer{status: resp.StatusCode, header: resp.Header, body: string(got), isHTTP: true}
	s.secrets.addRequest(req, r.body)
	s.secrets.addText(s.answer.body)
}

// expectations are the words that check or save a result.
var expectations = map[string]func(*script, string){
	"status": (*script).expectStatus,
	"exit": func(s *script, rest string) {
		if s.answer.isHTTP || strconv.Itoa(s.answer.exit) != rest {
			s.failf("got exit code %d and %s", s.answer.exit, s.answer.body)
		}
		s.answer.exit = 0
	},
	"header-is": func(s *script, rest string) {
		name, want, _ := strings.Cut(rest, ":")
		if got := s.answer.header.Values(name); len(got) != 1 || got[0] != strings.TrimSpace(want) {
			s.failf("got %q", got)
		}
	},
	"header-has": func(s *script, rest string) {
		name, want, _ := strings.Cut(rest, ":")
		if got := s.answer.header.Get(name); !strings.Contains(strings.ToLower(got), strings.ToLower(strings.TrimSpace(want))) {
			s.failf("got %q", got)
		}
	},
	"header-matches": func(s *script, rest string) {
		name, pattern, _ := strings.Cut(rest, ":")
		if err := match(s.answer.header.Get(name), strings.TrimSpace(pattern)); err != nil {
			s.failf("%v", err)
		}
	},
	"header-absent": func(s *script, rest string) {
		if got := s.answer.header.Values(rest); len(got) > 0 {
			s.failf("got %q", got)
		}
	},
	"json":         func(s *script, rest string) { s.check(expectJSON(s.answer.body, rest)) },
	"json-matches": func(s *script, rest string) { s.check(matchJSON(s.answer.body, rest)) },
	"json-keys":    func(s *script, rest string) { s.check(expectKeys(s.answer.body, rest)) },
	"json-size":    func(s *script, rest string) { s.check(expectSize(s.answer.body, rest)) },
	"xml":          func(s *script, rest string) { s.check(expectXML(s.answer.body, rest)) },
	"xml-matches":  func(s *script, rest string) { s.check(matchXML(s.answer.body, rest)) },
	"xml-attributes": func(s *script, rest string) {
		s.check(expectAttributes(s.answer.body, rest))
	},
	"xml-count": func(s *script, rest string) { s.check(expectCount(s.answer.body, rest)) },
	"body-is": func(s *script, rest string) {
		if s.answer.body != rest {
			s.failf("got %s", s.answer.body)
		}
	},
	"body-has": func(s *script, rest string) {
		if !strings.Contains(s.answer.body, rest) {
			s.failf("got %s", s.answer.body)
		}
	},
	"body-lacks": func(s *script, rest string) {
		if rest == "" || strings.Contains(s.answer.body, rest) {
			s.failf("got %s", s.answer.body)
		}
	},
	"body-empty": func(s *script, _ string) {
		if s.answer.body != "" {
			s.failf("got %s", s.answer.body)
		}
	},
	"save": (*script).save,
}

func (s *script) check(err error) {
	s.t.Helper()
	if err != nil {
		s.failf("%v, in %s", err, s.answer.body)
	}
}

// expectStatus compares the status. With "soon", it retries for one second.
func (s *script) expectStatus(rest string) {
	s.t.Helper()
	if s.request == nil {
		s.fatalf("there is no request before this")
	}
	s.request.checked = true
	want, err := strconv.Atoi(rest)
	if err != nil {
		s.fatalf("%v", err)
	}
	for until := time.Now().Add(time.Second); s.request.soon && s.answer.status != want && time.Now().Before(until); {
		time.Sleep(20 * time.Millisecond)
		s.exchange()
	}
	if s.answer.status != want {
		s.failf("got status %d and %s", s.answer.status, s.answer.body)
	}
}

// firstGroup returns the first group of a regular expression that must match once.
func firstGroup(text, pattern string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	all := re.FindAllStringSubmatch(text, -1)
	if len(all) != 1 || len(all[0]) < 2 {
		return "", fmt.Errorf("%d matches of %s in %q", len(all), pattern, text)
	}
	return all[0][1], nil
}

// save saves a part of a response in a variable.
func (s *script) save(rest string) {
	s.t.Helper()
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		s.fatalf("it is written: save name json path")
	}
	var value string
	var err error
	switch path := strings.Join(fields[2:], " "); fields[1] {
	case "body":
		value = s.answer.body
	case "json":
		var v any
		if v, err = lookupJSON(s.answer.body, path); err == nil {
			value = fmt.Sprint(v)
		}
	case "xml":
		value, err = lookupXML(s.answer.body, path)
	case "match":
		value, err = firstGroup(s.answer.body, path)
	case "header":
		name, pattern, _ := strings.Cut(path, " ")
		value, err = firstGroup(strings.Join(s.answer.header.Values(name), "\n"), pattern)
	default:
		err = errors.New("it is written: save name json path")
	}
	if err != nil || value == "" {
		s.fatalf("nothing to save (%v) in %s", err, s.answer.body)
	}
	s.vars[fields[0]] = value
}
