package sandbox

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Mode is a way to lead a command to the handler.
type Mode int

const (
	// Auto is Namespace where the machine allows it, else Environment.
	Auto Mode = iota
	// Namespace is a network of the command's own.
	Namespace
	// Environment is variables and hooks.
	Environment
)

// Config says what to run and where it leads. Handler, Domains, Ports and Command
// are required.
type Config struct {
	// Handler answers requests for the domains, and for this machine.
	Handler http.Handler
	// Domains are those that lead to Handler, with every name below them.
	Domains []string
	// Ports are where Handler answers, with TLS and without. The last one is
	// also where it answers as localhost.
	Ports []int
	// Allow are destinations that the command reaches besides.
	Allow []Destination
	// AllowAll lets it reach every host.
	AllowAll bool
	// Forward are ports of this machine's localhost that the command reaches.
	Forward []int
	// Mode is how the command is led.
	Mode Mode
	// Landlock makes the kernel refuse TCP connections of the command to ports other than
	// those of this process, of Allow and of Forward. It is for the mode Environment. Run
	// returns ErrNoLandlock if the kernel cannot do that.
	Landlock bool

	// Command is the command with its arguments, and Env its environment, to
	// which variables are added. Its first word is looked up in PATH.
	Command, Env []string
	// Stdin, Stdout and Stderr are the command's. If nil, they are the null device.
	Stdin, Stdout, Stderr *os.File
	// Observe receives blocked connections and problems when they happen. It may be nil.
	Observe func(Event)
	// Begin is called when all is prepared, just before the command runs. why says why
	// the mode is not Namespace, if that was wanted. Begin returns variables to add to
	// Env; if it returns an error, the command does not run. It may be nil.
	Begin func(mode Mode, why error) (env []string, err error)
}

// localPort is where Handler answers as localhost.
func (c *Config) localPort() int { return c.Ports[len(c.Ports)-1] }

// EventKind says what happened.
type EventKind int

const (
	// Refused is a name that was not resolved, or a connection or request that
	// was refused.
	Refused EventKind = iota
	// Untrusted is a client that rejected the certificate.
	Untrusted
	// Unreachable is an allowed destination that did not answer.
	Unreachable
)

// Event is something that a user of the command should know about.
type Event struct {
	Kind EventKind
	// Host is the name or the address.
	Host string
	// Port is 0 for a name that was looked up.
	Port int
	// Err says more. It can be nil.
	Err error
}

// Destination is a host that the command may reach.
type Destination struct {
	// Host is a name or an address.
	Host string
	// Port is 0 for the ports of HTTP, 80 and 443.
	Port int
}

// httpPorts are those of a destination without a port.
var httpPorts = []int{80, 443}

// ports are the ports of a destination.
func (d Destination) ports() []int {
	if d.Port != 0 {
		return []int{d.Port}
	}
	return httpPorts
}

// ParseDestination reads HOST or HOST:PORT.
func ParseDestination(text string) (Destination, error) {
	d := Destination{Host: normal(text)}
	if text == "" || strings.ContainsAny(text, "/@* ") {
		return d, fmt.Errorf("%s is neither a host nor HOST:PORT", strconv.Quote(text))
	}
	if _, err := netip.ParseAddr(text); err != nil && strings.Contains(text, ":") {
		host, port, err := net.SplitHostPort(text)
		if err != nil {
			return d, fmt.Errorf("%s is not of the form HOST:PORT", text)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return d, fmt.Errorf("%s has no port between 1 and 65535", text)
		}
		d = Destination{normal(host), int(n)}
	}
	if d.Host == "" {
		return d, fmt.Errorf("%s is neither a host nor HOST:PORT", strconv.Quote(text))
	}
	return d, nil
}

// normal is how names are compared.
func normal(host string) string {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// InDomains reports whether a host is one of the domains or below one of them.
func InDomains(host string, domains []string) bool {
	host = normal(host)
	return slices.ContainsFunc(domains, func(d string) bool {
		return host == d || strings.HasSuffix(host, "."+d)
	})
}

// IsLocal reports whether a host is this machine.
func IsLocal(host string) bool {
	host = normal(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	own, err := os.Hostname()
	return err == nil && own != "" && host == normal(own)
}

// allows reports whether the command may reach a port of a host.
func (c *Config) allows(host string, port int) bool {
	host = normal(host)
	return c.AllowAll || slices.ContainsFunc(c.Allow, func(d Destination) bool {
		return d.Host == host && slices.Contains(d.ports(), port)
	})
}

// allowsSome reports whether the command may reach any port of a host.
func (c *Config) allowsSome(host string) bool {
	host = normal(host)
	return c.AllowAll || slices.ContainsFunc(c.Allow, func(d Destination) bool { return d.Host == host })
}

func (c *Config) observe(e Event) {
	if c.Observe != nil {
		c.Observe(e)
	}
}

// Names of the helpers, which are the first argument of the program.
const (
	initHelper   = "sandbox-init"
	keeperHelper = "sandbox-keeper"
	probeHelper  = "sandbox-probe"
)

// RunHelper runs a helper, if that is what the arguments of the program ask for,
// and returns its exit code.
func RunHelper(args []string) (code int, ran bool) {
	if len(args) == 0 {
		return 0, false
	}
	switch args[0] {
	case initHelper:
		return runInit(), true
	case keeperHelper:
		return runKeeper(os.Stdin), true
	case probeHelper:
		return 0, true
	}
	return 0, false
}

// helper is the command of a helper. On Linux, it finds the running program even
// if its file has been replaced since.
func helper(name string) (*exec.Cmd, error) {
	program := "/proc/self/exe"
	if runtime.GOOS != "linux" {
		var err error
		if program, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	return exec.Command(program, name), nil
}
