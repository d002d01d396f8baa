package mail_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/mail/mailtest"
	"github.com/usher-auth/usher/plexauth"
)

// certificate returns a certificate for 127.0.0.1, and a configuration that trusts it.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: roots}
}

func parse(t *testing.T, format string, args ...any) mail.Server {
	t.Helper()
	s, err := mail.ParseServer(plexauth.Secret(fmt.Sprintf(format, args...)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// outbox returns an outbox in memory.
func outbox(t *testing.T) (*coretest.Core, *mail.Outbox) {
	t.Helper()
	c := coretest.New(t, core.Config{Now: time.Now})
	return c, c.Outbox
}

// start runs a sender until the test ends. log stops it, and returns its log.
func start(t *testing.T, cfg mail.Config) (s *mail.Sender, log func() string) {
	t.Helper()
	var text bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&text, nil))
	if cfg.Retries == nil {
		cfg.Retries = []time.Duration{time.Millisecond, time.Millisecond}
	}
	if cfg.Outbox == nil {
		_, cfg.Outbox = outbox(t)
	}
	s = mail.New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	stop := sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return s, func() string { stop(); return text.String() }
}

// to returns the URL of a mail server, without credentials.
func to(t *testing.T, server *mailtest.Server) mail.Server {
	t.Helper()
	return parse(t, "smtp://%s?from=usher@example.org", server.Addr)
}

// waiting returns the number of queued messages and tasks.
func waiting(t *testing.T, c *coretest.Core) (n int) {
	t.Helper()
	if err := c.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM outbox").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for begin := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatal("not within a minute: " + what)
		}
	}
}

var hello = mail.Message{To: "mia@example.org", Subject: "Grüße von usher", Text: "Hallo Mia,\n\nhttps://usher.example.org/reset?key=ABC=DEF\n"}

// Each kind of connection to a server uses TLS if possible.
func TestSend(t *testing.T) {
	serverTLS, clientTLS := certificate(t)
	for name, c := range map[string]struct {
		conf     *tls.Config
		implicit bool
		url      string
		byTLS    bool
	}{
		"STARTTLS":                {serverTLS, false, "smtp://me:a%%20secret@%s?from=usher@example.org", true},
		"TLS":                     {serverTLS, true, "smtps://me:a%%20secret@%s?from=usher@example.org", true},
		"this computer, no TLS":   {nil, false, "smtp://me:a%%20secret@%s?from=usher@example.org", false},
		"a name beside the email": {nil, false, "smtp://me:a%%20secret@%s?from=Usher+%%3Cusher@example.org%%3E", false},
	} {
		t.Run(name, func(t *testing.T) {
			server := mailtest.Start(t, "me", "a secret", c.conf, c.implicit)
			s, _ := start(t, mail.Config{Server: parse(t, c.url, server.Addr), TLS: clientTLS})
			if err := s.Send(hello); err != nil {
				t.Fatal(err)
			}
			m := server.Next()
			if m.From != "usher@example.org" || m.To != hello.To || m.Text != hello.Text || m.TLS != c.byTLS {
				t.Errorf("%+v", m)
			}
			if m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("Date") == "" || m.Header.Get("Message-Id") == "" {
				t.Errorf("the headers are %v", m.Header)
			}
			until(t, "the count", func() bool { return s.Counts() == mail.Counts{Sent: 1} })
		})
	}
}

// Attack: someone on the path strips STARTTLS from the extensions that the server
// offers.
func TestStartTLSIsRequired(t *testing.T) {
	server := mailtest.Start(t, "me", "a secret", nil, false)
	to := parse(t, "smtp://me:a%%20secret@%s?from=usher@example.org", server.Addr)
	to.Plain = false // as for a server elsewhere
	s, log := start(t, mail.Config{Server: to})
	if err := s.Send(hello); err != nil {
		t.Fatal(err)
	}
	until(t, "the failure", func() bool { return s.Counts().Failed == 1 })
	if server.Waiting() != 0 {
		t.Error("it was sent")
	}
	if text := log(); !strings.Contains(text, "STARTTLS") {
		t.Error(text)
	}
}

// Attack: another server presents its own certificate.
func TestCertificateIsChecked(t *testing.T) {
	serverTLS, _ := certificate(t)
	server := mailtest.Start(t, "", "", serverTLS, true)
	s, _ := start(t, mail.Config{Server: parse(t, "smtps://%s?from=usher@example.org", server.Addr)})
	if err := s.Send(hello); err != nil {
		t.Fatal(err)
	}
	until(t, "the failure", func() bool { return s.Counts().Failed == 1 })
	if server.Waiting() != 0 {
		t.Error("it was sent")
	}
}

// A mail server on this computer often has a certificate that nobody signed. The
// connection could do without TLS, so the certificate is not checked.
func TestUnsignedCertificateOnThisComputer(t *testing.T) {
	serverTLS, _ := certificate(t)
	server := mailtest.Start(t, "", "", serverTLS, false)
	s, _ := start(t, mail.Config{Server: to(t, server)})
	if err := s.Send(hello); err != nil {
		t.Fatal(err)
	}
	if m := server.Next(); !m.TLS {
		t.Error("it came without TLS")
	}
	until(t, "the count", func() bool { return s.Counts() == mail.Counts{Sent: 1} })
}

// dialogue runs a mail server that answers each command with a line, and closes the
// connection instead where the line is empty. It returns its address, and a function
// that returns how many messages it has accepted.
func dialogue(t *testing.T, answers map[string]string) (address string, accepted func() int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var count atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go converse(conn, answers, &count)
		}
	}()
	return listener.Addr().String(), func() int { return int(count.Load()) }
}

func converse(conn net.Conn, answers map[string]string, accepted *atomic.Int64) {
	defer conn.Close()
	fmt.Fprint(conn, "220 localhost\r\n")
	in, data := bufio.NewScanner(conn), false
	for in.Scan() {
		verb, _, _ := strings.Cut(in.Text(), " ")
		switch {
		case data && in.Text() != ".":
			continue
		case data:
			data, verb = false, "."
			accepted.Add(1)
		}
		answer, ok := answers[verb]
		if !ok {
			answer = map[string]string{"DATA": "354 go on", "EHLO": "250-localhost\r\n250 AUTH PLAIN"}[verb]
		}
		if ok && answer == "" {
			return
		}
		data = verb == "DATA"
		fmt.Fprintf(conn, "%s\r\n", cmp.Or(answer, "250 fine"))
	}
}

// A message that the server has accepted is sent, however the server ends the
// connection. A retry would send it twice.
func TestAcceptedIsSent(t *testing.T) {
	for name, answers := range map[string]map[string]string{
		"it closes at QUIT": {"QUIT": "", "RSET": ""},
		"it refuses QUIT":   {"QUIT": "500 what?", "RSET": "502 not implemented"},
		"not now":           {"QUIT": "421 too busy", "RSET": "421 too busy"},
	} {
		t.Run(name, func(t *testing.T) {
			address, accepted := dialogue(t, answers)
			s, log := start(t, mail.Config{Server: parse(t, "smtp://%s?from=usher@example.org", address)})
			if err := s.Send(hello); err != nil {
				t.Fatal(err)
			}
			until(t, "an outcome", func() bool { return s.Counts() != mail.Counts{} })
			if text := log(); s.Counts() != (mail.Counts{Sent: 1}) || accepted() != 1 || text != "" {
				t.Errorf("%+v, and the server has %d messages\n%s", s.Counts(), accepted(), text)
			}
		})
	}
}

// The domain of an address is sent in ASCII, which every mail server takes.
func TestNamesBeyondASCII(t *testing.T) {
	server := mailtest.Start(t, "", "", nil, false)
	s, _ := start(t, mail.Config{Server: parse(t, "smtp://%s?from=%s", server.Addr, url.QueryEscape("Müller <usher@müller.example>"))})
	if err := s.Send(mail.Message{To: "mia@bücher.example", Subject: "Grüße", Text: strings.Repeat("ein sehr langer Satz mit ö ", 100) + "\n"}); err != nil {
		t.Fatal(err)
	}
	m := server.Next()
	if m.From != "usher@xn--mller-kva.example" || m.To != "mia@xn--bcher-kva.example" || !strings.HasPrefix(m.Text, "ein sehr langer Satz mit ö ein") {
		t.Errorf("%+v", m)
	}
	if from := m.Header.Get("From"); from != "=?utf-8?q?M=C3=BCller?= <usher@xn--mller-kva.example>" {
		t.Errorf("it is from %s", from)
	}
}

// A temporary rejection is retried, and a permanent one is not. The log contains
// neither the address nor the password.
func TestRetries(t *testing.T) {
	for name, c := range map[string]struct {
		codes []int
		want  mail.Counts
		left  int // of the codes
	}{
		"later":            {[]int{451, 421}, mail.Counts{Sent: 1}, 0},
		"later, too often": {[]int{451, 451, 451}, mail.Counts{Failed: 1}, 0},
		"never":            {[]int{550, 550}, mail.Counts{Failed: 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := mailtest.Start(t, "", "", nil, false)
			server.Fail(c.codes...)
			s, log := start(t, mail.Config{Server: to(t, server)})
			if err := s.Send(hello); err != nil {
				t.Fatal(err)
			}
			until(t, "an outcome", func() bool { return s.Counts() == c.want })
			if text := log(); strings.Contains(text, "mia") || strings.Contains(text, "ABC=DEF") || (c.want.Failed > 0) != strings.Contains(text, "cannot send") {
				t.Error(text)
			}
		})
	}
}

func TestWrongPasswordIsNotLogged(t *testing.T) {
	server := mailtest.Start(t, "me", "a secret", nil, false)
	s, log := start(t, mail.Config{Server: parse(t, "smtp://me:hunter22@%s?from=usher@example.org", server.Addr)})
	if err := s.Send(hello); err != nil {
		t.Fatal(err)
	}
	until(t, "the failure", func() bool { return s.Counts().Failed == 1 })
	if text := log(); strings.Contains(text, "hunter22") || strings.Contains(text, "mia@") {
		t.Error(text)
	}
}

// Attack: a mail server repeats what it was sent to sign in, and so the password reaches
// the log.
func TestPasswordThatIsRepeatedIsNotLogged(t *testing.T) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00me\x00hunter22"))
	address, _ := dialogue(t, map[string]string{"AUTH": "535 I do not know AUTH PLAIN " + plain + ", hunter22"})
	s, log := start(t, mail.Config{Server: parse(t, "smtp://me:hunter22@%s?from=usher@example.org", address)})
	if err := s.Send(hello); err != nil {
		t.Fatal(err)
	}
	until(t, "the failure", func() bool { return s.Counts().Failed == 1 })
	if text := log(); !strings.Contains(text, "I do not know AUTH PLAIN …, …") {
		t.Error(text)
	}
}

// A server that hangs delays neither the caller nor the shutdown, and the message stays
// queued for the next start.
func TestHangingServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // it accepts connections, and sends nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, box := outbox(t)
	s, log := start(t, mail.Config{
		Server: parse(t, "smtp://%s?from=usher@example.org", listener.Addr()), Outbox: box, Workers: 1, Timeout: time.Hour, Grace: time.Millisecond,
	})
	for range 10 {
		if err := s.Send(hello); err != nil {
			t.Error(err)
		}
	}
	if conn, err := listener.Accept(); err != nil {
		t.Error(err)
	} else {
		defer conn.Close()
	}
	log() // returns
	if n := waiting(t, c); n != 10 || s.Counts() != (mail.Counts{}) {
		t.Errorf("%d wait, %+v", n, s.Counts())
	}
}

// Attack: a name or an address adds a header or a recipient.
func TestInjection(t *testing.T) {
	_, box := outbox(t)
	s := mail.New(mail.Config{Outbox: box})
	for _, m := range []mail.Message{
		{To: "mia@example.org\r\nBcc: eve@example.org"}, {To: "mia@example.org, eve@example.org"}, {To: "Mia <mia@example.org>"}, {To: ""},
		{To: "mia@example.org\n"}, {To: "mia@example.org", Subject: "Hello\r\nBcc: eve@example.org"}, {To: "mia@example.org", Subject: "Hello\nX"},
		{To: "mia@example.org>\r\nRCPT TO:<eve@example.org"}, {To: "mia@example.org", Subject: "\x00"},
	} {
		if err := s.Send(m); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", m, err)
		}
	}
	if s.Counts() != (mail.Counts{}) {
		t.Errorf("%+v", s.Counts())
	}
}

// A line that is a dot does not end the message.
func TestDot(t *testing.T) {
	server := mailtest.Start(t, "", "", nil, false)
	s, _ := start(t, mail.Config{Server: to(t, server)})
	if err := s.Send(mail.Message{To: "mia@example.org", Text: "one\n.\nMAIL FROM:<eve@example.org>\n..\n"}); err != nil {
		t.Fatal(err)
	}
	if m := server.Next(); m.Text != "one\n.\nMAIL FROM:<eve@example.org>\n..\n" {
		t.Errorf("%q", m.Text)
	}
}

func TestParseServer(t *testing.T) {
	for text, want := range map[string]mail.Server{
		"smtp://mail.example.org?from=u@example.org":                 {Host: "mail.example.org", Port: 587, From: "<u@example.org>"},
		"smtps://a%40b:p%2F@mail.example.org?from=u@example.org":     {Host: "mail.example.org", Port: 465, Implicit: true, User: "a@b", Password: "p/", From: "<u@example.org>"},
		"smtp://mail.example.org:25/?from=u@e.org&starttls=optional": {Host: "mail.example.org", Port: 25, Plain: true, From: "<u@e.org>"},
		"smtp://LOCALHOST:25?from=u@e.org":                           {Host: "LOCALHOST", Port: 25, Plain: true, From: "<u@e.org>"},
		"smtp://[::1]:25?from=u@e.org":                               {Host: "::1", Port: 25, Plain: true, From: "<u@e.org>"},
	} {
		if got, err := mail.ParseServer(plexauth.Secret(text)); err != nil || got != want {
			t.Errorf("%s is %#v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "mail.example.org", "http://mail.example.org?from=u@e.org", "smtp://?from=u@e.org", "smtp://hunter22@mail.example.org",
		"smtp://me:hunter22@mail.example.org:0?from=u@e.org", "smtp://me:hunter22@mail.example.org:x?from=u@e.org",
		"smtp://me:hunter22@mail.example.org?from=nobody", "smtp://me:hunter22@mail.example.org?from=u@e.org&tls=no",
		"smtp://me:hunter22@mail.example.org?from=" + url.QueryEscape("u@e.org\r\nBcc: eve@e.org"),
		"smtp://me:hunter22/@mail.example.org?from=u@e.org", "smtp://me:hunter22@mail.example.org?from=u@e.org&starttls=no",
		"smtp://me:hunter22@mail.example.org/inbox?from=u@e.org",
	} {
		if got, err := mail.ParseServer(plexauth.Secret(text)); err == nil || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s is %#v, %v", text, got, err)
		}
	}
}
