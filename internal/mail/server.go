package mail

import (
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/usher-auth/usher/plexauth"
)

// Server is a mail server with usher's credentials.
type Server struct {
	Host string
	Port int
	// Implicit selects TLS from the start (RFC 8314). Otherwise STARTTLS is required,
	// unless Plain is set.
	Implicit bool
	// Plain allows a connection without TLS, because it does not leave this computer,
	// or because the operator asked for it.
	Plain    bool
	User     string // empty: usher does not sign in
	Password plexauth.Secret
	From     string // the sender of every message
}

// String returns the address of the server, without its secrets.
func (s Server) String() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// ParseServer reads smtp://user:password@host:587?from=usher@example.org, or the same
// with smtps. Options are from, which is required, and starttls=optional. The error does
// not repeat the text, which has a password in it.
func ParseServer(text plexauth.Secret) (Server, error) {
	u, err := url.Parse(string(text))
	if err != nil || u.Host == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return Server{}, errors.New("it is not of the form smtp://USER:PASSWORD@HOST:587?from=ADDRESS")
	}
	if strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return Server{}, errors.New("it has something after the host: characters of the password such as / and # are written %2F and %23")
	}
	s := Server{Host: u.Hostname(), Port: 587, Implicit: u.Scheme == "smtps", User: u.User.Username()}
	if s.Implicit {
		s.Port = 465
	}
	if s.Host == "" {
		return Server{}, errors.New("it has no host")
	}
	if u.Port() != "" {
		if s.Port, err = strconv.Atoi(u.Port()); err != nil || s.Port < 1 || s.Port > 65535 {
			return Server{}, errors.New("it has no usable port")
		}
	}
	password, _ := u.User.Password()
	s.Password = plexauth.Secret(password)
	s.Plain = isLoopback(s.Host)
	return s, s.readOptions(u.RawQuery)
}

func (s *Server) readOptions(query string) error {
	options, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("what follows the question mark cannot be read")
	}
	for name, values := range options {
		switch {
		case name == "from":
			a, err := netmail.ParseAddress(values[0])
			if err != nil || hasControl(values[0]) {
				return errors.New("from is not of the form usher@example.org")
			}
			a.Address = inASCII(a.Address)
			s.From = a.String()
		case name == "starttls" && values[0] == "optional":
			s.Plain = true
		default:
			return fmt.Errorf("it has an option that is not known; the options are from, and starttls=optional")
		}
	}
	if s.From == "" {
		return errors.New("it does not say from whom: add ?from=usher@example.org")
	}
	return nil
}

// isLoopback reports whether a host is a loopback address or localhost.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}
