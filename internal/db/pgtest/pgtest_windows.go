package pgtest

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// Main runs a package's tests.
func Main(m *testing.M) int { return m.Run() }

// Available reports that there is no PostgreSQL: usher's own tests of it need
// processes as Unix has them.
func Available(t testing.TB) bool {
	fmt.Fprintln(os.Stderr, "\n*** nothing is tested on PostgreSQL on Windows ***")
	return false
}

// Database is never called where Available reports false.
func Database(t testing.TB) string {
	t.Fatal("there is no PostgreSQL on Windows")
	return ""
}

// Exec is never called where Available reports false.
func Exec(t testing.TB, address, statement string) { t.Fatal("there is no PostgreSQL on Windows") }

// Guarded is the role of the same name elsewhere.
const Guarded = "guarded"

// Copy is never called where Available reports false.
func Copy(t testing.TB, url string) string { return Database(t) }

// Emptied is never called where Available reports false.
func Emptied(string) string { return "" }

// Server is never there.
type Server struct{}

// Start returns an error.
func Start(...string) (*Server, error) { return nil, errors.New("there is no PostgreSQL on Windows") }

// URL is never called: there is no Server.
func (*Server) URL(string) string { return "" }

// PID is never called: there is no Server.
func (*Server) PID() int { return 0 }

// Stop is never called: there is no Server.
func (*Server) Stop() {}
