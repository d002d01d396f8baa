package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/usher-auth/usher/internal/audit"
)

// complete sets the completions of every command and flag. By default, cobra makes
// the shell complete file names, which suits few of them.
func complete(cmd *cobra.Command) {
	if !cmd.HasSubCommands() && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	add := func(f *pflag.Flag) {
		if with := completions(f); with != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, with) // fails for an unknown flag
		}
	}
	cmd.PersistentFlags().VisitAll(add)
	cmd.LocalNonPersistentFlags().VisitAll(add)
	for _, sub := range cmd.Commands() {
		complete(sub)
	}
}

// completions returns the completions of a flag; nil means file names.
func completions(f *pflag.Flag) cobra.CompletionFunc {
	switch what, _ := pflag.UnquoteUsage(f); what {
	case "file":
		return nil
	case "folder":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
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
