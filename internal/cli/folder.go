package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/plexauth"
)

// folder is the data that a command works on, and how it is opened: a data folder,
// or a PostgreSQL database with a key file.
type folder struct {
	data     string // --data
	keyFile  string // --key-file
	database string // --database: can contain a password

	env   environ
	self  string    // the name that the program was called by
	notes io.Writer // receives a line when a database is created
}

// addFlags adds the flags that name the folder.
func (f *folder) addFlags(flags *pflag.FlagSet) {
	where := ""
	if usual := f.defaultData(); usual != "" {
		where = " (default " + displayPath(usual) + ")"
	}
	flags.StringVar(&f.data, "data", "", "`folder` with the database"+where)
	secretVar(flags, &f.database, "database", "`URL` of a PostgreSQL database instead of the one in the data folder")
	flags.StringVar(&f.keyFile, "key-file", "", "`file` with the encryption key (default usher.key in the data folder)")
}

// settle sets the defaults of unset flags.
func (f *folder) settle() error {
	if err := errors.Join(withoutTilde("--data", f.data), withoutTilde("--key-file", f.keyFile)); err != nil {
		return err
	}
	if f.data == "" {
		f.data = f.defaultData()
	}
	if f.keyFile == "" {
		f.keyFile = f.defaultKeyFile()
	}
	return errors.Join(absolute(&f.data), absolute(&f.keyFile))
}

// withoutTilde returns an error for a path that begins with ~. Shells replace that, but
// not in a variable or a configuration file: usher would make a folder of this name.
func withoutTilde(flag, path string) error {
	if path == "~" || strings.HasPrefix(path, "~/") {
		return wrongUse("%s %s: write the path of your home folder in place of ~", flag, path)
	}
	return nil
}

// absolute makes a path absolute, so that it means the same in a hint that is
// pasted elsewhere and in a log.
func absolute(path *string) (err error) {
	if *path == "" {
		return nil
	}
	*path, err = filepath.Abs(*path)
	return err
}

// defaultKeyFile is empty if the data folder is not known.
func (f *folder) defaultKeyFile() string {
	if f.data == "" {
		return ""
	}
	return filepath.Join(f.data, core.KeyName)
}

// defaultData is the folder for a user's data on this system. It is empty if the
// user has no home folder: a path relative to the working directory would be a
// different folder in each one.
func (f *folder) defaultData() string {
	if dir, ok := f.env("XDG_DATA_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "usher")
	}
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return ""
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Library", "Application Support", "usher")
	case "windows":
		if dir, ok := f.env("LOCALAPPDATA"); ok {
			return filepath.Join(dir, "usher")
		}
	}
	return filepath.Join(home, ".local", "share", "usher")
}

// displayPath shortens a path for reading.
func displayPath(path string) string {
	if home, err := os.UserHomeDir(); err == nil {
		if rest, ok := strings.CutPrefix(path, home+string(filepath.Separator)); ok {
			return filepath.Join("~", rest)
		}
	}
	return path
}

// withCore opens the data folder for one command. A running server sees the
// command's changes within a second.
func (f *folder) withCore(ctx context.Context, do func(context.Context, *core.Core) error) error {
	return f.with(ctx, core.Config{MustExist: true}, do)
}

// withNewCore is withCore for a command that can be the first one: it creates
// the database if it does not exist.
func (f *folder) withNewCore(ctx context.Context, do func(context.Context, *core.Core) error) error {
	return f.with(ctx, core.Config{}, do)
}

// with opens the folder as cfg says, and closes it once do has returned.
func (f *folder) with(ctx context.Context, cfg core.Config, do func(context.Context, *core.Core) error) (err error) {
	c, err := f.open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if c.Created {
		fmt.Fprintf(f.notes, "created a database in %s\n", f.place())
	}
	return do(ctx, c)
}

// open opens the data folder that the flags select.
func (f *folder) open(ctx context.Context, cfg core.Config) (*core.Core, error) {
	if err := f.locate(&cfg); err != nil {
		return nil, err
	}
	cfg.AdminGrace = account.DefaultGrace
	c, err := core.Open(ctx, cfg)
	return c, f.explainOpen(err)
}

// locate sets the paths of the data.
func (f *folder) locate(cfg *core.Config) error {
	if f.database != "" && f.keyFile != "" {
		cfg.Database, cfg.KeyFile = plexauth.Secret(f.database), f.keyFile
		return nil
	}
	if f.data == "" {
		return &usageError{&hintError{errors.New("there is no home folder to store data in"), "set the data folder with --data"}}
	}
	cfg.Dir, cfg.KeyFile = f.data, f.keyFile
	return nil
}

// explainOpen adds the next step to an error of opening the data folder.
func (f *folder) explainOpen(err error) error {
	if errors.Is(err, core.ErrNoDatabase) && f.database != "" {
		return &hintError{err, "check --database; usher serve and usher account add create the tables"}
	}
	if move := (*core.MoveError)(nil); errors.As(err, &move) {
		return f.explainMark(move, core.Place{Dir: f.data, Database: plexauth.Secret(f.database)})
	}
	if errors.Is(err, core.ErrRefused) {
		return &hintError{err, "check the user and the database in the URL; the password is in the file of PGPASSFILE, on a line HOST:PORT:DATABASE:USER:PASSWORD, or in PGPASSWORD"}
	}
	if wrong := (x509.HostnameError{}); errors.As(err, &wrong) {
		return &hintError{err, "use a name in the URL that is in the certificate, or sslmode=verify-ca"}
	}
	if untrusted := (*tls.CertificateVerificationError)(nil); errors.As(err, &untrusted) {
		return &hintError{err, "set PGSSLROOTCERT to the file with the certificate of the authority that signed the database server's"}
	}
	if errors.Is(err, core.ErrConnected) {
		return &hintError{err, "stop every server and command that uses the database, and run this again"}
	}
	if errors.Is(err, core.ErrNoDatabase) {
		return &hintError{err, "set its folder with --data; usher serve and usher account add create a database"}
	}
	if held := (*core.HeldError)(nil); errors.As(err, &held) {
		return &hintError{held, "stop that process first, or set another folder with --data"}
	}
	if folderErr := (*core.FolderError)(nil); errors.As(err, &folderErr) {
		return &hintError{err, "set --data to a folder that you can write to"}
	}
	if keyErr := (*core.KeyError)(nil); errors.As(err, &keyErr) {
		return &hintError{err, "set its path with --key-file, or restore it from the backup; if it is lost: " + f.invocation("new-key")}
	}
	if modeErr := (*seal.ModeError)(nil); errors.As(err, &modeErr) {
		return &hintError{err, "chmod 600 " + shellQuote(modeErr.File)}
	}
	return err
}

// invocation returns a command line that calls this program again from the same
// place, with flags that select the same data.
func (f *folder) invocation(args string) string {
	name := f.self
	if strings.Contains(filepath.ToSlash(name), "/go-build") {
		name = "go run ./cmd/usher"
	}
	if f.database != "" {
		args += " --database " + shellQuote(withoutPassword(f.database))
	}
	if f.data != f.defaultData() {
		args += " --data " + shellQuote(f.data)
	}
	if f.keyFile != f.defaultKeyFile() {
		args += " --key-file " + shellQuote(f.keyFile)
	}
	return name + " " + args
}

// place returns a description of where the data is, for messages.
func (f *folder) place() string {
	if f.database != "" {
		return withoutPassword(f.database)
	}
	return f.data
}

// withoutPassword returns the address of a database or of a mail server without its
// secrets. If a password could be anywhere in the text, it returns "…".
func withoutPassword(address string) string {
	scheme, rest, _ := strings.Cut(address, "://")
	if scheme == "smtp" || scheme == "smtps" {
		return withoutMailPassword(address)
	}
	end := strings.IndexAny(rest+"/", "/?")
	hosts, tail := rest[:end], rest[end:]
	if scheme != "postgres" && scheme != "postgresql" || strings.ContainsAny(tail, "@#") || strings.Contains(hosts, "#") {
		return "…"
	}
	if at := strings.LastIndex(hosts, "@"); at >= 0 {
		name, _, _ := strings.Cut(hosts[:at], ":")
		hosts = name + hosts[at:]
	}
	path, query, _ := strings.Cut(tail, "?")
	var kept []string
	for _, parameter := range strings.Split(query, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		if name, err := url.QueryUnescape(name); err == nil && name != "" && !strings.HasSuffix(name, "password") {
			kept = append(kept, parameter)
		}
	}
	if len(kept) > 0 {
		path += "?" + strings.Join(kept, "&")
	}
	return scheme + "://" + hosts + path
}

// withoutMailPassword is withoutPassword for a mail server. Whether a text has a password
// is known only if it is a valid address.
func withoutMailPassword(address string) string {
	to, err := mail.ParseServer(plexauth.Secret(address))
	if err != nil {
		return "…"
	}
	if to.Password == "" {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return "…"
	}
	u.User = url.User(to.User)
	return u.String()
}

// withAccount runs do on the account that a command names.
func (f *folder) withAccount(ctx context.Context, login string, do func(context.Context, *core.Core, account.Account) error) error {
	return f.withCore(ctx, func(ctx context.Context, c *core.Core) error {
		acc, err := f.findAccount(ctx, c, login)
		if err != nil {
			return err
		}
		return do(ctx, c, acc)
	})
}

// findAccount returns the account that a command names.
func (f *folder) findAccount(ctx context.Context, c *core.Core, login string) (account.Account, error) {
	acc, err := c.Accounts.Find(ctx, login)
	if errors.Is(err, account.ErrNotFound) {
		return acc, &hintError{fmt.Errorf("there is no account %s", login), f.invocation("account list")}
	}
	return acc, err
}

// findSource returns the source that a command names.
func (f *folder) findSource(ctx context.Context, c *core.Core, kind source.Kind, text string) (source.Source, error) {
	src, err := c.Sources.Resolve(ctx, kind, text)
	var ambiguous *source.AmbiguousError
	switch {
	case errors.Is(err, source.ErrNotFound):
		return src, f.noSource(kind, text)
	case errors.As(err, &ambiguous):
		return src, &hintError{err, f.invocation(string(kind) + " list")}
	}
	return src, err
}

// noSource returns the error for a source that does not exist.
func (f *folder) noSource(kind source.Kind, id string) error {
	return &hintError{fmt.Errorf("there is no %s %s", kind, id), f.invocation(string(kind) + " list")}
}

// commandLine returns the user who runs this program, as an actor of the audit log.
func commandLine() audit.Actor {
	actor := audit.Actor{Name: "command line"}
	if u, err := user.Current(); err == nil {
		actor.Name += " (" + u.Username + ")"
	}
	return actor
}

// shellQuote quotes text as one word of a POSIX shell.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// localFolder returns the folder on this machine that must not become full: the data folder
// or, with the data elsewhere, the folder of the key file.
func (f *folder) localFolder() string {
	if f.data != "" {
		return f.data
	}
	return filepath.Dir(f.keyFile)
}
