package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
)

// How usher talks on a terminal:
//
//   - What was asked for goes to standard output; everything else, the request
//     log included, to standard error.
//   - A failure is one line, "error: " and what happened, in lower case and
//     without a full stop; where there is a next step, a line "hint: " with it.
//   - Exit codes: 0 done, 1 failed or refused, 2 used wrongly, 3 unreachable.
//   - Nothing is asked unless both ends are a terminal. A password is never an
//     argument: it is typed unseen, or comes on standard input.
//   - Each listing has --json, whose keys stay as they are.

// app is one run of the program.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
	self     string // how the program was called

	data    string // --data
	keyFile string // --key-file
	json    bool   // --json
	client  clientFlags
	started bool // the command line was understood

	lines *bufio.Reader // in, once something has been read from it
}

// Exit codes.
const (
	exitFailed      = 1 // or refused
	exitUsage       = 2
	exitUnreachable = 3
)

// run carries out a command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	err = tidy(err)
	if errors.Is(err, errInterrupted) && a.interactive() {
		fmt.Fprintln(a.err) // the terminal shows ^C where the line was
	}
	fmt.Fprintln(a.err, "error:", strings.ReplaceAll(err.Error(), "\n", "; "))
	var h *hintError
	var u *usageError
	switch {
	case errors.As(err, &h):
		fmt.Fprintln(a.err, "hint:", h.hint)
	case !a.started || errors.As(err, &u):
		fmt.Fprintf(a.err, "hint: %s --help\n", cmd.CommandPath())
	}
	var c *codeError
	switch {
	case !a.started || errors.As(err, &u):
		return exitUsage
	case errors.As(err, &c):
		return c.code
	}
	return exitFailed
}

// commandLine is whoever runs this program, as the audit log names them.
func commandLine() audit.Actor {
	actor := audit.Actor{Name: "command line"}
	if u, err := user.Current(); err == nil {
		actor.Name += " (" + u.Username + ")"
	}
	return actor
}

// codeError is an error with an exit code of its own.
type codeError struct {
	error
	code int
}

func (e *codeError) Unwrap() error { return e.error }

// tidy makes one line of what cobra says about a command that is not there:
// its suggestion becomes the hint.
func tidy(err error) error {
	what, suggestions, found := strings.Cut(err.Error(), "\n\nDid you mean this?")
	if fields := strings.Fields(suggestions); found && len(fields) > 0 {
		return &hintError{errors.New(what), "usher " + fields[0]}
	}
	return err
}

// hintError is an error with a next step.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// usageError is a wrong use that is found only once the command runs.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func wrongUse(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

const envPrefix = "USHER_"

// root builds the tree of commands. Every flag of every command gets its
// environment variable here, and its help names it.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "usher",
		Short: "Plex-compatible authentication that you run yourself",
		Long: `usher is Plex-compatible authentication that you run yourself: it signs people
in, gives their programs tokens, and tells them how to reach their servers.

  usher serve                      run it, with its data in your home folder
  usher account add NAME --admin   make an account
  usher signin NAME                sign in to it
  usher --help                     this page; each command has one, too

Every flag can also be given in the environment, as its help says.`,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.started = true
			return a.flagsFromEnv(cmd.Flags())
		},
	}
	root.Version = version()
	root.SetVersionTemplate("usher {{.Version}}\n")
	flags := root.PersistentFlags()
	where := ""
	if folder := a.defaultData(); folder != "" {
		where = " (default " + displayPath(folder) + ")"
	}
	flags.StringVar(&a.data, "data", "", "`folder` that holds the database"+where)
	flags.StringVar(&a.keyFile, "key-file", "", "`file` with the key that secrets are sealed with (default usher.key in the data folder)")
	root.AddGroup(&cobra.Group{ID: "server", Title: "Run a server and keep its data:"},
		&cobra.Group{ID: "client", Title: "Be a client of a server:"})
	for _, cmd := range []*cobra.Command{
		a.serveCommand(), a.accountCommand(), a.serverCommand(), a.providerCommand(), a.shareCommand(), a.tokenCommand(),
		a.originCommand(), a.auditCommand(), a.backupCommand(), a.newKeyCommand(),
	} {
		cmd.GroupID = "server"
		root.AddCommand(cmd)
	}
	for _, cmd := range []*cobra.Command{
		a.signInCommand(), a.signOutCommand(), a.whoAmICommand(), a.resourcesCommand(), a.sourceCommand(),
	} {
		cmd.GroupID = "client"
		root.AddCommand(cmd)
	}
	root.AddCommand(a.hashWorkerCommand())
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Args = cobra.NoArgs // what is no shell is a command that is not there
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	root.SetHelpCommand(helpCommand(root))
	nameEnv(root)
	complete(root)
	return root
}

// helpCommand is cobra's, but for a topic that is not there, which is an error.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Help about any command", ValidArgsFunction: completeTopic,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return wrongUse("there is no command %q", strings.Join(args, " "))
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// nameEnv writes each flag's environment variable into its help.
func nameEnv(cmd *cobra.Command) {
	add := func(f *pflag.Flag) {
		if name := " [" + envName(f.Name) + "]"; !strings.HasSuffix(f.Usage, name) {
			f.Usage += name
		}
	}
	cmd.PersistentFlags().VisitAll(add)
	cmd.LocalNonPersistentFlags().VisitAll(add)
	for _, sub := range cmd.Commands() {
		nameEnv(sub)
	}
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// flagsFromEnv sets the flags that were not given from the environment.
func (a *app) flagsFromEnv(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := a.env(envName(f.Name))
		if f.Changed || !ok || value == "" || f.Name == "help" || f.Name == "version" {
			return
		}
		for _, v := range envValues(f, value) {
			if err := flags.Set(f.Name, v); err != nil {
				errs = append(errs, wrongUse("%s: %w", envName(f.Name), err))
			}
		}
	})
	if a.data == "" {
		a.data = a.defaultData()
	}
	if a.keyFile == "" {
		a.keyFile = a.defaultKeyFile()
	}
	errs = append(errs, absolute(&a.data), absolute(&a.keyFile))
	return errors.Join(errs...)
}

// absolute makes a path one that means the same wherever it is read: in a hint
// that is pasted elsewhere, or in a log.
func absolute(path *string) (err error) {
	if *path == "" {
		return nil
	}
	*path, err = filepath.Abs(*path)
	return err
}

// defaultKeyFile is empty when the data folder is not known.
func (a *app) defaultKeyFile() string {
	if a.data == "" {
		return ""
	}
	return filepath.Join(a.data, "usher.key")
}

// envValues splits the variable of a flag that may be given more than once.
func envValues(f *pflag.Flag, value string) []string {
	if t := f.Value.Type(); t == "stringArray" || t == "URI" {
		return strings.Fields(value)
	}
	return []string{value}
}

// group is a command that only holds others.
func group(use, short, long string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

// takes is the check of a command's arguments, which its Use line names.
func takes(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		switch n {
		case 0:
			return wrongUse("%s takes no arguments", cmd.CommandPath())
		case 1:
			return wrongUse("%s takes one argument, not %d", named(cmd), len(args))
		}
		return wrongUse("%s takes %d arguments, not %d", named(cmd), n, len(args))
	}
}

// named is a command with the names of its arguments.
func named(cmd *cobra.Command) string {
	use, _, _ := strings.Cut(cmd.Use, " --")
	return strings.TrimSuffix(cmd.CommandPath(), cmd.Name()) + use
}

// jsonFlag gives a listing its --json.
func (a *app) jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return cmd
}

// version is the module's version as the Go tool wrote it into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

// defaultData is where this system keeps a user's data. It is empty when the
// user has no home: a folder that depends on where usher is called from would
// be a new one each time.
func (a *app) defaultData() string {
	if dir, ok := a.env("XDG_DATA_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "usher")
	}
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return ""
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Library", "Application Support", "usher")
	case "windows":
		if dir, ok := a.env("LOCALAPPDATA"); ok {
			return filepath.Join(dir, "usher")
		}
	}
	return filepath.Join(home, ".local", "share", "usher")
}

// displayPath shortens a path for reading.
func displayPath(path string) string {
	if home, err := os.UserHomeDir(); err == nil {
		if rest, ok := strings.CutPrefix(path, home+string(filepath.Separator)); ok {
			return filepath.Join("~", rest)
		}
	}
	return path
}

// isTerminal reports whether a stream is one that a person sits at.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// withCore opens the data folder for one command. What the command changes holds
// whether a server runs or not: a running one notices within a second.
func (a *app) withCore(ctx context.Context, do func(context.Context, *core.Core) error) error {
	return a.with(ctx, core.Config{MustExist: true}, do)
}

// withNewCore is withCore for a command that may be the first one: it creates
// the database if there is none.
func (a *app) withNewCore(ctx context.Context, do func(context.Context, *core.Core) error) error {
	return a.with(ctx, core.Config{}, do)
}

func (a *app) with(ctx context.Context, cfg core.Config, do func(context.Context, *core.Core) error) (err error) {
	c, err := a.open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if c.Created {
		fmt.Fprintf(a.err, "Made a new database in %s.\n", a.data)
	}
	return do(ctx, c)
}

// open opens the data folder that the flags name.
func (a *app) open(ctx context.Context, cfg core.Config) (*core.Core, error) {
	if err := a.locate(&cfg); err != nil {
		return nil, err
	}
	c, err := core.Open(ctx, cfg)
	return c, a.explainOpen(err)
}

// locate fills in where the data is.
func (a *app) locate(cfg *core.Config) error {
	if a.data == "" {
		return &usageError{&hintError{errors.New("there is no home folder to keep data in"), "name a folder with --data"}}
	}
	cfg.Dir, cfg.KeyFile = a.data, a.keyFile
	return nil
}

// explainOpen adds the next step to an error of opening the data folder.
func (a *app) explainOpen(err error) error {
	if errors.Is(err, core.ErrNoDatabase) {
		return &hintError{err, "name its folder with --data; usher serve and usher account add make a new one"}
	}
	if folderErr := (*core.FolderError)(nil); errors.As(err, &folderErr) {
		return &hintError{err, "choose a folder that you may write to, with --data"}
	}
	if keyErr := (*core.KeyError)(nil); errors.As(err, &keyErr) {
		return &hintError{err, "name it with --key-file, or put it back from the backup; if it is lost: " + a.command("new-key")}
	}
	return err
}

// command is how this program is to be called again from the same place, with
// flags that point at the same data.
func (a *app) command(args string) string {
	name := a.self
	if strings.Contains(filepath.ToSlash(name), "/go-build") {
		name = "go run ./cmd/usher"
	}
	if a.data != a.defaultData() {
		args += " --data " + shellQuote(a.data)
	}
	if a.keyFile != a.defaultKeyFile() {
		args += " --key-file " + shellQuote(a.keyFile)
	}
	return name + " " + args
}

// shellQuote makes text one word of a POSIX shell.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
