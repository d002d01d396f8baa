package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Status is how a command ended.
type Status struct {
	// Code is its exit code; 128 plus the number of the signal that ended it.
	Code int
	// Signal ended it; 0 if it exited by itself.
	Signal syscall.Signal
}

// CommandError says that the command could not be started. Its code is the one
// that shells and env use.
type CommandError struct {
	// Code is 127 for a command that was not found, 126 for another reason.
	Code int
	// Err is the reason.
	Err error
}

// Exit codes of shells.
const (
	notExecutable = 126
	notFound      = 127
)

func (e *CommandError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *CommandError) Unwrap() error { return e.Err }

// RefusedError says that a machine does not allow namespaces.
type RefusedError struct {
	// Step is the step that failed.
	Step string
	// Err is the reason.
	Err error
}

func (e *RefusedError) Error() string { return e.Step + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

// Run runs the command until it ends. The errors are a *CommandError, and a
// *RefusedError if the mode is Namespace.
func Run(cfg Config) (Status, error) {
	path, err := lookPath(cfg.Command[0])
	if err != nil {
		return Status{}, err
	}
	cfg.Env = environ(cfg.Env).withoutOthers()
	r := &run{cfg: &cfg, path: path}
	defer r.endKeeper()
	if cfg.Mode == Environment {
		return r.environment(nil)
	}
	status, err := r.namespace()
	if refused := (*RefusedError)(nil); errors.As(err, &refused) && cfg.Mode == Auto {
		return r.environment(refused)
	}
	return status, err
}

// run is one run of a command.
type run struct {
	cfg       *Config
	path      string     // of the program
	authority *authority // nil: not created yet
	keeper    *keeper    // nil: there is nothing to clean up
}

// certify creates the authority, unless there is one.
func (r *run) certify() (err error) {
	if r.authority == nil {
		r.authority, err = newAuthority(r.cfg.Domains, time.Now())
	}
	return err
}

// keep starts the process that cleans up, unless it runs.
func (r *run) keep() (err error) {
	if r.keeper == nil {
		r.keeper, err = startKeeper()
	}
	return err
}

// endKeeper cleans up now.
func (r *run) endKeeper() {
	if r.keeper != nil {
		r.keeper.end()
	}
}

// begin returns the variables that the environment of the command still lacks.
func (r *run) begin(mode Mode, why error) (env []string, err error) {
	if r.cfg.Begin == nil {
		return nil, nil
	}
	return r.cfg.Begin(mode, why)
}

// onOwnThread runs f on a thread that ends with it: whatever f changes about its
// thread concerns nothing else in this process.
func onOwnThread(f func() (Status, error)) (status Status, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocks it
		status, err = f()
	}()
	<-done
	return status, err
}

// lookPath finds a program as a shell does.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		err = nil // the user asked for it by PATH
	}
	if err == nil {
		if path, err = filepath.Abs(path); err == nil {
			return path, nil
		}
	}
	return "", commandError(name, err)
}

// commandError is the error of a command that could not be started.
func commandError(name string, err error) error {
	code, cause := notExecutable, err
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code, cause = notFound, errors.New("not found")
	} else if path := (*exec.Error)(nil); errors.As(err, &path) {
		cause = path.Err
	}
	return &CommandError{code, fmt.Errorf("running %s: %w", name, cause)}
}

// isProxy reports whether a variable names a proxy, or what needs none. The
// command must not follow those of this machine.
func isProxy(name string) bool {
	switch strings.ToLower(name) {
	case "http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy":
		return true
	}
	return false
}

// environ is the environment of a command while it is put together.
type environ []string

// without removes the variables whose name matches.
func (e environ) without(matches func(name string) bool) environ {
	var kept environ
	for _, v := range e {
		if name, _, _ := strings.Cut(v, "="); !matches(name) {
			kept = append(kept, v)
		}
	}
	return kept
}

// get returns the value of a variable.
func (e environ) get(name string) string {
	for i := len(e) - 1; i >= 0; i-- {
		if n, value, _ := strings.Cut(e[i], "="); n == name {
			return value
		}
	}
	return ""
}

// set sets a variable.
func (e environ) set(name, value string) environ {
	return append(e.without(func(n string) bool { return n == name }), name+"="+value)
}

// replacing sets the variables of a list, each of which has another name.
func (e environ) replacing(list []string) environ {
	names := make(map[string]bool)
	for _, v := range list {
		name, _, _ := strings.Cut(v, "=")
		names[name] = true
	}
	return append(e.without(func(name string) bool { return names[name] }), list...)
}

// first puts a value before that of a variable that has several.
func (e environ) first(name, value, separator string) environ {
	if old := e.get(name); old != "" {
		value += separator + old
	}
	return e.set(name, value)
}

// cleanEnv is the environment of the command without proxies.
func (c *Config) cleanEnv() environ { return environ(c.Env).without(isProxy) }

// orNull is the null device in place of a missing stream.
func orNull(f *os.File) *os.File {
	if f != nil {
		return f
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	return null
}
