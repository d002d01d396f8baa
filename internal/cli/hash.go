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

// hashWorker is the command that a server calls for itself.
const hashWorker = "hash-worker"

// hashCommand runs this program as a process that hashes. On Linux, the
// program that runs is found even when its file has been replaced since.
func hashCommand() *exec.Cmd {
	program, err := os.Executable()
	if err != nil || runtime.GOOS == "linux" {
		program = "/proc/self/exe"
	}
	cmd := exec.Command(program, hashWorker)
	// None of the server's secrets, which its environment may have.
	cmd.Env = []string{}
	return cmd
}

func hashWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use: hashWorker, Hidden: true, Args: takes(0),
		Short: "Hash passwords for the server that started this process",
		RunE: func(*cobra.Command, []string) error {
			// A terminal's ^C and its end reach this process, too; it ends
			// when the server has no more for it.
			signal.Ignore(os.Interrupt, syscall.SIGHUP)
			return hashing.Serve()
		},
	}
}
