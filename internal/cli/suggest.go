package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// otherNames are the names that other programs have for our commands.
var otherNames = map[string][]string{
	"account":      {"accounts", "user", "users"},
	"add":          {"create", "new"},
	"list":         {"ls"},
	"remove":       {"rm", "del", "delete"},
	"revoke":       {"rm", "del", "delete", "remove"},
	"serve":        {"run", "start"},
	"set-password": {"passwd", "password"},
	"show":         {"get", "info"},
	"signin":       {"login", "sign-in"},
	"signout":      {"logout", "sign-out"},
}

// otherFlags are the names that other programs have for our flags.
var otherFlags = map[string][]string{
	"data":     {"data-dir", "dir", "folder"},
	"database": {"db"},
	"listen":   {"addr", "address", "bind", "host", "port"},
}

// maxDistance is the maximum edit distance of a suggestion.
const maxDistance = 2

// subcommandOnly checks the arguments of a command that only has
// subcommands: an argument is an unknown subcommand.
func subcommandOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	if meant := closestCommand(cmd, args[0]); meant != nil {
		return &hintError{err, meant.CommandPath()}
	}
	return err
}

// unknownTopic is the error for help about a command that does not exist: rest are
// the arguments after cmd, the last one that does.
func unknownTopic(cmd *cobra.Command, args, rest []string) error {
	err := wrongUse("unknown command %q", strings.Join(args, " "))
	if meant := closestCommand(cmd, rest[0]); meant != nil {
		root, path, _ := strings.Cut(meant.CommandPath(), " ")
		return &usageError{&hintError{err, root + " help " + path}}
	}
	return err
}

// closestCommand returns the command below cmd that a name probably means, or nil if no
// name is close.
func closestCommand(cmd *cobra.Command, name string) *cobra.Command {
	if found := alsoCalled(cmd, name); found != nil {
		return found
	}
	cmd.SuggestionsMinimumDistance = maxDistance
	if names := cmd.SuggestionsFor(name); len(names) > 0 {
		found, _, _ := cmd.Find(names[:1]) // a subcommand is always found
		return found
	}
	for _, sub := range cmd.Commands() {
		if found := alsoCalled(sub, name); found != nil {
			return found
		}
	}
	return nil
}

// alsoCalled returns the subcommand that has a name, here or in other programs.
func alsoCalled(cmd *cobra.Command, name string) *cobra.Command {
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && (sub.Name() == name || slices.Contains(otherNames[sub.Name()], name)) {
			return sub
		}
	}
	return nil
}

// flagError adds the flag that was probably meant to the error of an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return badValue(err)
	}
	name := unknown.GetSpecifiedName()
	if short := unknown.GetSpecifiedShortnames(); short != "" {
		name = short // one dash in place of two
	}
	if other := commandWith(cmd.Root(), name); other != nil {
		return &hintError{err, "only " + other.CommandPath() + " has --" + name}
	}
	if meant := closestFlag(cmd.Flags(), name); meant != "" {
		return &hintError{err, cmd.CommandPath() + " --" + meant}
	}
	return err
}

// badValue returns the error for an invalid value of a flag in words, because pflag's
// error contains the name of a Go function.
func badValue(err error) error {
	var invalid *pflag.InvalidValueError
	var number *strconv.NumError
	if !errors.As(err, &invalid) {
		return err
	}
	if invalid.GetFlag().Value.Type() == "duration" {
		return fmt.Errorf("--%s %s is not a duration, such as 90s, 30m or 24h", invalid.GetFlag().Name, invalid.GetValue())
	}
	if !errors.As(err, &number) {
		return err
	}
	switch kind := invalid.GetFlag().Value.Type(); {
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("--%s %s is too large", invalid.GetFlag().Name, invalid.GetValue())
	case kind == "bool":
		return fmt.Errorf("--%s %s is neither true nor false", invalid.GetFlag().Name, invalid.GetValue())
	}
	return fmt.Errorf("--%s %s is not a whole number", invalid.GetFlag().Name, invalid.GetValue())
}

// commandWith returns the only command that has a flag, or nil if no command or more
// than one has it.
func commandWith(root *cobra.Command, flag string) (found *cobra.Command) {
	count := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if f := cmd.LocalNonPersistentFlags().Lookup(flag); f != nil && !f.Hidden {
			found = cmd
			count++
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(root)
	if count != 1 {
		return nil
	}
	return found
}

// closestFlag returns the flag that a name probably means, or "" if no name is close.
// It compares as cobra does for commands.
func closestFlag(flags *pflag.FlagSet, name string) string {
	for own, others := range otherFlags {
		if slices.Contains(others, name) && flags.Lookup(own) != nil {
			return own
		}
	}
	names := &cobra.Command{SuggestionsMinimumDistance: maxDistance}
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
		}
	})
	for _, meant := range names.SuggestionsFor(name) {
		return meant
	}
	return ""
}
