package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/source"
)

// environ looks up a variable of the environment.
type environ func(name string) (value string, ok bool)

// folder is the data folder that a command works on, and how it is opened.
type folder struct {
	data    string // --data
	keyFile string // --key-file

	env   environ
	self  string    // how the program was called
	notes io.Writer // says when a database was created
}

// addFlags adds the flags that name the folder.
func (f *folder) addFlags(flags *pflag.FlagSet) {
	where := ""
	if usual := f.defaultData(); usual != "" {
		where = " (default " + displayPath(usual) + ")"
	}
	flags.StringVar(&f.data, "data", "", "`folder` that holds the database"+where)
	flags.StringVar(&f.keyFile, "key-file", "", "`file` with the key that secrets are sealed with (default usher.key in the data folder)")
}

// settle fills in what the flags left open.
func (f *folder) settle() error {
	if f.data == "" {
		f.data = f.defaultData()
	}
	if f.keyFile == "" {
		f.keyFile = f.defaultKeyFile()
	}
	return errors.Join(absolute(&f.data), absolute(&f.keyFile))
}

// absolute makes a path one that means the same wherever it is read: in a hint
// that is pasted elsewhere, or in a log.
func absolute(path *string) (err error) {
	if *path == "" {
		return nil
	}
	*path, err = filepath.Abs(*path)
	return err
}

// defaultKeyFile is empty when the data folder is not known.
func (f *folder) defaultKeyFile() string {
	if f.data == "" {
		return ""
	}
	return filepath.Join(f.data, "usher.key")
}

// defaultData is where this system keeps a user's data. It is empty when the
// user has no home: a folder that depends on where usher is called from would
// be a new one each time.
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

// withCore opens the data folder for one command. What the command changes holds
// whether a server runs or not: a running one notices within a second.
func (f *folder) withCore(ctx context.Context, do func(context.Context, *core.Core) error) error {
	return f.with(ctx, core.Config{MustExist: true}, do)
}

// withNewCore is withCore for a command that may be the first one: it creates
// the database if there is none.
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
		fmt.Fprintf(f.notes, "Made a new database in %s.\n", f.data)
	}
	return do(ctx, c)
}

// open opens the data folder that the flags name.
func (f *folder) open(ctx context.Context, cfg core.Config) (*core.Core, error) {
	if err := f.locate(&cfg); err != nil {
		return nil, err
	}
	c, err := core.Open(ctx, cfg)
	return c, f.explainOpen(err)
}

// locate fills in where the data is.
func (f *folder) locate(cfg *core.Config) error {
	if f.data == "" {
		return &usageError{&hintError{errors.New("there is no home folder to keep data in"), "name a folder with --data"}}
	}
	cfg.Dir, cfg.KeyFile = f.data, f.keyFile
	return nil
}

// explainOpen adds the next step to an error of opening the data folder.
func (f *folder) explainOpen(err error) error {
	if errors.Is(err, core.ErrNoDatabase) {
		return &hintError{err, "name its folder with --data; usher serve and usher account add make a new one"}
	}
	if folderErr := (*core.FolderError)(nil); errors.As(err, &folderErr) {
		return &hintError{err, "choose a folder that you may write to, with --data"}
	}
	if keyErr := (*core.KeyError)(nil); errors.As(err, &keyErr) {
		return &hintError{err, "name it with --key-file, or put it back from the backup; if it is lost: " + f.invocation("new-key")}
	}
	return err
}

// invocation is how this program is to be called again from the same place, with
// flags that point at the same data.
func (f *folder) invocation(args string) string {
	name := f.self
	if strings.Contains(filepath.ToSlash(name), "/go-build") {
		name = "go run ./cmd/usher"
	}
	if f.data != f.defaultData() {
		args += " --data " + shellQuote(f.data)
	}
	if f.keyFile != f.defaultKeyFile() {
		args += " --key-file " + shellQuote(f.keyFile)
	}
	return name + " " + args
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

// noSource is the error for a source that is not there.
func (f *folder) noSource(kind source.Kind, id string) error {
	return &hintError{fmt.Errorf("there is no %s %s", kind, id), f.invocation(string(kind) + " list")}
}

// commandLine is whoever runs this program, as the audit log names them.
func commandLine() audit.Actor {
	actor := audit.Actor{Name: "command line"}
	if u, err := user.Current(); err == nil {
		actor.Name += " (" + u.Username + ")"
	}
	return actor
}

// shellQuote makes text one word of a POSIX shell.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
