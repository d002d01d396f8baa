package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-auth/usher/internal/sandbox"
	"github.com/usher-auth/usher/internal/scene"
)

// daemonEnv is the variable that marks the background process.
const daemonEnv = envPrefix + "DAEMON_PID"

// ready is the line with which the background process reports that programs can
// start. Anything else is an error.
const ready = "ready"

// startDaemon starts this command again, in the background, and waits until it is
// ready.
func (cs execCommands) startDaemon(o execOptions) error {
	program, err := os.Executable()
	if err != nil {
		return &codeError{err, failedToRun}
	}
	child := exec.Command(program, os.Args[1:]...)
	child.Env = append(os.Environ(), envName("daemon-child")+"=true")
	sandbox.Detach(child)
	out, err := child.StdoutPipe()
	if err != nil {
		return &codeError{err, failedToRun}
	}
	child.Stderr = child.Stdout
	if err := child.Start(); err != nil {
		return &codeError{fmt.Errorf("starting the process in the background: %w", err), failedToRun}
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == ready {
			cs.say("process %d goes on in the background; the variables are in %s", child.Process.Pid, o.envFile)
			return child.Process.Release()
		}
		fmt.Fprintln(cs.err, lines.Text())
	}
	_ = child.Wait()
	return &statusError{max(1, child.ProcessState.ExitCode())}
}

// beDaemon redirects programs to usher until it is stopped.
func (cs execCommands) beDaemon(ctx context.Context, o execOptions, cfg sandbox.Config, run *execRun, archive *os.File, events *eventLog) error {
	if err := run.wait(); err != nil {
		return err
	}
	about := append(run.variables(), run.controlVariables()...)
	about = append(about, scene.Variable{Name: daemonEnv, Value: strconv.Itoa(os.Getpid())})
	cfg.Env = slices.DeleteFunc(cfg.Env, func(v string) bool { return strings.HasPrefix(v, daemonEnv+"=") })
	cfg.Env = append(cfg.Env, assignments(about)...)
	session, err := sandbox.Open(cfg)
	if err != nil {
		return &codeError{err, failedToRun}
	}
	defer session.Close()
	if err := writeEnvFile(o.envFile, changedVars(cs.vars, session.Env)); err != nil {
		return &codeError{err, failedToRun}
	}
	for _, text := range events.of(sandbox.Unreachable) { // addresses that usher could not listen on
		cs.say("WARNING: programs without a hook do not reach %s", text)
	}
	fmt.Fprintln(cs.out, ready) // and nothing after it: the reader exits
	<-ctx.Done()
	if archive != nil {
		if err := run.writeArchive(archive); err != nil {
			return &codeError{fmt.Errorf("writing --record %s: %w", o.record, err), failedToRun}
		}
	}
	return nil
}

// changedVars are the variables that differ from before.
func changedVars(before, after []string) (changed []string) {
	for _, v := range after {
		if !slices.Contains(before, v) {
			changed = append(changed, v)
		}
	}
	slices.Sort(changed)
	return changed
}

// writeEnvFile adds variables to a file that only its owner can read. CI systems read
// lines of NAME=VALUE; a shell needs quotes.
func writeEnvFile(path string, vars []string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("writing --env-file: %w", err)
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		if strings.HasSuffix(path, ".sh") {
			_, err = fmt.Fprintf(f, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
		} else if strings.ContainsAny(value, "\r\n") {
			return fmt.Errorf("writing --env-file: %s has more than one line: let the file end in .sh", name)
		} else {
			_, err = io.WriteString(f, v+"\n")
		}
		if err != nil {
			return fmt.Errorf("writing --env-file: %w", err)
		}
	}
	return nil
}
