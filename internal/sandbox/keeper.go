package sandbox

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// keeper is a process that cleans up when this one has ended, however it ended: it
// reads from a pipe what there is to clean up, and acts at the end of the pipe.
type keeper struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// Words that a keeper reads, each with a value after it.
const (
	keepNetwork  = "network"  // end the processes in a network namespace
	keepPrograms = "programs" // end the processes whose environment names a folder
	keepFolder   = "folder"   // remove a folder
)

// Detach keeps a command out of the reach of what is sent to this process's terminal
// and group.
func Detach(cmd *exec.Cmd) { detach(cmd) }

func startKeeper() (*keeper, error) {
	cmd, err := helper(keeperHelper)
	if err != nil {
		return nil, err
	}
	cmd.Env = []string{}                                                     // it needs nothing, and lives longer than secrets should
	cmd.Dir = filepath.VolumeName(os.TempDir()) + string(filepath.Separator) // it keeps no folder from being removed
	detach(cmd)
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the process that cleans up: %w", err)
	}
	return &keeper{cmd, pipe}, nil
}

// add gives it something to clean up.
func (k *keeper) add(word, value string) error {
	_, err := fmt.Fprintf(k.pipe, "%s %s\n", word, value)
	return err
}

// end cleans up now.
func (k *keeper) end() {
	_ = k.pipe.Close()
	_ = k.cmd.Wait()
}

// runKeeper is the process. It has been told everything when the pipe ends.
func runKeeper(pipe io.Reader) int {
	ignoreSignals()
	var network, programs, folder string
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		word, value, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case keepNetwork:
			network = value
		case keepPrograms:
			programs = value
		case keepFolder:
			folder = value
		}
	}
	if network != "" {
		endProcesses(inNetwork(network))
	}
	if programs != "" {
		endProcesses(namedIn(programs))
	}
	if folder != "" && removeFolder(folder) != nil {
		return 1
	}
	return 0
}

// removeFolder removes a folder. On Windows, a program that has just been ended
// still holds its files for a moment.
func removeFolder(folder string) error {
	var err error
	for range 20 {
		if err = os.RemoveAll(folder); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}
