package cli

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/hashing"
)

// hashWorker is the command that a server runs as its hashing processes.
const hashWorker = "hash-worker"

// hashCommand runs this program as a hashing process. On Linux, it finds the running
// program even if its file has been replaced since.
func hashCommand() *exec.Cmd {
	program, err := os.Executable()
	if err != nil || runtime.GOOS == "linux" {
		program = "/proc/self/exe"
	}
	cmd := exec.Command(program, hashWorker)
	// The environment may contain secrets of the server.
	cmd.Env = []string{}
	return cmd
}

func hashWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use: hashWorker, Hidden: true, Args: takes(0),
		Short: "Hash passwords for the server that started this process",
		RunE: func(*cobra.Command, []string) error {
			// Ctrl-C and the close of a terminal reach this process, too. It
			// exits when the server closes its standard input.
			signal.Ignore(os.Interrupt, syscall.SIGHUP)
			return hashing.Serve()
		},
	}
}
