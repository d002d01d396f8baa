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

// errInterrupted is the error of a prompt that was cancelled with Ctrl-C.
var errInterrupted = errors.New("interrupted")

// interactive reports whether a command can prompt.
func (c *console) interactive() bool { return isTerminal(c.in) && isTerminal(c.err) }

// ask prompts for a line if it can, and reads it from standard input in any case:
// a script passes its answer there.
func (c *console) ask(ctx context.Context, prompt string) (plexauth.Secret, error) {
	if c.interactive() {
		fmt.Fprint(c.err, prompt)
	}
	return c.readAnswer(ctx)
}

// confirm asks for confirmation of an irreversible change on a terminal. Without
// a terminal, the command continues without confirmation.
func (c *console) confirm(ctx context.Context, yes bool, question string) error {
	if yes || !c.interactive() {
		return nil
	}
	answer, err := c.ask(ctx, question+" This cannot be undone. [y/N] ")
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(string(answer))) {
	case "y", "yes":
		return nil
	}
	return &hintError{errors.New("cancelled; nothing was changed"), "--yes skips the question"}
}

func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVar(yes, "yes", false, "do not ask for confirmation on a terminal")
}

// readAnswer reads the next line of standard input, without the line break.
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

// askUnseen prompts on the terminal and reads without echo. It restores the
// terminal before it returns, even if it was interrupted.
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
		fmt.Fprintln(c.err) // the line break was not echoed either
	}
	return text, err
}

// await reads until ctx is cancelled. A read from a terminal cannot be cancelled;
// its goroutine is abandoned, because the program exits then.
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

// newPassword reads a new password: typed twice on a terminal, or from standard
// input.
func (c *console) newPassword(ctx context.Context, fromStdin bool) (plexauth.Secret, error) {
	if fromStdin {
		return c.readAnswer(ctx)
	}
	if !c.interactive() {
		return "", noTerminal()
	}
	return c.askTwice(ctx, "password")
}

// askTwice prompts for a new secret on the terminal, twice.
func (c *console) askTwice(ctx context.Context, what string) (plexauth.Secret, error) {
	first, err := c.askUnseen(ctx, strings.ToUpper(what[:1])+what[1:]+": ")
	if err != nil {
		return "", err
	}
	second, err := c.askUnseen(ctx, "Repeat the "+what+": ")
	if err != nil {
		return "", err
	}
	if !first.Equal(second) {
		return "", fmt.Errorf("the %ss do not match", what)
	}
	return first, nil
}

// noTerminal returns the error if a password is required and there is no terminal.
func noTerminal() error {
	return &usageError{&hintError{
		errors.New("there is no terminal to ask for the password"), "pass it on standard input with --password-stdin",
	}}
}
