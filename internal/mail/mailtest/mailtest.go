// Package mailtest is a mail server for tests. It speaks SMTP over a real socket, and
// keeps what it gets. It is not for anything else.
package mailtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Server is a mail server.
type Server struct {
	// Addr is its host and port.
	Addr string
	// User and Password are required of clients, unless they are empty.
	User, Password string

	t    testing.TB
	mu   sync.Mutex
	fail []error // what the next messages are answered with
	deaf bool    // it takes nothing for now
	hold *held   // what the next message waits for; nil: nothing
	got  chan Message
}

// Message is what the server got.
type Message struct {
	From, To string // of the envelope
	Header   mail.Header
	Text     string
	TLS      bool // it came by TLS
}

// Start starts a server for a test. With conf, it offers STARTTLS or, if implicit,
// accepts TLS only.
func Start(t testing.TB, user, password string, conf *tls.Config, implicit bool) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: listener.Addr().String(), User: user, Password: password, t: t, got: make(chan Message, 100)}
	if implicit {
		listener = tls.NewListener(listener, conf)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	server.Domain, server.AllowInsecureAuth, server.TLSConfig = "localhost", true, conf
	server.ErrorLog = quiet{}
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// Fail makes the server answer the next messages with errors: 4xx for a while, or 5xx
// for good. The text repeats the recipient, as that of many servers does.
func (s *Server) Fail(codes ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, code := range codes {
		s.fail = append(s.fail, &smtp.SMTPError{Code: code, Message: "refused"})
	}
}

// Refuse makes the server answer every message with an error that is for a while, until
// it is called again without on.
func (s *Server) Refuse(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = on
}

func (s *Server) failure(to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaf {
		return &smtp.SMTPError{Code: 451, Message: "refused <" + to + ">"}
	}
	if len(s.fail) == 0 {
		return nil
	}
	err := s.fail[0].(*smtp.SMTPError)
	s.fail = s.fail[1:]
	err.Message += " <" + to + ">"
	return err
}

// held is a message that the server has read and does not answer yet.
type held struct{ read, answer chan struct{} }

// Hold makes the server read the next message, and answer only when answer is called.
// read is closed when it was read.
func (s *Server) Hold() (read <-chan struct{}, answer func()) {
	h := &held{make(chan struct{}), make(chan struct{})}
	s.mu.Lock()
	s.hold = h
	s.mu.Unlock()
	answer = sync.OnceFunc(func() { close(h.answer) })
	s.t.Cleanup(answer)
	return h.read, answer
}

// holding waits until a message that is held may be answered.
func (s *Server) holding() {
	s.mu.Lock()
	h := s.hold
	s.hold = nil
	s.mu.Unlock()
	if h != nil {
		close(h.read)
		<-h.answer
	}
}

// Next waits for the next message.
func (s *Server) Next() Message {
	s.t.Helper()
	select {
	case m := <-s.got:
		return m
	case <-time.After(time.Minute):
		s.t.Fatal("no e-mail came within a minute")
		return Message{}
	}
}

// Waiting is how many messages came that Next has not returned.
func (s *Server) Waiting() int { return len(s.got) }

type session struct {
	server   *Server
	conn     *smtp.Conn
	signedIn bool
	m        Message
}

func (*session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.server.User || password != s.server.Password {
			return errors.New("wrong user or password")
		}
		s.signedIn = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.User != "" && !s.signedIn {
		return smtp.ErrAuthRequired
	}
	s.m.From = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.m.To != "" {
		return fmt.Errorf("a second recipient")
	}
	if err := s.server.failure(to); err != nil {
		return err
	}
	s.m.To = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	read, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body := read.Body
	if strings.EqualFold(read.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	s.m.Header, s.m.Text = read.Header, strings.ReplaceAll(string(text), "\r\n", "\n")
	_, s.m.TLS = s.conn.TLSConnectionState()
	s.server.got <- s.m
	s.server.holding()
	return nil
}

func (s *session) Reset()        { s.m = Message{} }
func (s *session) Logout() error { return nil }
