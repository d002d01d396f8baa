package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// An engine is the specific part of one kind of database.
type engine struct {
	// name is the engine's folder of migrations.
	name string
	// open returns the connections.
	open func(Config) (pools, error)
	// begin starts a write transaction, and waits for those of others.
	begin string
	// commit ends it, and makes it durable. Nil: COMMIT does.
	commit func(context.Context, *sql.Conn) error
	// snapshot starts a transaction whose reads all see one state.
	snapshot string
	// backup copies the database to an empty file. If nil, the engine's own tools do that.
	backup func(ctx context.Context, pool *sql.DB, path string) error

	// booleans returns the boolean columns of a table.
	booleans func(context.Context, Querier, table) ([]int, error)
	// last returns the last number that the engine has assigned to a row of a table, and
	// setLast sets it.
	last    func(context.Context, Querier, table) (int64, error)
	setLast func(ctx context.Context, tx *Tx, t table, last int64) error

	// note is Note for a few rows, in the order of their numbers.
	note func(ctx context.Context, d *DB, n Notes, ids []int64) error

	// version returns a number that differs after another process has committed. If empty,
	// the engine has no such number.
	version string

	// remote: the database is another process, so a connection can be lost. The
	// fields below are set for remote engines only.
	remote bool
	// clock returns the time of the database, in milliseconds.
	clock string
	// others names the programs of this project that are connected, but for this one.
	others string
	// whole checks that what is between this process and the database keeps the
	// connections of a pool apart.
	whole func(ctx context.Context, pool *sql.DB) error
	// brief limits how long the statements of a transaction wait for the locks of others.
	brief string
	// exists returns whether there is a schema.
	exists string
	// readOnly returns whether the database is read-only.
	readOnly string
	// notify tells other processes that the feed has grown, once the transaction
	// commits, and listen subscribes a connection to it.
	notify, listen string
	// wait returns when a connection received a notification, or ctx is cancelled.
	wait func(ctx context.Context, conn *sql.Conn) error
	// arguments converts the arguments of a query, so that the driver stores them like
	// SQLite's .
	arguments func([]any) ([]any, error)
}

// pools are the connections of a DB.
type pools struct {
	// place describes the location of the database, without secrets.
	place   string
	writer  *sql.DB
	readers *sql.DB
	// follower reads the feed; nil for an engine that is not remote.
	follower *sql.DB
	// notes is the connection for notes; nil for an engine that is not remote.
	notes *sql.DB
	// patient waits for responses without a limit; nil for an engine that is not
	// remote. A migration of many rows takes its time.
	patient *sql.DB
}

// close closes the remaining connections.
func (p pools) close() error {
	var errs []error
	for _, pool := range []*sql.DB{p.follower, p.notes, p.patient} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// isConflict reports whether err is a violated UNIQUE or PRIMARY KEY.
func isConflict(err error) bool { return isSQLiteConflict(err) || hasCode(err, uniqueViolation) }

// translate translates the errors of a lost connection to this package's. All other
// errors are unchanged.
func translate(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) || !isLost(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// isFull reports whether err means that the disk of the database is full.
func isFull(err error) bool { return isSQLiteFull(err) || hasCode(err, diskFull) }

// isLost reports whether err means that the database is temporarily unable to execute
// the statement, or that another process writes to it for too long.
func isLost(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sql.ErrNoRows) {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return isLostCode(pg.Code)
	}
	if isFull(err) || isSQLiteBusy(err) {
		return true
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
