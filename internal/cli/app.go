package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/usher-auth/usher/internal/fault"
)

// Conventions of the terminal output:
//
//   - The result goes to standard output, everything else to standard error,
//     including the request log.
//   - A result, an error and a hint are one line each, in lower case and without
//     a full stop. An error begins with "error: "; if there is a next step, a
//     line follows that begins with "hint: ". Instructions of several lines are
//     sentences.
//   - Exit codes: 0 done, 1 failed or rejected, 2 usage error, 3 unreachable, and
//     128 plus the number of the signal that interrupted the command: 130 for
//     Ctrl-C.
//   - A command prompts only if standard input and standard error are a
//     terminal. A password is never an argument: it is typed without echo, or
//     read from standard input.
//   - Each listing has --json, whose keys do not change.

// app is one run of the program: the frame of the commands of each feature, and their
// shared state.
type app struct {
	console *console
	folder  *folder
	remote  *remote
	env     environ
	vars    []string    // the environment, as NAME=value
	started bool        // the command line was parsed
	from    provenances // the origins of the values of the command's flags
}

// newApp returns a run of the program that was called as self. env looks up one of
// vars, the environment.
func newApp(in io.Reader, out, err io.Writer, env environ, vars []string, self string) *app {
	con := &console{in: in, out: out, err: err, env: env}
	return &app{
		console: con,
		folder:  &folder{env: env, self: self, notes: err},
		remote:  &remote{env: env, console: con},
		env:     env,
		vars:    vars,
		from:    make(provenances),
	}
}

// Exit codes.
const (
	exitFailed      = 1 // or rejected
	exitUsage       = 2
	exitUnreachable = 3
)

// run runs a command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.console.in)
	root.SetOut(a.console.out)
	root.SetErr(a.console.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if status := (*statusError)(nil); errors.As(err, &status) {
		return status.code
	}
	err = interrupted(ctx, err)
	if errors.Is(err, errInterrupted) && a.console.interactive() {
		fmt.Fprintln(a.console.err) // the terminal shows ^C where the line was
	}
	fmt.Fprintln(a.console.err, "error:", strings.ReplaceAll(forPeople(err), "\n", "; "))
	var h *hintError
	var u *usageError
	switch {
	case errors.As(err, &h):
		fmt.Fprintln(a.console.err, "hint:", h.hint)
	case !a.started || errors.As(err, &u):
		fmt.Fprintf(a.console.err, "hint: %s --help\n", cmd.CommandPath())
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

// forPeople returns the text of an error for users. It omits the database's errors that
// a row exists or does not, because the fault describes the problem in words.
func forPeople(err error) string {
	text := err.Error()
	if f := fault.Find(err); f != nil && (f.Kind == fault.Exists || f.Kind == fault.NotFound) {
		if before, _, found := strings.Cut(text, f.Error()+" ("); found {
			return before + f.Error()
		}
	}
	return text
}

// interrupted replaces the error of a command that a signal cancelled.
func interrupted(ctx context.Context, err error) error {
	var signal *signalError
	if !errors.As(context.Cause(ctx), &signal) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, errInterrupted) {
		return &codeError{errInterrupted, signal.exitCode()}
	}
	return err
}

// codeError is an error with its own exit code.
type codeError struct {
	error
	code int
}

func (e *codeError) Unwrap() error { return e.error }

// statusError is the exit code of a command that usher ran. It is not an error of
// usher, so nothing is printed.
type statusError struct{ code int }

func (e *statusError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// hintError is an error with a next step.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// usageError is a usage error that is detected only when the command runs.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func wrongUse(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

const envPrefix = "USHER_"

// root builds the command tree. Every flag of every command gets its environment
// variable here, and the flag's help names it.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "usher",
		Short: "Plex-compatible authentication server that you run yourself",
		Long: `usher is a Plex-compatible authentication server that you run yourself. It signs
users in, issues tokens to their programs, and tells the programs how to reach
their servers.

  usher serve                      run the server, with its data in your home folder
  usher account add NAME --admin   create an account
  usher signin NAME                sign in to the account
  usher --help                     show this help; each command has its own

Every flag can also be set in the environment; its help names the variable. --config
names a file with the settings of the server.`,
		SilenceErrors: true, SilenceUsage: true,
		Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.started = true
			return errors.Join(checkVars(a.vars, cmd.Root()), a.settle(cmd.Flags()))
		},
	}
	root.Version = version()
	root.SetVersionTemplate("usher {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	a.folder.addFlags(root.PersistentFlags())
	root.PersistentFlags().String("config", "", "YAML `file` with the settings of the server")
	addGroup(root, "server", "Run and manage a server:", a.serverSide())
	addGroup(root, "client", "Use a server as a client:", a.clientSide())
	root.AddCommand(a.console.versionCommand(), hashWorkerCommand())
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Args = subcommandOnly // an unknown shell is an unknown command
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	root.SetHelpCommand(helpCommand(root))
	nameEnv(root)
	completer{a.settle, a.folder, a.remote}.complete(root)
	return root
}

// serverSide returns the commands that run a server or work on its data folder.
func (a *app) serverSide() []*cobra.Command {
	con, dir := a.console, a.folder
	data := dataCommands{con, dir}
	serve := serveCommands{con, dir, a.env}
	return []*cobra.Command{
		serve.command(),
		serve.healthcheckCommand(),
		doctorCommands{con, dir}.command(),
		configCommands{con, dir, a}.command(),
		execCommands{con, a.vars}.command(),
		accountCommands{con, dir}.command(),
		serverCommand(con, dir),
		providerCommand(con, dir),
		inviteCommands{con, dir}.command(),
		shareCommands{con, dir}.command(),
		homeCommands{con, dir}.command(),
		deviceCommands{con, dir}.command(),
		tokenCommands{con, dir}.command(lookupCommands{con, a.remote}),
		originCommands{con, dir}.command(),
		adminKeyCommands{con, dir}.command(),
		webhookCommands{con, dir}.command(),
		auditCommands{con, dir}.command(),
		data.backupCommand(),
		data.restoreCommand(),
		data.migrateCommand(),
		data.newKeyCommand(),
	}
}

// clientSide returns the commands that are clients of a server, this one or the
// real services.
func (a *app) clientSide() []*cobra.Command {
	signIn, lookup := signInCommands{a.console, a.remote}, lookupCommands{a.console, a.remote}
	return []*cobra.Command{
		signIn.signInCommand(),
		signIn.signOutCommand(),
		signIn.whoAmICommand(),
		lookup.resourcesCommand(),
		lookup.sourceCommand(),
		conformanceCommands{a.console}.command(),
	}
}

// addGroup adds commands under a heading of the help.
func addGroup(root *cobra.Command, id, title string, commands []*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, cmd := range commands {
		cmd.GroupID = id
		root.AddCommand(cmd)
	}
}

// helpCommand is cobra's, except that an unknown topic is an error.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Help about any command", ValidArgsFunction: completeTopic,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownTopic(cmd, args, rest)
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

// flagsFromEnv sets the flags that the command line does not set from the
// environment.
func (a *app) flagsFromEnv(flags *pflag.FlagSet) error {
	var errs []error
	flags.Visit(func(f *pflag.Flag) { a.from[f.Name] = provenance{byFlag, "--" + f.Name} })
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := a.env(envName(f.Name))
		if f.Changed || !ok || value == "" || f.Name == "help" || f.Name == "version" {
			return
		}
		a.from[f.Name] = provenance{byVariable, envName(f.Name)}
		for _, v := range envValues(f, value) {
			if err := flags.Set(f.Name, v); err != nil {
				errs = append(errs, wrongUse("%s: %w", envName(f.Name), badValue(err)))
			}
		}
	})
	return errors.Join(errs...)
}

// envValues splits the variable of a flag that can be repeated.
func envValues(f *pflag.Flag, value string) []string {
	if t := f.Value.Type(); t == "stringArray" || t == "URI" {
		return strings.Fields(value)
	}
	return []string{value}
}

// group is a command that only has subcommands.
func group(use, short, long string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

// takes checks the number of a command's arguments; its Use line names them.
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

// named returns a command with the names of its arguments.
func named(cmd *cobra.Command) string {
	use, _, _ := strings.Cut(cmd.Use, " --")
	return strings.TrimSuffix(cmd.CommandPath(), cmd.Name()) + use
}
