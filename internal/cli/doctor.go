package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/machine"
	"github.com/usher-auth/usher/internal/missed"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/source"
)

// The thresholds of usher doctor.
const (
	// backupDue is the age of an installation at which a missing backup becomes a
	// problem, and the default maximum age of the last backup.
	backupDue = 7 * 24 * time.Hour
	// askTimeout limits the duration of a request.
	askTimeout = 5 * time.Second
)

// diagnosis is the result of one check.
type diagnosis struct {
	Check  string `json:"check"`
	Result string `json:"result"` // ok, note or wrong
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // how to fix it
}

// The results of a check. A note requires no change.
const (
	resultOK    = "ok"
	resultNote  = "note"
	resultWrong = "wrong"
)

func ok(format string, args ...any) diagnosis {
	return diagnosis{Result: resultOK, Detail: fmt.Sprintf(format, args...)}
}

func note(fix, format string, args ...any) diagnosis {
	return diagnosis{Result: resultNote, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

func wrong(fix, format string, args ...any) diagnosis {
	return diagnosis{Result: resultWrong, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

// doctorOptions are the flags of usher doctor. Flags that usher serve also has have the
// same names, so that the same environment variables apply.
type doctorOptions struct {
	listen, tlsCert string
	publicURLs      []string
	backupAge       time.Duration
}

// doctorCommands check an installation.
type doctorCommands struct {
	*console
	*folder
}

func (cs doctorCommands) command() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this installation, and list unknown paths that clients requested",
		Long: `Check this installation: the database, the key file, disk space, the age of
the last backup, the clock, the certificate, and whether the public URL leads to the
server. Each problem is printed with a fix. The exit code is 1 if something is wrong.

It also lists the unknown paths that clients requested, most frequent first. They show
what a program that does not work expects. Numbers, identifiers and names are omitted
from them.

The flags --listen, --tls-cert and --public-url are those of usher serve.`,
		Example: `  usher doctor
  usher doctor --public-url https://usher.example.org --json`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return cs.doctor(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", defaultListen, "`address` that the server listens on")
	f.StringVar(&o.tlsCert, "tls-cert", "", "PEM `file` with the server's certificate, if it accepts TLS only")
	f.StringArrayVar(&o.publicURLs, "public-url", nil, "`URL` at which clients reach the server; can be repeated")
	f.DurationVar(&o.backupAge, "backup-age", backupDue, "maximum age of the last usher backup; 0 if there are other backups")
	return cs.jsonFlag(cmd)
}

// report is the output of usher doctor with --json.
type report struct {
	Checks []diagnosis `json:"checks"`
	// Missed are the unknown paths that clients requested.
	Missed []missed.Path `json:"missed"`
}

func (cs doctorCommands) doctor(ctx context.Context, o doctorOptions) error {
	var where core.Config
	if err := cs.locate(&where); err != nil {
		return err
	}
	r := report{Checks: cs.checkData(ctx, o), Missed: []missed.Path{}}
	add := func(name string, d diagnosis) {
		d.Check = name
		r.Checks = append(r.Checks, d)
	}
	add("key file", cs.checkKeyFile())
	add("disk", cs.checkDisk())
	if o.tlsCert != "" {
		add("certificate", checkCertificateFile(o.tlsCert, time.Now()))
	}
	add("server", cs.checkServer(ctx, o))
	paths, err := missed.Read(cs.missedFile())
	if err != nil {
		add("unknown paths", note("", "%v", err))
	}
	r.Missed = append(r.Missed, paths...)
	if err := cs.printReport(r); err != nil {
		return err
	}
	n := 0
	for _, d := range r.Checks {
		if d.Result == resultWrong {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of %d checks found something wrong", n, len(r.Checks))
	}
	return ctx.Err()
}

// checkData checks the content of the database, and everything that needs it.
func (cs doctorCommands) checkData(ctx context.Context, o doctorOptions) (list []diagnosis) {
	add := func(name string, d diagnosis) {
		d.Check = name
		list = append(list, d)
	}
	start := time.Now()
	c, err := cs.open(ctx, core.Config{MustExist: true})
	if err != nil {
		var h *hintError
		fix := ""
		if errors.As(err, &h) {
			fix = h.hint
		}
		add("database", wrong(fix, "%v", err))
		return list
	}
	defer func() { _ = c.Close() }()
	if err := c.DB.Ping(ctx); err != nil {
		add("database", wrong("check the server's log", "it cannot be written: %v", err))
		return list
	}
	add("database", ok("%s, answered in %s", cs.place(), time.Since(start).Round(time.Millisecond)))
	add("backup", cs.checkBackup(ctx, c, o.backupAge))
	add("clock", checkClock(ctx, c, machine.ClockUnsynchronised()))
	if len(o.publicURLs) == 0 {
		add("public URL", note("set --public-url if clients reach the server at another address", "none is set: the server reports the address that it listens on"))
	}
	for _, u := range o.publicURLs {
		add("public URL", checkPublicURL(ctx, c.Sources, u))
	}
	return list
}

// checkKeyFile checks that other users cannot read the key.
func (cs doctorCommands) checkKeyFile() diagnosis {
	_, err := seal.Load(cs.keyFile)
	modeErr := (*seal.ModeError)(nil)
	switch {
	case errors.As(err, &modeErr):
		return wrong("chmod 600 "+shellQuote(modeErr.File), "%v", err)
	case errors.Is(err, fs.ErrNotExist):
		return wrong("put it back from the backup, or set its path with --key-file", "there is no file %s", cs.keyFile)
	case err != nil:
		return wrong("put it back from the backup", "%v", err)
	}
	return ok("%s, for its owner only", cs.keyFile)
}

// checkDisk checks that there is enough free space for the data to grow.
func (cs doctorCommands) checkDisk() diagnosis {
	folder := cs.localFolder()
	free, err := machine.FreeBytes(folder)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return note("", "the free disk space is not known on this system")
	case err != nil:
		return wrong("", "%s: %v", folder, err)
	case free < machine.MinFree:
		return wrong("free some space, or move the data: the server cannot write when the disk is full", "%d MiB are free at %s", free>>20, folder)
	}
	return ok("%d MiB are free at %s", free>>20, folder)
}

// checkBackup checks the age of the last copy by usher backup.
func (cs doctorCommands) checkBackup(ctx context.Context, c *core.Core, most time.Duration) diagnosis {
	if most <= 0 {
		return note("", "--backup-age 0: not checked")
	}
	fix := cs.invocation("backup FILE") + ", in a timer of the system; --backup-age 0 if there are other backups"
	made, err := c.LastBackup(ctx)
	switch {
	case err != nil:
		return wrong("", "%v", err)
	case !made.IsZero() && time.Since(made) > most:
		return wrong(fix, "the last one was made %s", shortTime(made))
	case !made.IsZero():
		return ok("the last one was made %s", shortTime(made))
	case !c.HasBackups():
		return note("make sure that usher backup, pg_dump or a standby keeps a copy", "usher backup has made no backup")
	}
	first, err := c.Accounts.FirstAdmin(ctx)
	if err != nil || time.Since(first.CreatedAt) < backupDue {
		return note(fix, "no backup has been made yet")
	}
	return wrong(fix, "no backup has been made")
}

// checkClock compares the clock with the last event. A wrong clock makes codes of
// second factors wrong, and tokens expire early or late.
func checkClock(ctx context.Context, c *core.Core, unsynchronised bool) diagnosis {
	const fix = "set the clock, and enable its synchronisation (timedatectl set-ntp true)"
	now := time.Now()
	last, err := c.Audit.List(ctx, audit.Query{Limit: 1})
	if err != nil {
		return wrong("", "reading the last event: %v", err)
	}
	if len(last) > 0 && last[0].At.Sub(now) > machine.MaxAhead {
		return wrong(fix, "it is %s, and the last event was at %s: the clock was set back", shortTime(now), shortTime(last[0].At))
	}
	if unsynchronised {
		return note(fix, "it is %s; the system reports that its clock is not synchronised", shortTime(now))
	}
	return ok("it is %s", shortTime(now))
}

// checkCertificateFile checks how long a certificate is valid.
func checkCertificateFile(file string, now time.Time) diagnosis {
	cert, err := machine.ReadCertificate(file)
	if err != nil {
		return wrong("", "%v", err)
	}
	return checkCertificate(cert, file, now)
}

func checkCertificate(cert *x509.Certificate, where string, now time.Time) diagnosis {
	const fix = "renew it; the server reloads the files automatically"
	switch left := cert.NotAfter.Sub(now); {
	case now.Before(cert.NotBefore):
		return wrong("check the clock", "%s is not valid before %s", where, shortTime(cert.NotBefore))
	case left <= 0:
		return wrong(fix, "%s has expired on %s", where, shortTime(cert.NotAfter))
	case machine.ExpiresSoon(cert, now):
		return wrong(fix, "%s expires on %s", where, shortTime(cert.NotAfter))
	}
	return ok("%s is valid until %s", where, shortTime(cert.NotAfter))
}

// checkServer checks whether the server of this machine is ready.
func (cs doctorCommands) checkServer(ctx context.Context, o doctorOptions) diagnosis {
	address, err := localAddress(o.listen)
	if err != nil {
		return wrong("", "%v", err)
	}
	// Its certificate has another name, and only the status of the response matters.
	insecure := &http.Client{Timeout: askTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	server := choose(o.tlsCert == "", "http://", "https://") + address
	res, err := httpGet(ctx, insecure, server+"/readyz")
	if err != nil {
		return note("start it, or set its address with --listen", "no server responds at %s", server)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return wrong("check its log", "it is not ready: %s", res.Status)
	}
	return ok("it is ready at %s", server)
}

// checkPublicURL checks that a public URL leads here.
func checkPublicURL(ctx context.Context, sources *source.Service, public string) diagnosis {
	const fix = "check that the name and the reverse proxy lead to this server, and that it is running"
	public = strings.TrimSuffix(public, "/")
	res, err := httpGet(ctx, &http.Client{Timeout: askTimeout}, public+"/identity")
	var invalid *tls.CertificateVerificationError
	switch {
	case errors.As(err, &invalid):
		return wrong("get a certificate for this name that clients trust", "%s: %v", public, invalid.Err)
	case err != nil:
		return wrong(fix, "%s: %v", public, errors.Unwrap(err))
	}
	defer res.Body.Close()
	var answer struct {
		MediaContainer struct{ MachineIdentifier string }
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer)
	if err != nil || res.StatusCode != http.StatusOK || answer.MediaContainer.MachineIdentifier == "" {
		return wrong(fix, "%s: another program responds there (%s)", public, res.Status)
	}
	if _, err := sources.Find(ctx, source.Ref{Kind: source.Server, Identifier: answer.MediaContainer.MachineIdentifier}); err != nil {
		return wrong(fix, "%s: another server responds there", public)
	}
	if res.TLS != nil {
		return checkCertificate(res.TLS.PeerCertificates[0], public+" is reached, and its certificate", time.Now())
	}
	return ok("%s is reached", public)
}

func httpGet(ctx context.Context, client *http.Client, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	return client.Do(req)
}

// printReport prints the results, problems first.
func (cs doctorCommands) printReport(r report) error {
	slices.SortStableFunc(r.Checks, func(a, b diagnosis) int { return severity(b.Result) - severity(a.Result) })
	if cs.json {
		return cs.printJSON(r)
	}
	w := tabwriter.NewWriter(cs.out, 0, 0, 2, ' ', 0)
	for _, d := range r.Checks {
		cells := printable([]string{d.Check, d.Detail, d.Fix})
		fmt.Fprintf(w, "%s\t%s\t%s\n", d.Result, cells[0], cells[1])
		if d.Fix != "" {
			fmt.Fprintf(w, "\t\tfix: %s\n", cells[2])
		}
	}
	if err := w.Flush(); err != nil || len(r.Missed) == 0 {
		return err
	}
	fmt.Fprint(cs.out, "\nunknown paths that clients requested:\n")
	for _, p := range r.Missed {
		fmt.Fprintf(w, "%d\t%s\tlast %s\n", p.Count, printable([]string{p.Path})[0], shortTime(p.Last))
	}
	return w.Flush()
}

func severity(result string) int {
	return slices.Index([]string{resultOK, resultNote, resultWrong}, result)
}

// missedFile is where the server saves the unknown paths that clients requested.
func (f *folder) missedFile() string { return filepath.Join(f.data, "unknown-paths.json") }
