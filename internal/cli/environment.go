package cli

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/usher-auth/usher/internal/scene"
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
		if meant := closestVar(known, name); meant != "" {
			err := fmt.Errorf("usher has no environment variable %s", name)
			errs = append(errs, &usageError{&hintError{err, "did you mean " + meant + "?"}})
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

// closestVar returns the variable that a name probably means; empty if no name
// is close. One letter in four can differ, so that a script's own USHER_BIN is not
// taken for USHER_PIN.
func closestVar(known map[string]bool, name string) string {
	name = strings.TrimPrefix(name, envPrefix)
	distance := min(maxDistance, len(name)/4)
	if distance == 0 {
		return ""
	}
	names := &cobra.Command{SuggestionsMinimumDistance: distance}
	for _, k := range slices.Sorted(maps.Keys(known)) {
		names.AddCommand(&cobra.Command{Use: strings.TrimPrefix(k, envPrefix), Run: func(*cobra.Command, []string) {}})
	}
	for _, meant := range names.SuggestionsFor(name) {
		if len(meant) <= len(name)+distance { // cobra also suggests all names that begin like it
			return envPrefix + meant
		}
	}
	return ""
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
