package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/conformance"
	"github.com/usher-auth/usher/plexauth"
)

// The variables with the secrets of usher conformance. There are no flags for them,
// because every user of a machine can read the flags of every process.
const (
	passwordEnv   = envPrefix + "PASSWORD"
	tokenEnv      = envPrefix + "TOKEN"
	otherTokenEnv = envPrefix + "OTHER_TOKEN"
)

// conformanceCommands check whether a server follows the rules of the protocol.
type conformanceCommands struct{ *console }

// conformanceOptions are the flags of usher conformance.
type conformanceOptions struct {
	media, login, junit                     string
	passwordFile, tokenFile, otherTokenFile string
	groups, only                            []string
	passwordStdin, allowWrites, list        bool
}

func (cs conformanceCommands) command() *cobra.Command {
	var o conformanceOptions
	cmd := &cobra.Command{
		Use:   "conformance [URL | --list]",
		Short: "Check that a server keeps the rules of the protocol",
		Long: `Check that a server follows the rules of the protocol: usher, a mock, a fake, or
anything else that acts as plex.tv and a media server. Each check is a rule,
with its source; --list shows all of them.

Checks only read, unless --allow-writes lets them sign in, start PINs, add users to
a home and guess passwords and PINs. They remove what they add. A check that cannot
run is skipped, with the reason: most need an account, some a second one. The exit code is 1 if a check fails.

The account is that of --login, whose password is prompted for, or in
USHER_PASSWORD, or of a token in USHER_TOKEN. USHER_OTHER_TOKEN is a token of
another account, which is not an admin. Use test accounts: the server under test may
log their secrets.`,
		Example: `  usher conformance http://127.0.0.1:32400
  usher conformance http://127.0.0.1:8080 --login root --allow-writes --junit report.xml
  usher conformance https://mock.example.org --group format --group pins`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.list {
				return takes(0)(cmd, args)
			}
			return takes(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			checks, err := o.checks()
			if err != nil {
				return err
			}
			if o.list {
				return cs.listChecks(checks)
			}
			cfg, err := cs.configure(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			return cs.conformance(cmd.Context(), cfg, checks, o.junit)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.media, "media", "", "`URL` of the media plane (default that of the account plane)")
	f.StringVar(&o.login, "login", "", "`name` or e-mail address of an account")
	f.StringVar(&o.passwordFile, "password-file", "", "`file` with the account's password on its first line")
	f.StringVar(&o.tokenFile, "token-file", "", "`file` with a token of the account on its first line")
	f.StringVar(&o.otherTokenFile, "other-token-file", "", "`file` with a token of another account, which is not an admin")
	f.BoolVar(&o.allowWrites, "allow-writes", false, "run the checks that change something, too")
	f.StringArrayVar(&o.groups, "group", nil, "run the checks of this `group` only; can be repeated")
	f.StringArrayVar(&o.only, "only", nil, "run this `check` only; can be repeated")
	f.BoolVar(&o.list, "list", false, "list the checks without running them")
	f.StringVar(&o.junit, "junit", "", "write a JUnit `file`, which CI systems read")
	passwordFlag(cmd, &o.passwordStdin)
	return cs.jsonFlag(cmd)
}

// checks are the chosen checks, in the order of the table.
func (o conformanceOptions) checks() (list []conformance.Check, err error) {
	table := conformance.Table()
	for _, group := range o.groups {
		if !slices.Contains(conformance.Groups(), group) {
			return nil, wrongUse("there is no group %s, but %s", group, strings.Join(conformance.Groups(), ", "))
		}
	}
	for _, id := range o.only {
		if !slices.ContainsFunc(table, func(c conformance.Check) bool { return c.ID == id }) {
			return nil, &usageError{&hintError{fmt.Errorf("there is no check %s", id), "usher conformance --list"}}
		}
	}
	for _, c := range table {
		if len(o.groups)+len(o.only) == 0 || slices.Contains(o.groups, c.Group()) || slices.Contains(o.only, c.ID) {
			list = append(list, c)
		}
	}
	return list, nil
}

// listChecks prints the table.
func (cs conformanceCommands) listChecks(checks []conformance.Check) error {
	return printList(cs.console, checks, []string{"CHECK", "WRITES", "RULE"}, func(c conformance.Check) []string {
		return []string{c.ID, choose(c.Writes, "yes", "no"), c.Says}
	})
}

// configure returns the configuration: which server to check, and with which credentials.
func (cs conformanceCommands) configure(ctx context.Context, server string, o conformanceOptions) (cfg conformance.Config, err error) {
	cfg = conformance.Config{AllowWrites: o.allowWrites, Login: o.login}
	if cfg.URL, err = baseURL("the URL", server); err != nil {
		return cfg, err
	}
	if o.media != "" {
		if cfg.Media, err = baseURL("--media", o.media); err != nil {
			return cfg, err
		}
	}
	if cfg.Token, err = cs.secretOf(o.tokenFile, tokenEnv); err != nil {
		return cfg, err
	}
	if cfg.OtherToken, err = cs.secretOf(o.otherTokenFile, otherTokenEnv); err != nil {
		return cfg, err
	}
	cfg.Password, err = cs.passwordOf(ctx, o)
	return cfg, err
}

// baseURL reads the base URL of a plane.
func baseURL(name, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, wrongUse("%s is not of the form https://HOST", name)
	}
	return u, nil
}

// secretOf reads a secret from a file or the environment. It returns "" if neither has
// one.
func (cs conformanceCommands) secretOf(file, variable string) (plexauth.Secret, error) {
	if file == "" {
		text, _ := cs.env(variable)
		return plexauth.Secret(text), nil
	}
	text, err := firstLine(file)
	if err == nil && text == "" {
		err = fmt.Errorf("the first line of %s is empty", file)
	}
	return text, err
}

// passwordOf reads the password of --login, if it is needed.
func (cs conformanceCommands) passwordOf(ctx context.Context, o conformanceOptions) (plexauth.Secret, error) {
	if o.login == "" || !o.allowWrites {
		return "", nil
	}
	if o.passwordStdin {
		return cs.readAnswer(ctx)
	}
	password, err := cs.secretOf(o.passwordFile, passwordEnv)
	switch {
	case err != nil || password != "":
		return password, err
	case !cs.interactive():
		return "", &usageError{&hintError{
			errors.New("there is no terminal to ask for the password"), "set it with --password-file, --password-stdin or " + passwordEnv,
		}}
	}
	return cs.askUnseen(ctx, "Password of "+o.login+": ")
}

// conformanceReport is the output of usher conformance with --json.
type conformanceReport struct {
	URL         string               `json:"url"`
	Error       string               `json:"error,omitempty"` // why the run ended early
	AllowWrites bool                 `json:"allowWrites"`
	Passed      int                  `json:"passed"`
	Failed      int                  `json:"failed"`
	Skipped     int                  `json:"skipped"`
	Checks      []conformance.Result `json:"checks"`
}

// conformance runs checks, and prints each result as soon as it is available.
func (cs conformanceCommands) conformance(ctx context.Context, cfg conformance.Config, checks []conformance.Check, junit string) error {
	done := 0
	if !cs.json {
		cfg.Report = func(r conformance.Result) {
			done++
			cs.printResult(done, len(checks), r)
		}
	}
	file, err := createJUnit(junit)
	if err != nil {
		return err
	}
	results, ended := conformance.Run(ctx, cfg, checks)
	if ended != nil && ctx.Err() != nil {
		ended = errInterrupted
	}
	if file != nil {
		if err := errors.Join(conformance.WriteJUnit(file, results, ended), file.Close()); err != nil {
			return fmt.Errorf("writing --junit %s: %w", junit, err)
		}
	}
	if err := cs.printEnd(cfg, results, ended); err != nil {
		return err
	}
	failed := conformance.Count(results, conformance.Failed)
	switch {
	case errors.Is(ended, conformance.ErrUnreachable):
		return &codeError{ended, exitUnreachable}
	case ended != nil:
		return ended
	case failed > 0:
		return fmt.Errorf("%d of %d checks failed", failed, len(results))
	}
	return nil
}

// printEnd prints the report of a run with --json, and else how many checks passed.
func (cs conformanceCommands) printEnd(cfg conformance.Config, results []conformance.Result, ended error) error {
	count := func(o conformance.Outcome) int { return conformance.Count(results, o) }
	passed, failed, skipped := count(conformance.Passed), count(conformance.Failed), count(conformance.Skipped)
	if cs.json {
		report := conformanceReport{cfg.URL.String(), "", cfg.AllowWrites, passed, failed, skipped, results}
		if report.Checks == nil {
			report.Checks = []conformance.Result{}
		}
		if ended != nil {
			report.Error = ended.Error()
		}
		return cs.printJSON(report)
	}
	if len(results) == 0 && ended != nil {
		return nil
	}
	_, err := fmt.Fprintf(cs.out, "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return err
}

// printResult prints one result, and the progress of the run.
func (cs conformanceCommands) printResult(done, all int, r conformance.Result) {
	fmt.Fprintf(cs.out, "%*d/%d  %-7s  %s\n", len(fmt.Sprint(all)), done, all, choose(r.Outcome == conformance.Failed, "FAILED", string(r.Outcome)), r.ID)
	if r.Outcome == conformance.Failed {
		fmt.Fprintf(cs.out, "         rule: %s\n", r.Says)
	}
	if r.Reason != "" {
		fmt.Fprintf(cs.out, "         %s\n", printable([]string{r.Reason})[0])
	}
}

// createJUnit creates the file of --junit, or returns nil without the flag. A file that
// cannot be written is reported before the run.
func createJUnit(name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("creating the file of --junit: %w", err)
	}
	return f, nil
}
