package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/source"
)

// completer completes the names in the data folder and of the profiles. Without a
// data folder, or without access to it, it completes none.
type completer struct {
	settle func(*pflag.FlagSet) error // reads flags from the environment
	folder *folder
	remote *remote
}

// complete sets the completions of every command and flag. By default, cobra makes
// the shell complete file names, which is right for few of them.
func (cp completer) complete(cmd *cobra.Command) {
	if !cmd.HasSubCommands() && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cp.arguments
	}
	add := func(f *pflag.Flag) {
		if with := cp.values(f); with != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, with) // fails for an unknown flag
		}
	}
	cmd.PersistentFlags().VisitAll(add)
	cmd.LocalNonPersistentFlags().VisitAll(add)
	for _, sub := range cmd.Commands() {
		cp.complete(sub)
	}
}

// arguments completes the argument whose turn it is by its name in the Use line.
func (cp completer) arguments(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	use := strings.Fields(cmd.Use)
	if cmd.Name() == "add" && cmd.Parent().Name() != "share" || len(args)+1 >= len(use) {
		return nil, cobra.ShellCompDirectiveNoFileComp // a new name, or one too many
	}
	switch use[len(args)+1] {
	case "FILE":
		return nil, cobra.ShellCompDirectiveDefault
	case "NAME", "ACCOUNT":
		return cp.accounts(cmd, args, typed)
	case "SERVER":
		return cp.sources(cmd, source.Server, typed)
	case "PROVIDER":
		return cp.sources(cmd, source.Provider, typed)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// withCore opens the data folder of a command line that is being typed.
func (cp completer) withCore(cmd *cobra.Command, do func(context.Context, *core.Core) error) {
	if err := cp.settle(cmd.Flags()); err == nil {
		_ = cp.folder.withCore(cmd.Context(), do) // there is nowhere to say why it fails
	}
}

// completions is how many names are offered at most.
const completions = 1000

// accounts completes the names of accounts, and their e-mail addresses once there is
// an @.
func (cp completer) accounts(cmd *cobra.Command, _ []string, typed string) (names []string, _ cobra.ShellCompDirective) {
	cp.withCore(cmd, func(ctx context.Context, c *core.Core) error {
		list, err := paging.Rows(c.Accounts.Search(ctx, typed, paging.Request{Limit: completions}))
		for _, acc := range list {
			if strings.Contains(typed, "@") {
				names = append(names, cobra.CompletionWithDesc(acc.Email, acc.Username))
			} else {
				names = append(names, cobra.CompletionWithDesc(acc.Username, acc.Email))
			}
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// sources completes the names of servers or providers, and the identifiers of
// those whose name another one has.
func (cp completer) sources(cmd *cobra.Command, kind source.Kind, typed string) (names []string, _ cobra.ShellCompDirective) {
	cp.withCore(cmd, func(ctx context.Context, c *core.Core) error {
		list, err := paging.Rows(c.Sources.List(ctx, kind, paging.Request{Limit: completions}))
		count := make(map[string]int)
		for _, src := range list {
			count[strings.ToLower(src.Name)]++
		}
		for _, src := range list {
			unique := count[strings.ToLower(src.Name)] == 1
			if unique {
				names = append(names, cobra.CompletionWithDesc(src.Name, src.Identifier))
			}
			if !unique || typed != "" && strings.HasPrefix(src.Identifier, typed) {
				names = append(names, cobra.CompletionWithDesc(src.Identifier, src.Name))
			}
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// profiles completes the names of profiles.
func (cp completer) profiles(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	if dir, err := cp.remote.profileDir(); err == nil {
		entries, _ := os.ReadDir(filepath.Dir(dir)) // no folder: no profile
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// values returns the completions of a flag; nil means file names.
func (cp completer) values(f *pflag.Flag) cobra.CompletionFunc {
	if f.Name == "profile" {
		return cp.profiles
	}
	switch what, _ := pflag.UnquoteUsage(f); what {
	case "file":
		return nil
	case "folder":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case "account":
		return cp.accounts
	case "level":
		return cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp)
	case "event":
		var events []string
		for _, m := range audit.Meanings() {
			events = append(events, cobra.CompletionWithDesc(string(m.Kind), m.Means))
		}
		return cobra.FixedCompletions(events, cobra.ShellCompDirectiveNoFileComp)
	}
	return cobra.NoFileCompletions
}

// completeTopic completes the commands that have help.
func completeTopic(cmd *cobra.Command, args []string, _ string) (topics []string, _ cobra.ShellCompDirective) {
	about, rest, err := cmd.Root().Find(args)
	if err == nil && len(rest) == 0 {
		for _, sub := range about.Commands() {
			if sub.IsAvailableCommand() {
				topics = append(topics, cobra.CompletionWithDesc(sub.Name(), sub.Short))
			}
		}
	}
	return topics, cobra.ShellCompDirectiveNoFileComp
}
