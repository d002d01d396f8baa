package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

// moveOptions are the flags of usher migrate.
type moveOptions struct {
	from, to    string
	reopen, yes bool
}

func (cs dataCommands) migrateCommand() *cobra.Command {
	var o moveOptions
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Move all data to another database, and back",
		Long: `Move all data from a data folder to a PostgreSQL database, or back. Stop all servers
of both first.

The target must be empty. The command copies every table, reads
both sides again to compare them, verifies the audit log, and marks the old database
as moved: no server or command uses it after that. If the command is interrupted, run
it again to resume. Until it is done, no server starts on either side.

The key file belongs to the database. A folder gets a copy of it. With a PostgreSQL
database, name the file with --key-file on each node.

--reopen cancels a move, or makes a database that was moved usable again, in its state
at the start of the move: it does not contain later changes of the target.`,
		Example: `  usher migrate --from ~/.local/share/usher --to 'postgres://usher@db1/usher'
  usher migrate --from 'postgres://usher@db1/usher' --key-file /etc/usher/usher.key --to ./data
  usher migrate --reopen --from ~/.local/share/usher`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.reopen {
				return cs.reopen(cmd.Context(), o)
			}
			return cs.migrate(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.from, "from", "", "`folder` or URL of the database to move")
	cmd.Flags().StringVar(&o.to, "to", "", "`folder` or URL of the database to move it to")
	cmd.Flags().BoolVar(&o.reopen, "reopen", false, "use the database at --from again, without later changes of the target")
	yesFlag(cmd, &o.yes)
	return cs.jsonFlag(cmd)
}

// parsePlace reads a folder or the address of a database.
func parsePlace(flag, text string) (p core.Place, err error) {
	switch scheme, _, isURL := strings.Cut(text, "://"); {
	case text == "":
		return p, wrongUse("%s is missing: it is a data folder, or the URL of a PostgreSQL database", flag)
	case isURL && scheme != "postgres" && scheme != "postgresql":
		return p, wrongUse("%s is neither a folder nor a URL that begins with postgres://", flag)
	case isURL:
		p.Database = plexauth.Secret(text)
	default:
		p.Dir = text
	}
	return p, absolute(&p.Dir)
}

// placeFlags are the flags that select the data of a place.
func placeFlags(p core.Place) string {
	if p.Database != "" {
		return "--database " + shellQuote(withoutPassword(string(p.Database)))
	}
	return "--data " + shellQuote(p.Dir)
}

// placeName returns the argument of --from or --to that selects a place.
func placeName(p core.Place) string {
	if p.Database != "" {
		return withoutPassword(string(p.Database))
	}
	return p.Dir
}

// movedJSON is the result of a move in --json.
type movedJSON struct {
	From      string       `json:"from"`      // without a password
	To        string       `json:"to"`        // without a password
	Resumed   bool         `json:"resumed"`   // an earlier run had begun
	Tables    []movedTable `json:"tables"`    // in the order in which they were copied
	Rows      int64        `json:"rows"`      // of all tables
	AuditRows int64        `json:"auditRows"` // of the audit log, whose chain was verified
	Audit     string       `json:"audit"`     // "verified", or the problem that it already had before
	KeyFile   string       `json:"keyFile"`   // belongs to the database
	SetAside  string       `json:"setAside,omitempty"`
}

// movedTable is a table in --json.
type movedTable struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
	Hash string `json:"hash"` // of the rows, the same on both sides
}

func (cs dataCommands) migrate(ctx context.Context, o moveOptions) error {
	cfg, err := cs.moveConfig(o)
	if err != nil {
		return err
	}
	if cfg.To, err = parsePlace("--to", o.to); err != nil {
		return err
	}
	if cfg.To == cfg.From {
		return wrongUse("--from and --to are the same place")
	}
	bar := cs.newProgress("copying", "comparing")
	cfg.Progress = bar.show
	moved, err := core.Move(ctx, cfg)
	bar.end()
	if err != nil {
		return cs.explainMove(err, cfg)
	}
	if cs.json {
		return cs.printMovedJSON(cfg, moved)
	}
	cs.printMoved(cfg, moved)
	return nil
}

// moveConfig returns the configuration that all moves share.
func (cs dataCommands) moveConfig(o moveOptions) (cfg core.MoveConfig, err error) {
	cfg = core.MoveConfig{Holder: "usher migrate", By: commandLine(), KeyFile: cs.keyFile}
	if cfg.From, err = parsePlace("--from", o.from); err != nil {
		return cfg, err
	}
	if cfg.From.Dir != "" && (cs.keyFile == "" || cs.keyFile == cs.defaultKeyFile()) {
		cfg.KeyFile = filepath.Join(cfg.From.Dir, core.KeyName)
	}
	if cfg.KeyFile == "" {
		return cfg, wrongUse("--key-file is missing: it names the key file of the database")
	}
	return cfg, nil
}

func (cs dataCommands) printMovedJSON(cfg core.MoveConfig, moved core.Moved) error {
	out := movedJSON{
		From: placeName(cfg.From), To: placeName(cfg.To), Resumed: moved.Resumed, AuditRows: moved.AuditRows,
		Audit: "verified", KeyFile: moved.KeyFile, SetAside: moved.SetAside,
	}
	if moved.BrokenAudit != nil {
		out.Audit = moved.BrokenAudit.Error()
	}
	for _, c := range moved.Contents {
		out.Tables = append(out.Tables, movedTable{c.Table, c.Rows, c.Hash})
		out.Rows += c.Rows
	}
	return cs.printJSON(out)
}

func (cs dataCommands) printMoved(cfg core.MoveConfig, moved core.Moved) {
	var rows int64
	for _, c := range moved.Contents {
		rows += c.Rows
	}
	fmt.Fprintf(cs.out, "moved %d rows in %d tables from %s to %s\n", rows, len(moved.Contents), placeName(cfg.From), placeName(cfg.To))
	fmt.Fprintf(cs.out, "compared every table on both sides: the counts and hashes are the same\n")
	if moved.BrokenAudit != nil {
		fmt.Fprintf(cs.err, "warning: %v; the problem existed before the move\n", moved.BrokenAudit)
	} else {
		fmt.Fprintf(cs.out, "verified the audit log: %d rows\n", moved.AuditRows)
	}
	if moved.SetAside != "" {
		fmt.Fprintf(cs.out, "the database that was in %s before is now %s\n", cfg.To.Dir, moved.SetAside)
	}
	fmt.Fprintf(cs.out, "no server uses the old database any more\n\nStart the server, with the key file of the database:\n\n  usher serve %s --key-file %s\n",
		placeFlags(cfg.To), shellQuote(moved.KeyFile))
	if cfg.To.Database != "" {
		fmt.Fprintf(cs.out, "\nCopy the key file to each other node.\n")
	}
}

// explainMove adds the next step to an error of a move.
func (cs dataCommands) explainMove(err error, cfg core.MoveConfig) error {
	var move *core.MoveError
	var keyErr *core.KeyError
	switch {
	case errors.As(err, &move):
		return cs.explainMark(move, cfg.From)
	case errors.As(err, &keyErr):
		return &hintError{err, "name the key file of the database with --key-file"}
	case errors.Is(err, core.ErrOtherKey):
		return &hintError{err, "move that file away: it is not the key of the moved database"}
	case errors.Is(err, core.ErrNotEmpty):
		return &hintError{err, "use an empty folder or a new PostgreSQL database"}
	case errors.Is(err, core.ErrOtherMove):
		return &hintError{err, "complete that move, or empty the database: remove the folder, or drop and create the PostgreSQL database"}
	case errors.Is(err, core.ErrConnected), errors.Is(err, core.ErrInUse):
		return &hintError{err, "stop every server and command that uses the old or the new database, and run this again"}
	case errors.Is(err, core.ErrNoDatabase):
		return &hintError{err, "check --from"}
	case errors.Is(err, core.ErrNotMoved):
		return &hintError{err, "there is nothing to do: servers can use it"}
	}
	explained := cs.explainOpen(err)
	if hint := (*hintError)(nil); !errors.As(explained, &hint) && fault.KindOf(err) == fault.Unavailable {
		return &hintError{err, "run this again when the database responds: it resumes the move"}
	}
	return explained
}

func (cs dataCommands) reopen(ctx context.Context, o moveOptions) error {
	cfg, err := cs.moveConfig(o)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("Use the database in %s again? It does not contain later changes of the other database, whose servers must be stopped.", placeName(cfg.From))
	if err := cs.confirm(ctx, o.yes, question); err != nil {
		return err
	}
	if err := core.Reopen(ctx, cfg); err != nil {
		return cs.explainMove(err, cfg)
	}
	fmt.Fprintf(cs.out, "the database in %s is in use again, as it was when the move began\n", placeName(cfg.From))
	return nil
}

// explainMark adds a hint to the error of a database that was moved.
func (f *folder) explainMark(move *core.MoveError, here core.Place) error {
	reopen := "usher migrate --reopen --from " + shellQuote(placeName(here))
	switch {
	case move.Part == core.IsFilled:
		return &hintError{move, "run the same usher migrate again to resume"}
	case move.Done:
		return &hintError{move, "use that one, with --database or --data; to go back, without later changes of it: " + reopen}
	}
	return &hintError{move, "run the same usher migrate again to resume; to cancel the move: " + reopen}
}
