package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
)

// defaultPager shows colours, leaves a listing on the screen, and exits immediately if
// it fits there.
const defaultPager = "less -FRX"

// errPagerGone reports that the user has quit the pager.
var errPagerGone = errors.New("the pager has exited")

// paged runs print, and pipes its output through a pager if it is written to a terminal and
// longer than the terminal.
func (c *console) paged(print func() error) error {
	_, height := c.size()
	command := c.pagerCommand()
	if height == 0 || len(command) == 0 {
		return print()
	}
	terminal := c.out
	p := &pager{command: command, out: terminal, err: c.err, room: height - 1}
	c.out = p
	err := print()
	c.out = terminal
	if errors.Is(err, errPagerGone) {
		err = nil // quitting the pager is not an error
	}
	return errors.Join(err, p.finish())
}

// pagerCommand returns the command of the pager, or nil without a pager.
func (c *console) pagerCommand() []string {
	text, set := c.env("PAGER")
	switch {
	case c.noPager || set && strings.TrimSpace(text) == "":
		return nil
	case !set:
		text = defaultPager
	}
	words := strings.Fields(text)
	if _, err := exec.LookPath(words[0]); err != nil && (!set || runtime.GOOS == "windows") {
		return nil
	}
	if set && runtime.GOOS != "windows" {
		return []string{"sh", "-c", text} // it can contain quotes and variables
	}
	return words
}

// pager buffers the output of a listing until it is longer than the terminal, and then
// pipes it to a command.
type pager struct {
	command  []string
	out, err io.Writer
	room     int // lines that still fit the terminal

	held    bytes.Buffer
	process *exec.Cmd // nil: not started
	input   io.WriteCloser
}

// Write implements io.Writer. The error of a pager that has exited is errPagerGone.
func (p *pager) Write(b []byte) (int, error) {
	if p.process == nil {
		p.held.Write(b)
		if p.room -= bytes.Count(b, []byte{'\n'}); p.room >= 0 {
			return len(b), nil
		}
		return len(b), p.start()
	}
	if _, err := p.input.Write(b); err != nil {
		return 0, errPagerGone
	}
	return len(b), nil
}

// start starts the command and passes on the buffered output.
func (p *pager) start() (err error) {
	p.process = exec.Command(p.command[0], p.command[1:]...)
	p.process.Stdout, p.process.Stderr = p.out, p.err
	if p.input, err = p.process.StdinPipe(); err != nil {
		return err
	}
	if err := p.process.Start(); err != nil {
		return err
	}
	if _, err := p.held.WriteTo(p.input); err != nil {
		return errPagerGone
	}
	return nil
}

// finish waits until the user quits the pager. Buffered output is printed.
func (p *pager) finish() error {
	if p.process == nil {
		_, err := p.held.WriteTo(p.out)
		return err
	}
	if p.process.Process == nil {
		return nil // it did not start, which Write has reported
	}
	_ = p.input.Close() // a pager that has exited has closed it
	_ = p.process.Wait()
	switch p.process.ProcessState.ExitCode() {
	case 126, 127: // the shell's codes for a command that cannot be started
		return &hintError{fmt.Errorf("cannot start the pager %s", p.command[len(p.command)-1]), "set PAGER, or use --no-pager"}
	}
	return nil // other exit codes do not concern the listing
}
