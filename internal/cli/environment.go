package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/suggest"
)

// environ looks up a variable of the environment.
type environ func(name string) (value string, ok bool)

// checkVars returns an error for each variable that is probably one of ours,
// misspelt: the setting would silently not apply. Empty ones count as absent, as
// they do for flags.
func checkVars(vars []string, root *cobra.Command) error {
	known := knownVars(root)
	var errs []error
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, envPrefix) || value == "" || known[name] || scene.IsVariable(name) || fromKubernetes(name, value) {
			continue
		}
		if meant := closestVars(known, name); len(meant) > 0 {
			err := fmt.Errorf("usher has no environment variable %s", name)
			errs = append(errs, &usageError{&hintError{err, "did you mean " + strings.Join(meant, " or ") + "?"}})
		}
	}
	return errors.Join(errs...)
}

// knownVars returns the variables of all commands: several commands can share
// one environment.
func knownVars(root *cobra.Command) map[string]bool {
	known := map[string]bool{
		adminPasswordEnv: true, noKeyringEnv: true, passphraseEnv: true, controlEnv: true, controlTokenEnv: true, daemonEnv: true,
		passwordEnv: true, tokenEnv: true, otherTokenEnv: true,
	}
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		flag := func(f *pflag.Flag) { known[envName(f.Name)] = true }
		cmd.PersistentFlags().VisitAll(flag)
		cmd.LocalNonPersistentFlags().VisitAll(flag)
		for _, sub := range cmd.Commands() {
			add(sub)
		}
	}
	add(root)
	return known
}

// closestVars returns the variables that a name probably means; empty if no name is
// close. One letter in four can differ, so that a script's own USHER_BIN is not taken for
// USHER_PIN.
func closestVars(known map[string]bool, name string) []string {
	var words []string
	for k := range known {
		words = append(words, strings.TrimPrefix(k, envPrefix))
	}
	slices.Sort(words)
	name = strings.TrimPrefix(name, envPrefix)
	meant := suggest.Nearest(name, words, func(w string) int { return min(maxDistance+1, max(len(w), len(name))/4) })
	if other := otherSuffix(words, name); other != nil {
		meant = other
	}
	for i := range meant {
		meant[i] = envPrefix + meant[i]
	}
	return meant
}

// otherSuffix returns the variable that a name means if it has a suffix that other
// programs use for the same, or lacks the one of a password that usher reads from a file
// only.
func otherSuffix(words []string, name string) []string {
	for _, suffix := range []string{"_FILE", "_URL"} {
		if word, found := strings.CutSuffix(name, suffix); found && slices.Contains(words, word) {
			return []string{word}
		}
	}
	if word := name + "_FILE"; strings.HasSuffix(name, "PASSWORD") && slices.Contains(words, word) {
		return []string{word}
	}
	return nil
}

// Kubernetes gives every container variables about the services of its namespace.
// Those about a service called usher, or usher-web, begin as ours do.
var (
	serviceVar = regexp.MustCompile(`^USHER_(\w+_)?SERVICE_(HOST|PORT(_\w+)?)$`)
	portVar    = regexp.MustCompile(`^USHER_(\w+_)?PORT$`)
	addressVar = regexp.MustCompile(`^USHER_(\w+_)?PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)
	serviceURL = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

func fromKubernetes(name, value string) bool {
	return serviceVar.MatchString(name) || addressVar.MatchString(name) ||
		portVar.MatchString(name) && serviceURL.MatchString(value)
}
