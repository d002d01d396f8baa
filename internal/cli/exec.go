package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/usher-auth/usher/internal/sandbox"
	"github.com/usher-auth/usher/internal/stage"
	"github.com/usher-auth/usher/internal/traffic"
	"github.com/usher-auth/usher/internal/trouble"
)

// plexDomains are the domains that usher serves to a program, and plexPorts
// the ports: those of HTTPS and of a media server.
var (
	plexDomains = []string{"plex.tv", "plex.direct"}
	plexPorts   = []int{443, stage.MediaPort}
)

// plexURL is the address that programs have written in.
const plexURL = "https://plex.tv"

// failedToRun is the exit code if usher itself cannot run a command, as env and
// timeout have it.
const failedToRun = 125

// execOptions are the flags of usher exec.
type execOptions struct {
	allow, forward []string
	allowAll       bool
	mode, record   string
	landlock       bool
	scene, time    string
	frozen         bool
	faults         []string
	seed           string
	assert         []string
	server         string
	daemon         bool
	child          bool // this process is the daemon
	envFile        string
	strict, signUp bool
	env, doctor    bool
	quiet          bool
}

// execCommands is the command that runs others.
type execCommands struct {
	*console
	vars []string
}

func (cs execCommands) command() *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARGUMENT]...",
		Short: "Run a program for which plex.tv is an usher in memory",
		Long: `Run a program, and answer its requests to plex.tv with an usher in memory: a test of a
Plex program then needs no account, no network and no change of the program.

In the program, plex.tv and the names below plex.tv and plex.direct lead to usher, over
HTTPS with a certificate that the program trusts. A media server is at
http://localhost:32400. Every other host is refused. Standard input, output, signals
and the exit code are the program's. Nothing on the machine is changed, and processes
that the program leaves running are killed with it.

There are the accounts admin, member, twofactor, managed and disabled, and the
server Den. Their passwords, tokens and identifiers are in the program's
environment; --env prints them.

On Linux, the program gets its own network, without privileges. Where that is not
allowed, and on other systems, variables and hooks for Python, Node, Java, PHP and
Ruby redirect it to usher; --doctor prints which, and why. With --landlock, the kernel
then blocks TCP connections to ports other than usher's.

Rules of --assert are no-token-in-url, stable-client-id, max-calls=N[/HOST[/PATH]],
no-unknown-host and no-unknown-path. Faults of --fault are:
` + faultList() + `

The exit code is 1 if the program succeeds and breaks a rule of --assert, 125 if
usher cannot run the program, 126 if the program cannot be executed, and 127 if it is
not found.`,
		Example: `  usher exec -- pytest
  usher exec -- npm test
  usher exec -- sh -c 'curl -u "" https://plex.tv/api/v2/user -H "X-Plex-Token: $USHER_ACCOUNT_MEMBER_TOKEN"'
  usher exec --allow example.com -- ./program
  usher exec --env`,
		Args: func(_ *cobra.Command, args []string) error { return o.check(args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // the flags after COMMAND are its own
	f.StringArrayVar(&o.allow, "allow", nil, "`HOST` or HOST:PORT that the program can reach, too; can be repeated (without PORT: 80 and 443)")
	f.BoolVar(&o.allowAll, "allow-all", false, "let the program reach every host, at ports 80, 443 and those of --allow")
	f.StringArrayVar(&o.forward, "forward", nil, "`PORT` of this machine's localhost that the program can reach, too; can be repeated")
	f.StringVar(&o.mode, "mode", "auto", "how the program is redirected to usher: namespace, env, or auto")
	f.BoolVar(&o.landlock, "landlock", false, "in mode env, let the kernel block TCP to ports other than those of usher, --allow and --forward (Linux 6.7 or newer)")
	f.StringVar(&o.scene, "scene", "", "YAML `FILE` with the accounts, homes, servers and shares (default those named above)")
	f.StringVar(&o.time, "time", "", "`TIME` at which the clock of usher starts, such as 2030-01-02T03:04:05Z (default the scene's, or now)")
	f.BoolVar(&o.frozen, "frozen", false, "freeze the clock of usher")
	f.StringArrayVar(&o.faults, "fault", nil, "`FAULT` to inject, such as rate-limit or slow,path=/api/v2/user,times=2; can be repeated")
	f.StringVar(&o.seed, "seed", "", "`TEXT` from which ids, tokens and codes are derived, so that each run has the same (default random)")
	f.BoolVar(&o.signUp, "sign-up", false, "let the program add accounts, as with usher serve --sign-up")
	f.StringVar(&o.server, "server", "", "`URL` of a running usher to redirect the program to, in place of one in memory")
	f.BoolVar(&o.daemon, "daemon", false, "keep running in the background for programs that are started later, with the variables of --env-file")
	f.BoolVar(&o.child, "daemon-child", false, "be the process in the background")
	if err := f.MarkHidden("daemon-child"); err != nil {
		panic(err) // there is no such flag
	}
	f.StringVar(&o.envFile, "env-file", "", "`FILE` to which --daemon adds the variables, as NAME=VALUE or, if it ends in .sh, for a shell")
	f.StringArrayVar(&o.assert, "assert", nil, "`RULE` that fails the run if the program breaks it, such as no-token-in-url or max-calls=10/plex.tv; can be repeated")
	f.BoolVar(&o.strict, "strict", false, "reject what the real services reject and usher otherwise accepts")
	f.StringVar(&o.record, "record", "", "`FILE` for the requests and responses, without secrets, as an HTTP Archive that browsers' tools open")
	f.BoolVar(&o.env, "env", false, "print the variables that the program gets, without running it")
	f.BoolVar(&o.doctor, "doctor", false, "print which mode this machine allows and why, without running a program")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print no summary at the end, unless a host was refused")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return cs.exec(cmd, o, args) }
	return cmd
}

// faultList are the names of all faults, in lines.
func faultList() string {
	const width = 84
	var b strings.Builder
	at := 0
	for i, name := range trouble.Names() {
		if i > 0 {
			b.WriteByte(',')
			if at += len(name) + 2; at > width {
				b.WriteByte('\n')
				at = 0
			} else {
				b.WriteByte(' ')
			}
		}
		if at == 0 {
			at = len(name)
		}
		b.WriteString(name)
	}
	b.WriteByte('.')
	return b.String()
}

// check checks which flags go together, and the number of arguments.
func (o *execOptions) check(args []string) error {
	switch {
	case (o.env || o.doctor || o.daemon) && len(args) > 0:
		return wrongUse("--env, --doctor and --daemon run no program")
	case o.daemon && o.envFile == "":
		return wrongUse("--daemon needs --env-file FILE, where programs find usher")
	case o.daemon && o.mode == "namespace":
		return wrongUse("--daemon redirects programs to usher with variables: --mode namespace is for one program")
	case o.daemon && (o.env || o.doctor || o.server != "" || len(o.assert) > 0):
		return wrongUse("--daemon does not go with --env, --doctor, --server and --assert")
	case o.landlock && (o.daemon || o.mode == "namespace"):
		return wrongUse("--landlock is for --mode env, and for programs that usher starts: nothing gets out of a namespace")
	case (o.env || o.doctor) && (o.record != "" || len(o.assert) > 0):
		return wrongUse("--env and --doctor run nothing: there is nothing for --record and --assert")
	case o.envFile != "" && !o.daemon:
		return wrongUse("--env-file is for --daemon")
	case o.server != "" && (o.scene != "" || o.time != "" || o.frozen || o.seed != "" || o.signUp || o.strict || o.env):
		return wrongUse("--server URL does not go with --scene, --time, --frozen, --seed, --sign-up, --strict and --env: that usher has its own")
	case !o.env && !o.doctor && !o.daemon && len(args) == 0:
		return wrongUse("usher exec needs a program to run")
	}
	return nil
}

var execModes = map[string]sandbox.Mode{
	"auto": sandbox.Auto, "namespace": sandbox.Namespace, "env": sandbox.Environment,
}

// config reads the flags.
func (o *execOptions) config() (sandbox.Config, error) {
	cfg := sandbox.Config{Domains: plexDomains, Ports: plexPorts, AllowAll: o.allowAll, Landlock: o.landlock}
	var known bool
	if cfg.Mode, known = execModes[o.mode]; !known {
		return cfg, wrongUse("--mode %s is not namespace, env or auto", o.mode)
	}
	for _, text := range o.allow {
		d, err := sandbox.ParseDestination(text)
		if err != nil {
			return cfg, wrongUse("--allow %w", err)
		}
		if sandbox.InDomains(d.Host, plexDomains) {
			return cfg, wrongUse("--allow %s: usher answers for this host", text)
		}
		if sandbox.IsLocal(d.Host) {
			return cfg, &usageError{&hintError{fmt.Errorf("--allow %s: this machine's localhost is not the program's", text), "--forward PORT"}}
		}
		cfg.Allow = append(cfg.Allow, d)
	}
	for _, text := range o.forward {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return cfg, wrongUse("--forward %s is not a port between 1 and 65535", text)
		}
		if slices.Contains(plexPorts, int(n)) {
			return cfg, wrongUse("--forward %s: usher listens at this port", text)
		}
		cfg.Forward = append(cfg.Forward, int(n))
	}
	return cfg, nil
}

// exec runs a program, or prints its environment.
func (cs execCommands) exec(cmd *cobra.Command, o execOptions, args []string) error {
	cfg, err := o.config()
	if err != nil {
		return err
	}
	if o.doctor {
		return cs.doctor(cfg)
	}
	if o.daemon && !o.child {
		return cs.startDaemon(o)
	}
	judge := new(traffic.Judge)
	for _, text := range o.assert {
		if err := judge.Add(text); err != nil {
			return wrongUse("--assert %s: %w", text, err)
		}
	}
	run, err := o.open(context.WithoutCancel(cmd.Context()), cs.vars)
	if err != nil {
		return err
	}
	if o.env {
		return errors.Join(cs.printVariables(run), run.Close())
	}
	archive, err := createArchive(o.record)
	if err != nil {
		return errors.Join(&codeError{err, failedToRun}, run.Close())
	}
	events := new(eventLog)
	cfg.Observe, cfg.Env = events.add, cs.environment(cmd, run)
	if o.daemon {
		cfg.Handler = run
		return cs.beDaemon(cmd.Context(), o, cfg, run, archive, events)
	}
	cfg.Handler, cfg.Command = judge.Around(run), args
	status, err := cs.runIn(cfg, run, o)
	if err != nil {
		return errors.Join(cannotRun(err), run.Close())
	}
	if archive != nil {
		if err := run.writeArchive(archive); err != nil {
			cs.say("writing --record %s: %v", o.record, err)
		}
	}
	cs.summarize(run.traffic, events, o)
	kept := cs.report(judge.Verdicts(traffic.Ending{
		RefusedHosts: events.of(sandbox.Refused), UnknownPaths: run.traffic.UnknownPaths(), Secrets: run.secrets(),
	}), o.quiet)
	_ = run.Close() // it is in memory
	status.Repeat()
	if status.Code == 0 && !kept {
		return &statusError{brokenRule}
	}
	if status.Code == 0 {
		return nil
	}
	return &statusError{status.Code}
}

// runIn runs the program of a configuration. The usher opens while all else is
// prepared.
func (cs execCommands) runIn(cfg sandbox.Config, run *execRun, o execOptions) (sandbox.Status, error) {
	cfg.Forward = append(cfg.Forward, run.controlPorts...)
	cfg.Stdin, cfg.Stdout, cfg.Stderr = file(cs.in), file(cs.out), file(cs.err)
	cfg.Begin = func(mode sandbox.Mode, why error) ([]string, error) {
		if err := run.wait(); err != nil {
			return nil, err
		}
		cs.warn(mode, why, o.landlock)
		return assignments(append(run.variables(), run.controlVariables()...)), nil
	}
	return sandbox.Run(cfg)
}

// brokenRule is the exit code of a run whose program succeeds and breaks a rule of
// --assert.
const brokenRule = 1

// report prints the verdicts about the rules, and returns whether all of them held.
func (cs execCommands) report(verdicts []traffic.Verdict, quiet bool) (kept bool) {
	kept = true
	for _, v := range verdicts {
		if len(v.Broken) == 0 {
			if !quiet {
				cs.say("--assert %s: kept", quoted(v.Rule))
			}
			continue
		}
		kept = false
		cs.say("--assert %s: BROKEN", quoted(v.Rule))
		for _, text := range v.Broken {
			cs.say("  %s", quotedLine(text))
		}
	}
	return kept
}

// file returns a stream as a program gets it.
func file(stream any) *os.File {
	f, _ := stream.(*os.File)
	return f
}

// cannotRun is the error of a program that was not run.
func cannotRun(err error) error {
	var command *sandbox.CommandError
	if errors.As(err, &command) {
		return &codeError{err, command.Code}
	}
	if errors.Is(err, sandbox.ErrNoLandlock) {
		err = &hintError{fmt.Errorf("--landlock: %w", err), "usher exec --doctor"}
	}
	var refused *sandbox.RefusedError
	if errors.As(err, &refused) {
		err = &hintError{fmt.Errorf("this machine does not allow network namespaces: %w", err), "usher exec --doctor"}
	}
	return &codeError{err, failedToRun}
}

// environment returns the environment of the program without the variables of the run.
// Those of this command's own flags are not meant for an usher exec in it.
func (cs execCommands) environment(cmd *cobra.Command, run *execRun) []string {
	own := make(map[string]bool)
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { own[envName(f.Name)] = true })
	var env []string
	for _, v := range cs.vars {
		if name, _, _ := strings.Cut(v, "="); !own[name] && !run.replaces(name) {
			env = append(env, v)
		}
	}
	return env
}

// printVariables prints the variables about the scene as a shell reads them.
func (cs execCommands) printVariables(run *execRun) error {
	if err := run.wait(); err != nil {
		return err
	}
	for _, v := range run.variables() {
		fmt.Fprintf(cs.out, "%s='%s'\n", v.Name, strings.ReplaceAll(v.Value, "'", `'\''`))
	}
	return nil
}

// warn prints a warning about connections that cannot be blocked.
func (cs execCommands) warn(mode sandbox.Mode, why error, landlock bool) {
	if mode != sandbox.Environment {
		return
	}
	reason := "by --mode env"
	if why != nil {
		reason = "because this machine does not allow it (" + why.Error() + ")"
	}
	how := "reaches the internet"
	if landlock {
		how = "is refused by TCP at other ports than those of usher, --allow and --forward, and reaches the internet by UDP"
	}
	cs.say("WARNING: no network of the program's own, %s: a program that ignores the variables of proxies and "+
		"certificates %s; usher exec --doctor says more", reason, how)
}

// say prints a line about a run.
func (cs execCommands) say(format string, args ...any) {
	fmt.Fprintf(cs.err, "usher exec: "+format+"\n", args...)
}

// doctor prints which mode this machine allows.
func (cs execCommands) doctor(cfg sandbox.Config) error {
	cfg.Handler, cfg.Env = http.NotFoundHandler(), cs.vars
	why := sandbox.Probe(cfg)
	if why == nil {
		fmt.Fprintln(cs.out, "mode: namespace")
		fmt.Fprintln(cs.out, "why:  this machine allows a network of the program's own: nothing gets out")
		cs.doctorLandlock()
		return nil
	}
	fmt.Fprintln(cs.out, "mode: env")
	fmt.Fprintln(cs.out, "why: ", why)
	fmt.Fprintln(cs.out, "so:   variables lead the program to usher, and hooks lead Python, Node, Java, PHP and Ruby; a program that ignores them reaches the internet")
	for _, mend := range sandbox.Mends() {
		fmt.Fprintln(cs.out, "mend:", mend)
	}
	cs.doctorLandlock()
	return nil
}

// doctorLandlock prints what --landlock can block in mode env.
func (cs execCommands) doctorLandlock() {
	version, err := sandbox.LandlockVersion()
	if err != nil {
		fmt.Fprintln(cs.out, "--landlock: is not possible:", err)
		return
	}
	fmt.Fprintf(cs.out, "--landlock: refuses TCP in mode env, by port (Landlock %d); not by address, and no UDP\n", version)
}

// eventLog collects the events of a program until it exits. It is safe for
// concurrent use.
type eventLog struct {
	mu     sync.Mutex
	counts map[eventLine]int
	order  []eventLine
}

// eventLine is an event as the summary has it.
type eventLine struct {
	kind sandbox.EventKind
	text string
}

func (l *eventLog) add(e sandbox.Event) {
	text := quoted(e.Host)
	if e.Port != 0 {
		text = net.JoinHostPort(text, strconv.Itoa(e.Port))
	}
	if e.Kind == sandbox.Unreachable && e.Err != nil {
		text += ": " + e.Err.Error()
	}
	line := eventLine{e.Kind, text}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = make(map[eventLine]int)
	}
	if l.counts[line]++; l.counts[line] == 1 {
		l.order = append(l.order, line)
	}
}

// quoted escapes text from a program, so that it cannot control the terminal.
func quoted(text string) string {
	q := strconv.QuoteToASCII(text)
	return q[1 : len(q)-1]
}

// quotedLine is quoted for a line of usher's own, whose signs stay.
func quotedLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// of returns the lines of a kind, in the order of their arrival.
func (l *eventLog) of(kind sandbox.EventKind) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, line := range l.order {
		if line.kind != kind {
			continue
		}
		text := line.text
		if n := l.counts[line]; n > 1 {
			text += fmt.Sprintf(" (%d times)", n)
		}
		list = append(list, text)
	}
	return list
}

// summarize prints a summary of the program's requests.
func (cs execCommands) summarize(t *traffic.Recorder, events *eventLog, o execOptions) {
	if !o.quiet {
		for _, h := range t.Hosts() {
			var total int
			var parts []string
			for _, s := range h.Statuses {
				total += s.Count
				what := strconv.Itoa(s.Code)
				if s.Code == 0 {
					what = "no answer"
				}
				parts = append(parts, fmt.Sprintf("%d × %s", s.Count, what))
			}
			cs.say("%s: %s (%s)", quoted(h.Name), plural(total, "request"), strings.Join(parts, ", "))
		}
		for _, path := range t.UnknownPaths() {
			cs.say("usher does not know %s", quoted(path))
		}
	}
	for _, text := range events.of(sandbox.Refused) {
		cs.say("refused %s; --allow opens a host", text)
	}
	for _, text := range events.of(sandbox.Untrusted) {
		cs.say("a client rejected the certificate of %s", text)
	}
	for _, text := range events.of(sandbox.Unreachable) {
		cs.say("cannot reach %s", text)
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
