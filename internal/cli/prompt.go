package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/usher-auth/usher/plexauth"
)

// errInterrupted is for a prompt that was left by Ctrl-C.
var errInterrupted = errors.New("interrupted")

// interactive reports whether there is somebody to ask.
func (a *app) interactive() bool { return isTerminal(a.in) && isTerminal(a.err) }

// ask asks for a line, if there is somebody to ask, and reads it either way:
// a script's answer comes on standard input.
func (a *app) ask(ctx context.Context, prompt string) (plexauth.Secret, error) {
	if a.interactive() {
		fmt.Fprint(a.err, prompt)
	}
	return a.readAnswer(ctx)
}

// readAnswer reads the next line of standard input. The line break is not part
// of it.
func (a *app) readAnswer(ctx context.Context) (plexauth.Secret, error) {
	if a.lines == nil {
		a.lines = bufio.NewReader(a.in)
	}
	return a.await(ctx, func() (plexauth.Secret, error) {
		line, err := a.lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading standard input: %w", err)
		}
		return plexauth.Secret(strings.TrimRight(line, "\r\n")), nil
	})
}

// askUnseen asks on the terminal and does not show what is typed. The terminal
// is as it was when this returns, also when it was interrupted.
func (a *app) askUnseen(ctx context.Context, prompt string) (plexauth.Secret, error) {
	fd := int(a.in.(*os.File).Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("reading from the terminal: %w", err)
	}
	defer term.Restore(fd, before)
	fmt.Fprint(a.err, prompt)
	text, err := a.await(ctx, func() (plexauth.Secret, error) {
		text, err := term.ReadPassword(fd)
		if err != nil {
			return "", fmt.Errorf("reading from the terminal: %w", err)
		}
		return plexauth.Secret(text), nil
	})
	if err == nil {
		fmt.Fprintln(a.err) // what ended the line was not shown either
	}
	return text, err
}

// await reads until ctx ends. A read from a terminal cannot be ended: it is
// left behind, since the program ends then.
func (a *app) await(ctx context.Context, read func() (plexauth.Secret, error)) (plexauth.Secret, error) {
	type answer struct {
		text plexauth.Secret
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := read()
		answers <- answer{text, err}
	}()
	select {
	case got := <-answers:
		return got.text, got.err
	case <-ctx.Done():
		return "", errInterrupted
	}
}
