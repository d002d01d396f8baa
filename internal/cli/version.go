package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// versionJSON describes the build of a binary.
type versionJSON struct {
	Version  string `json:"version"`            // without a v; "dev" if it is not known
	Commit   string `json:"commit,omitempty"`   // of the source
	Time     string `json:"time,omitempty"`     // of the commit
	Modified bool   `json:"modified,omitempty"` // the source had changes that were not committed
	Go       string `json:"go"`                 // the version of Go that built it
	OS       string `json:"os"`                 // the system that it runs on
	Arch     string `json:"arch"`               // the architecture that it runs on
}

func (c *console) versionCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "version", Short: "Print the version", Args: takes(0),
		RunE: func(*cobra.Command, []string) error {
			if c.json {
				return c.printJSON(readVersion())
			}
			_, err := fmt.Fprintln(c.out, "usher", version())
			return err
		},
	})
}

// version is the module's version as the Go tool wrote it into the binary.
func version() string { return readVersion().Version }

// readVersion reads the build information that the Go tool wrote into the binary.
func readVersion() versionJSON {
	v := versionJSON{Version: "dev", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = strings.TrimPrefix(info.Main.Version, "v")
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
