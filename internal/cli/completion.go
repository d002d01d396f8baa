package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/usher-auth/usher/internal/account"
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

// arguments completes the next argument, according to its name in the Use line.
func (cp completer) arguments(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	use := strings.Fields(cmd.Use)
	if len(args)+1 >= len(use) {
		return nil, cobra.ShellCompDirectiveNoFileComp // one too many
	}
	switch what := use[len(args)+1]; what {
	case "FILE":
		return nil, cobra.ShellCompDirectiveDefault
	case "NAME":
		switch {
		case cmd.Name() == "add":
			return nil, cobra.ShellCompDirectiveNoFileComp // a new one
		case cmd.Parent().Name() == "section":
			return cp.sections(cmd, args)
		}
		return cp.accounts(cmd, args, typed)
	case "ACCOUNT", "OWNER":
		return cp.accounts(cmd, args, typed)
	case "USER":
		return cp.users(cmd, args)
	case "SERVER":
		return cp.sources(cmd, source.Server, typed)
	case "PROVIDER":
		return cp.sources(cmd, source.Provider, typed)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// withCore opens the data folder of a command line that is being typed.
func (cp completer) withCore(cmd *cobra.Command, do func(context.Context, *core.Core) error) {
	// __complete has settled the default already, before it read the --data that is being
	// typed.
	if !cmd.Flags().Changed("key-file") {
		cp.folder.keyFile = ""
	}
	if err := cp.settle(cmd.Flags()); err == nil {
		_ = cp.folder.withCore(cmd.Context(), do) // a completion has no place to show an error
	}
}

// completions is the maximum number of offered names.
const completions = 1000

// accounts completes the names of accounts, or their e-mail addresses if the typed text
// contains an @.
func (cp completer) accounts(cmd *cobra.Command, _ []string, typed string) (names []string, _ cobra.ShellCompDirective) {
	cp.withCore(cmd, func(ctx context.Context, c *core.Core) error {
		list, err := paging.Rows(c.Accounts.Search(ctx, typed, paging.Request{Limit: completions}))
		for _, acc := range list {
			switch {
			case acc.Managed(): // its name is not a username
			case !strings.HasPrefix(acc.UsernameKey, account.SearchKey(typed)):
				names = append(names, cobra.CompletionWithDesc(acc.Email, acc.Username))
			default:
				names = append(names, cobra.CompletionWithDesc(acc.Username, acc.Email))
			}
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// sources completes the names of servers or providers, and the identifiers of those
// whose name is not unique.
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

// sections completes the names of the sections of a server.
func (cp completer) sections(cmd *cobra.Command, args []string) (names []string, _ cobra.ShellCompDirective) {
	cp.withCore(cmd, func(ctx context.Context, c *core.Core) error {
		src, err := cp.folder.findSource(ctx, c, source.Server, args[0])
		if err != nil {
			return err
		}
		list, err := c.Sources.Sections(ctx, src.ID)
		for _, sec := range list {
			names = append(names, cobra.CompletionWithDesc(sec.Title, sec.Kind))
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// users completes the names of the users of a home.
func (cp completer) users(cmd *cobra.Command, args []string) (names []string, _ cobra.ShellCompDirective) {
	cp.withCore(cmd, func(ctx context.Context, c *core.Core) error {
		owner, err := cp.folder.findAccount(ctx, c, args[0])
		if err != nil {
			return err
		}
		found, err := c.Homes.Of(ctx, owner.ID)
		for _, u := range found.Users {
			names = append(names, cobra.CompletionWithDesc(u.Account.Title, u.Role.String()))
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// servers completes the names of servers, as the value of a flag.
func (cp completer) servers(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return cp.sources(cmd, source.Server, typed)
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

// values returns the completions of a flag, or nil for file names.
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
	case "server":
		return cp.servers
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
