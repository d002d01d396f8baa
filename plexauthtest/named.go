package plexauthtest

import (
	"context"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/trouble"
)

// InjectNamedFault adds a fault in the syntax of "usher exec --fault",
// such as "rate-limit" or "slow,path=/api/v2/user,times=2". docs/testing.md lists all
// names. It stays until it is used up or remove is called. A Fault of InjectFault
// takes precedence.
func (s *Server) InjectNamedFault(text string) (remove func()) {
	s.t.Helper()
	f, err := trouble.Parse(text)
	if err != nil {
		s.t.Fatalf("plexauthtest: %v", err)
	}
	number, err := s.named.Add(f)
	if err != nil {
		s.t.Fatalf("plexauthtest: %v", err)
	}
	return func() { s.named.Remove(number) }
}

// newInjector returns the injector of named faults.
func (s *Server) newInjector() *trouble.Injector {
	return &trouble.Injector{
		Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.current.Load().handler.ServeHTTP(w, r)
		}),
		AcceptsJWT: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.current.Load().acceptsJWT().ServeHTTP(w, r)
		}),
		Skew: s.clock.Skew, Now: s.Now, Seed: s.play.RandomSeed(),
	}
}

// answer passes the request to the injector of named faults, which passes it on to the
// server unless a fault applies. It reports whether the fault closes the connection.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (ends bool) {
	return aborts(s.named, w, r)
}

// aborts calls a handler, and reports whether it has closed the connection.
func aborts(h http.Handler, w http.ResponseWriter, r *http.Request) (yes bool) {
	defer func() {
		switch reason := recover(); reason {
		case nil:
		case http.ErrAbortHandler:
			yes = true
		default:
			panic(reason)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

// SetTime sets the server's clock.
func (s *Server) SetTime(t time.Time) { s.clock.Set(t) }

// Freeze stops the server's clock if frozen is true, and otherwise lets it run.
func (s *Server) Freeze(frozen bool) { s.clock.Freeze(frozen) }

// RefusePIN denies the PIN with the given code, as if the user had denied access.
// The next poll of the program fails with plexauth.ErrPINExpired.
func (u *User) RefusePIN(code string) {
	s := u.server
	s.t.Helper()
	by := audit.Actor{AccountID: u.id, Address: "127.0.0.1"}
	if err := s.current.Load().PINs.Deny(context.Background(), by, code); err != nil {
		s.t.Fatalf("plexauthtest: refusing the PIN %s for %s: %v", code, u.Username, err)
	}
}

// Reset restores the initial users and sources, the time, and the faults of the scene.
// It removes the users, tokens and servers that were added since, and deletes the
// recorded requests. It takes less than five milliseconds, so that the cases of a test
// can share a server. It requires Config.Resettable.
func (s *Server) Reset() {
	s.t.Helper()
	if !s.resettable {
		s.t.Fatalf("plexauthtest: Reset needs Config.Resettable")
	}
	s.clock.Restart(s.play)
	s.dice.Restart()
	err := s.current.Load().Rewind(context.Background())
	if err == nil {
		err = s.named.Set(s.play.Faults)
	}
	if err != nil {
		s.t.Fatalf("plexauthtest: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.requests = nil, nil
}
