package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The man page is generated from the commands, like docs/cli.md.
func TestManPageIsGenerated(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "usher.1")
	want := manPage()
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
		t.Error("docs/usher.1 does not match the commands: go test ./internal/cli -run ManPage -update")
	}
}

// manDate is the date in the header of the page. Man pages must have one.
const manDate = "2026-11-27"

// manPage returns a page for man(1), in the macros of man(7).
func manPage() []byte {
	a := newApp(nil, nil, nil, func(string) (string, bool) { return "", false }, nil, "usher")
	root := a.root()
	root.InitDefaultCompletionCmd()
	m := &man{}
	m.line(`.\" go test ./internal/cli -run ManPage -update writes this page from the commands.`)
	m.line(`.TH USHER 1 "` + manDate + `" usher`)
	m.line(".SH NAME")
	m.line(`usher \- ` + escapeMan(root.Short))
	m.line(".SH SYNOPSIS")
	m.line(`.B usher`)
	m.line(`.I command`)
	m.line(`.RI [ argument ...]`)
	m.line(`.RI [ flag ...]`)
	m.line(".SH DESCRIPTION")
	m.text(root.Long)
	m.line(".SH OPTIONS")
	m.line("These belong to every command.")
	m.flags(root)
	m.line(".SH COMMANDS")
	for _, cmd := range root.Commands() {
		m.command(cmd)
	}
	m.line(".SH ENVIRONMENT")
	m.text("Each flag can also be set by the variable in brackets. A flag takes precedence over a variable, and a variable over the file of --config. " +
		"Separate several values of a variable with spaces. " + adminPasswordEnv + " is the password of the first admin, and " + passphraseEnv + " the passphrase of backups.")
	m.line(".SH FILES")
	m.term("~/.local/share/usher", "The data, unless --data names another folder.")
	m.term("/etc/usher/usher.env", "The settings of the service that the Debian package installs.")
	m.line(".SH EXIT STATUS")
	for _, code := range [][2]string{
		{"0", "Done."}, {"1", "Failed or rejected."}, {"2", "Usage error."}, {"3", "The server cannot be reached."}, {"130", "Interrupted with Ctrl-C."},
	} {
		m.term(code[0], code[1])
	}
	m.line(".SH SEE ALSO")
	m.line(`.BR systemctl (1),`)
	m.line(`.BR journalctl (1)`)
	m.line(".PP")
	m.line(`https://github.com/usher\-auth/usher`)
	return m.Bytes()
}

// man writes a page line by line.
type man struct{ bytes.Buffer }

func (m *man) line(text string) { m.WriteString(text + "\n") }

// escapeMan escapes text, so that it is not read as macros and dashes are preserved.
func escapeMan(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}

// text writes paragraphs. Indented lines are preserved.
func (m *man) text(text string) {
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 {
			m.line(".PP")
		}
		if strings.HasPrefix(paragraph, "  ") {
			m.example(paragraph)
			continue
		}
		for line := range strings.Lines(paragraph) {
			m.line(escapeMan(strings.TrimSpace(line)))
		}
	}
}

func (m *man) example(text string) {
	m.line(".RS 4\n.nf")
	for line := range strings.Lines(text) {
		m.line(escapeMan(strings.TrimRight(strings.TrimPrefix(line, "  "), " \n")))
	}
	m.line(".fi\n.RE")
}

func (m *man) term(name, about string) {
	m.line(".TP")
	m.line(`.B ` + escapeMan(name))
	m.line(escapeMan(about))
}

// command writes a command and its subcommands.
func (m *man) command(cmd *cobra.Command) {
	if cmd.Name() == "help" || cmd.Name() == "completion" || cmd.Hidden {
		return
	}
	m.line(".SS " + `"` + escapeMan(cmd.CommandPath()) + `"`)
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	m.text(text)
	if cmd.Runnable() && !cmd.HasSubCommands() {
		m.line(".PP")
		m.line(`.B ` + escapeMan(cmd.UseLine()))
	}
	m.flags(cmd)
	if cmd.Example != "" {
		m.line(".PP")
		m.line("For example:")
		m.line(".PP")
		m.example(cmd.Example)
	}
	for _, sub := range cmd.Commands() {
		m.command(sub)
	}
}

// flags lists a command's own flags.
func (m *man) flags(cmd *cobra.Command) {
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Name == "version" || f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		m.line(".TP")
		name := `\fB` + escapeMan("--"+f.Name) + `\fR`
		if value != "" {
			name += ` \fI` + escapeMan(value) + `\fR`
		}
		m.line(name)
		if f.Name == "data" { // its default depends on the system
			usage = strings.Replace(usage, usage[strings.Index(usage, " (default"):strings.Index(usage, " [")], "", 1)
		}
		usage = strings.ReplaceAll(usage, displayHome(), "~")
		m.line(escapeMan(usage) + ".")
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && d != "0s" && !strings.Contains(usage, "(default ") {
			m.line(escapeMan(fmt.Sprintf("The default is %s.", d)))
		}
	})
}
