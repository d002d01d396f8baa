// Command usher is Plex-compatible authentication that you run yourself.
// The command line itself is package cli.
package main

import (
	"os"

	"github.com/usher-auth/usher/internal/cli"
)

func main() { os.Exit(cli.Main()) }
