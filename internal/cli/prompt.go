package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/usher-auth/usher/plexauth"
)

// errInterrupted is for a prompt that was left by Ctrl-C.
var errInterrupted = errors.New("interrupted")

// interactive reports whether there is somebody to ask.
func (c *console) interactive() bool { return isTerminal(c.in) && isTerminal(c.err) }

// ask asks for a line, if there is somebody to ask, and reads it either way:
// a script's answer comes on standard input.
func (c *console) ask(ctx context.Context, prompt string) (plexauth.Secret, error) {
	if c.interactive() {
		fmt.Fprint(c.err, prompt)
	}
	return c.readAnswer(ctx)
}

// readAnswer reads the next line of standard input. The line break is not part
// of it.
func (c *console) readAnswer(ctx context.Context) (plexauth.Secret, error) {
	if c.lines == nil {
		c.lines = bufio.NewReader(c.in)
	}
	return c.await(ctx, func() (plexauth.Secret, error) {
		line, err := c.lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading standard input: %w", err)
		}
		return plexauth.Secret(strings.TrimRight(line, "\r\n")), nil
	})
}

// askUnseen asks on the terminal and does not show what is typed. The terminal
// is as it was when this returns, also when it was interrupted.
func (c *console) askUnseen(ctx context.Context, prompt string) (plexauth.Secret, error) {
	fd := int(c.in.(*os.File).Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("reading from the terminal: %w", err)
	}
	defer term.Restore(fd, before)
	fmt.Fprint(c.err, prompt)
	text, err := c.await(ctx, func() (plexauth.Secret, error) {
		text, err := term.ReadPassword(fd)
		if err != nil {
			return "", fmt.Errorf("reading from the terminal: %w", err)
		}
		return plexauth.Secret(text), nil
	})
	if err == nil {
		fmt.Fprintln(c.err) // what ended the line was not shown either
	}
	return text, err
}

// await reads until ctx ends. A read from a terminal cannot be ended: it is
// left behind, since the program ends then.
func (c *console) await(ctx context.Context, read func() (plexauth.Secret, error)) (plexauth.Secret, error) {
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

func passwordFlag(cmd *cobra.Command, fromStdin *bool) {
	cmd.Flags().BoolVar(fromStdin, "password-stdin", false, "read the password from the first line of standard input")
}

// newPassword gets a new password: typed twice at a terminal, or from standard
// input.
func (c *console) newPassword(ctx context.Context, fromStdin bool) (plexauth.Secret, error) {
	if fromStdin {
		return c.readAnswer(ctx)
	}
	if !c.interactive() {
		return "", noTerminal()
	}
	first, err := c.askUnseen(ctx, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := c.askUnseen(ctx, "Once more: ")
	if err != nil {
		return "", err
	}
	if !first.Equal(second) {
		return "", errors.New("the two passwords differ")
	}
	return first, nil
}

// noTerminal is the error for a password that cannot be asked for.
func noTerminal() error {
	return &usageError{&hintError{
		errors.New("there is no terminal to ask for the password on"), "give it on standard input with --password-stdin",
	}}
}
