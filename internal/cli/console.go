package cli

import (
	"bufio"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// console is the input and output of a command: the three streams, and
// whether the output is JSON.
type console struct {
	in       io.Reader
	out, err io.Writer
	json     bool // --json
	limit    int  // --limit; 0: no limit
	noPager  bool // --no-pager
	env      environ

	lines *bufio.Reader // reads in; nil until the first read
}

// jsonFlag adds --json to a listing.
func (c *console) jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

// listFlags adds the flags of a listing that can be long.
func (c *console) listFlags(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().IntVar(&c.limit, "limit", 0, "list at most this `number` (default all)")
	cmd.Flags().BoolVar(&c.noPager, "no-pager", false, "do not show a long listing in a pager, which is $PAGER or less")
	return c.jsonFlag(cmd)
}

// size returns the width and height of the terminal that the result is written to, or 0
// if it is not written to a terminal.
func (c *console) size() (width, height int) {
	if !isTerminal(c.out) {
		return 0, 0
	}
	width, height, err := term.GetSize(int(c.out.(*os.File).Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
