package http_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// secrets are the values in requests and responses that the server must not log:
// tokens, passwords, codes, e-mail addresses, query strings. It is safe for
// concurrent use.
type secrets struct {
	mu     sync.Mutex
	values map[string]bool
	logins map[string]bool // the submitted logins, which may be any text
}

func newSecrets() *secrets {
	return &secrets{values: make(map[string]bool), logins: make(map[string]bool)}
}

// shortest is the minimum length of a text to search for. Shorter texts, such as an empty
// password, would be found everywhere.
const shortest = 6

func (s *secrets) add(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(value) >= shortest {
		s.values[value] = true
	}
}

// inText finds secrets in a response, a body or the output of a command, in JSON or XML, by
// their names and by their format.
var inText = []*regexp.Regexp{
	regexp.MustCompile(`(?i)"(?:auth_?token|accessToken|token|authentication_token|secret|password|verificationCode)":\s*"([^"]+)"`),
	regexp.MustCompile(`(?i)\s(?:authToken|accessToken|token|authenticationToken)="([^"]+)"`),
	regexp.MustCompile(`<auth[-_]token>([^<]+)<`),
	regexp.MustCompile(`\b([0-9a-z]{25})\b`), // strong codes
	regexp.MustCompile(`(transient-[\w-]+)`),
	regexp.MustCompile(`pinProof=(\w+)`),
	regexp.MustCompile(`([\w.+-]+@[\w-]+(?:\.[\w-]+)+)`),
	regexp.MustCompile(`\b([0-9a-hjkmnp-tv-z]{4}-[0-9a-hjkmnp-tv-z]{4}-[0-9a-hjkmnp-tv-z]{4})\b`), // backup codes
}

func (s *secrets) addText(text string) {
	for _, re := range inText {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			s.add(m[1])
		}
	}
}

// addRequest adds the values of a request, encoded and decoded.
func (s *secrets) addRequest(r *http.Request, body string) {
	s.add(r.URL.RawQuery)
	s.addValues(r.URL.RawQuery)
	for _, name := range []string{"X-Plex-Token", "X-Plex-Pin-Proof", "Authorization"} {
		for _, value := range r.Header.Values(name) {
			s.add(value)
		}
	}
	if login, password, ok := r.BasicAuth(); ok {
		s.addText(login)
		s.addLogin(login)
		s.add(password)
	}
	s.add(body)
	s.addText(body)
	s.addValues(body)
}

// addValues adds the fields of a query string or form.
func (s *secrets) addValues(encoded string) {
	values, _ := url.ParseQuery(encoded)
	for name, list := range values {
		for _, value := range list {
			s.addText(value)
			switch name {
			case "password", "user[password]", "verificationCode", "X-Plex-Token":
				s.add(value)
			case "login", "user[login]":
				s.addLogin(value)
			}
		}
	}
}

func (s *secrets) addLogin(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(login) >= shortest {
		s.logins[login] = true
	}
}

// searchAudit searches the rows of the audit log for every secret, and for every login that
// is not the name of an account: it may be a password in the wrong field.
func (s *secrets) searchAudit(t *testing.T, rows []byte) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var said strings.Builder
	names := make(map[string]bool)
	for dec := json.NewDecoder(bytes.NewReader(rows)); dec.More(); {
		var row struct{ Event, Account, Actor, Device, Address, Detail string }
		if err := dec.Decode(&row); err != nil {
			t.Fatal(err)
		}
		if row.Event == "account.added" {
			names[strings.ToLower(row.Account)] = true
		}
		fmt.Fprintf(&said, "%+v\n", row)
	}
	if len(names) == 0 {
		t.Error("the audit log names no account: a search of it proves nothing")
	}
	for value := range s.values {
		if strings.Contains(said.String(), value) {
			t.Errorf("the audit log has the secret %q in it:\n%s", value, linesWith(said.String(), value))
		}
	}
	for login := range s.logins {
		if !names[strings.ToLower(strings.TrimSpace(login))] && strings.Contains(said.String(), login) {
			t.Errorf("the audit log has %q in it, which was typed as a login:\n%s", login, linesWith(said.String(), login))
		}
	}
}

// search searches the log and the output of a server for every secret. It searches for
// codes of digits only in the texts of log lines, because times and counts can contain any
// digits.
func (s *secrets) search(t *testing.T, log, printed string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	said := whatIsSaid(t, log)
	if len(s.values) == 0 {
		t.Error("no secret was collected: the search proves nothing")
	}
	for value := range s.values {
		in := log + printed
		if strings.Trim(value, "0123456789") == "" {
			in = said
		}
		if strings.Contains(in, value) {
			t.Errorf("the server logged or printed the secret %q in it:\n%s", value, linesWith(in, value))
		}
	}
}

// whatIsSaid returns every text in a log of JSON lines, except the times.
func whatIsSaid(t *testing.T, log string) string {
	t.Helper()
	var said strings.Builder
	requests := 0
	for line := range strings.Lines(log) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("a line of the log is not JSON: %s", line)
			continue
		}
		if fields["msg"] == "request" {
			requests++
		}
		for name, value := range fields {
			if text, ok := value.(string); ok && name != "time" {
				said.WriteString(name + "=" + text + "\n")
			}
		}
	}
	if requests == 0 {
		t.Errorf("the log has no requests: a search of it proves nothing:\n%s", log)
	}
	return said.String()
}

func linesWith(text, part string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}
