package cli

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite docs/cli.md from the commands")

// docs/cli.md is generated from the commands, so that it cannot name a flag or a
// variable that does not exist.
func TestCommandLineIsDocumented(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "cli.md")
	want := commandLineDocument()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/cli.md does not match the commands: go test ./internal/cli -update")
	}
}

func commandLineDocument() []byte {
	a := newApp(nil, nil, nil, func(string) (string, bool) { return "", false }, nil, "usher")
	var b bytes.Buffer
	b.WriteString(`# The command line

` + "`go test ./internal/cli -update`" + ` writes this page from the commands. Each flag can also be set in the environment, by the
name in brackets; a flag takes precedence. Separate several values of a variable with spaces.

Exit codes: 0 done, 1 failed or rejected, 2 usage error, 3 server unreachable, 130 interrupted with Ctrl-C. An error is one
line on standard error, ` + "`error: …`" + `, followed by a line ` + "`hint: …`" + ` if there is a next step.
` + "`usher completion bash|zsh|fish|powershell`" + ` prints a completion script.
`)
	root := a.root()
	root.InitDefaultCompletionCmd()
	describe(&b, root)
	return b.Bytes()
}

// describe writes a command and its subcommands.
func describe(b *bytes.Buffer, cmd *cobra.Command) {
	if cmd.Name() == "help" || cmd.Name() == "completion" || cmd.Hidden {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", cmd.CommandPath())
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(b, "```text\n%s\n", text)
	if cmd.Runnable() {
		fmt.Fprintf(b, "\n%s\n", cmd.UseLine())
	}
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n%s\n", cmd.Example)
	}
	if flags := usages(cmd); flags != "" {
		fmt.Fprintf(b, "\n%s", flags)
	}
	b.WriteString("```\n")
	for _, sub := range cmd.Commands() {
		describe(b, sub)
	}
}

// usages lists a command's own flags, without the flags that all commands have.
func usages(cmd *cobra.Command) string {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "version" {
			flags.AddFlag(f)
		}
	})
	return strings.ReplaceAll(flags.FlagUsages(), displayHome(), "~")
}

func displayHome() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return "\x00"
	}
	return home
}

// The help of each flag names its variable, and no two flags of a command have the same
// one.
func TestEveryFlagHasAVariable(t *testing.T) {
	a := newApp(nil, nil, nil, func(string) (string, bool) { return "", false }, nil, "usher")
	count := 0
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" || f.Name == "version" {
				return
			}
			count++
			if !strings.Contains(f.Usage, "["+envName(f.Name)+"]") {
				t.Errorf("%s --%s: the help does not name %s", cmd.CommandPath(), f.Name, envName(f.Name))
			}
		})
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(a.root())
	if count < 30 {
		t.Errorf("only %d flags were found", count)
	}
}

// Each listing has --json.
func TestListingsHaveJSON(t *testing.T) {
	a := newApp(nil, nil, nil, func(string) (string, bool) { return "", false }, nil, "usher")
	count := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Name() == "list" || cmd.Name() == "resources" {
			count++
			if cmd.Flags().Lookup("json") == nil {
				t.Errorf("%s has no --json", cmd.CommandPath())
			}
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(a.root())
	if count < 12 {
		t.Errorf("only %d listings were found", count)
	}
}
