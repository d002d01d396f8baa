package cli

import (
	"bufio"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// console is where a command is asked and answers: the three streams, and
// whether the answer is JSON.
type console struct {
	in       io.Reader
	out, err io.Writer
	json     bool // --json

	lines *bufio.Reader // reads in; nil until the first read
}

// jsonFlag adds --json to a listing.
func (c *console) jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
