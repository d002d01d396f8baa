package db

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// turn is the number of the advisory lock that writers take, each in its turn.
// It counts in one database.
const turn = "7306923514892701"

// postgresEngine is PostgreSQL, 15 or newer.
//
// Writers of all processes take turns. So each statement of a transaction sees
// everything that was committed before the turn began, the audit log has one end,
// and changes have one order.
var postgresEngine = engine{
	name:      "postgres",
	open:      openPostgres,
	begin:     "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(" + turn + ")",
	commit:    commitPostgres,
	snapshot:  "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
	brief:     "SET LOCAL lock_timeout = '200ms'",
	remote:    true,
	clock:     "SELECT (EXTRACT(epoch FROM clock_timestamp()) * 1000)::bigint",
	others:    othersConnected,
	exists:    "SELECT to_regclass('schema_version') IS NOT NULL",
	readOnly:  "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean",
	notify:    "NOTIFY usher_change",
	listen:    "LISTEN usher_change",
	wait:      waitForNotification,
	arguments: postgresArguments,
	note:      noteBesideWriters,
	booleans:  postgresBooleans,
	last:      postgresLast,
	setLast:   setPostgresLast,
	whole:     checkSessions,
}

const (
	// maxRemoteReaders is how many reads run at the same time.
	maxRemoteReaders = 10
	// connectTimeout is how long one attempt to connect may take, unless the URL
	// has a connect_timeout.
	connectTimeout = 5 * time.Second
	// answerTimeout is how long the database can stay silent in the middle of a
	// response. It is longer than the statement timeout, and shorter than the time of a
	// request: a commit that waits for a standby fails while its caller still listens.
	answerTimeout = 13 * time.Second
)

// How a connection is set up, by statements rather than in the start-up message,
// which PgBouncer checks.
const (
	// An administrator may have set others for the role or the database.
	commonSettings = "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; " +
		"SET default_transaction_isolation = 'read committed'; SET idle_session_timeout = 0"
	// A process that stops during its turn loses the turn. Acknowledged changes are on
	// disk, and on the synchronous standby if there is one.
	writerSettings = "; SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '10s'; " +
		"SET statement_timeout = '12s'; SELECT set_config('synchronous_commit', 'on', false) " +
		"WHERE current_setting('synchronous_commit') IN ('off', 'local')"
	// Notes can be lost, and must not delay others.
	notesSettings   = "; SET synchronous_commit = off; SET lock_timeout = '2s'; SET statement_timeout = '12s'"
	patientSettings = "; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 0; SET statement_timeout = 0"
)

func openPostgres(cfg Config) (pools, error) {
	parsed, err := pgx.ParseConfig(string(cfg.URL))
	if err != nil {
		return pools{}, explainURL(string(cfg.URL))
	}
	if parsed.ConnectTimeout == 0 {
		parsed.ConnectTimeout = connectTimeout
	}
	if parsed.ValidateConnect == nil {
		parsed.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	parsed.ValidateConnect = explained(parsed.ValidateConnect)
	if parsed.RuntimeParams["application_name"] == "" {
		parsed.RuntimeParams["application_name"] = applicationName(cfg.Holder)
	}
	list := newHosts(parsed, func() string {
		again, err := pgx.ParseConfig(string(cfg.URL))
		if err != nil { // the file of the password can be half-written
			return parsed.Password
		}
		return again.Password
	})
	connect := func(settings string, answer time.Duration, most int) *sql.DB {
		pool := sql.OpenDB(&connector{hosts: list, dial: dialer(answer), setUp: setUp(commonSettings + settings)})
		pool.SetMaxOpenConns(most)
		pool.SetMaxIdleConns(most)
		pool.SetConnMaxIdleTime(5 * time.Minute)
		return pool
	}
	return pools{
		place:    place(parsed),
		writer:   connect(writerSettings, answerTimeout, 1),
		readers:  connect("", answerTimeout, maxRemoteReaders),
		follower: connect("", answerTimeout, 1),
		notes:    connect(notesSettings, answerTimeout, 1),
		patient:  connect(patientSettings, 0, 1),
	}, nil
}

// explained adds to the error of a connection that only accepts reads why that may be so.
func explained(validate pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		err := validate(ctx, conn)
		if err != nil && err.Error() == "read only connection" {
			err = fmt.Errorf("%w: it is a standby, or default_transaction_read_only is on for the user or the database", err)
		}
		return err
	}
}

// explainStart translates an error of opening the database, and adds what to do about one
// that does not pass.
func explainStart(err error) error {
	switch {
	case hasCode(err, noPrivilege) && !errors.Is(err, ErrRefused):
		return fmt.Errorf("%w; make the user the owner of the database: ALTER DATABASE name OWNER TO user", err)
	case hasCode(err, noSchema):
		return fmt.Errorf("%w; create the schema that search_path names for the user or the database, or reset search_path", err)
	}
	return translate(err)
}

// errPooled reports that a connection is not one session of the database.
var errPooled = errors.New("there is a pooler before the database that changes the session between transactions, " +
	"such as PgBouncer in its usual mode: set pool_mode = session there, or connect to the database itself")

// checkSessions returns errPooled unless each of the connections is one session for as long
// as it lives. Otherwise the settings of one would be those of another, and a write
// could be acknowledged before it is on disk.
//
// A pooler gives each client a number in place of the session's. Such a client receives the
// session's by a query, which two clients ask in turns.
func checkSessions(ctx context.Context, pool *sql.DB) (err error) {
	first, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, first.Close()) }()
	told, is, err := sessionOf(ctx, first)
	if err != nil || told == is {
		return err
	}
	second, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.Close()) }()
	const turns = 5
	for range turns {
		_, other, err := sessionOf(ctx, second)
		if err != nil {
			return err
		}
		_, again, err := sessionOf(ctx, first)
		if err != nil {
			return err
		}
		if other == is || again != is {
			return errPooled
		}
	}
	return nil
}

// sessionOf returns the number of a connection's session: as the connection was told when
// it began, and as the database knows it.
func sessionOf(ctx context.Context, conn *sql.Conn) (told, is uint32, err error) {
	err = onDriver(conn, func(c *pgx.Conn) error {
		told = c.PgConn().PID()
		// As one that is not prepared, it works behind every pooler.
		return c.QueryRow(ctx, "SELECT pg_backend_pid()::bigint", pgx.QueryExecModeSimpleProtocol).Scan(&is)
	})
	return told, is, translate(err)
}

// applicationName is the name of the connections of one process in the database's list of
// connections. PostgreSQL keeps 63 bytes of it.
func applicationName(holder string) string {
	if holder == "" {
		holder = "usher"
	}
	return holder[:min(len(holder), 50)] + " " + rand.Text()[:8]
}

// othersConnected compares the names of applicationName. Processes whose address of the
// database sets another name are not detected.
// PostgreSQL would return the same result until the end of the transaction, unless the snapshot is
// cleared.
const othersConnected = `SELECT DISTINCT substr(application_name, 1, length(application_name) - 9)
	FROM (SELECT pg_stat_clear_snapshot()) AS fresh, pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'usher%'
	AND application_name <> current_setting('application_name')`

var errURL = errors.New("the address of the database cannot be read: it is postgres://USER@HOST:PORT/DATABASE, " +
	"and a password in it has its special characters escaped (%40 for @)")

// sslModes are the values of sslmode.
var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// CheckURL returns an error if the address of a database cannot be read. The error does
// not quote it. CheckURL does not connect to the database.
func CheckURL(address string) error {
	if _, err := pgx.ParseConfig(address); err != nil {
		return explainURL(address)
	}
	return nil
}

// explainURL says why an address cannot be read. The error of the parser may quote a part of
// the password.
func explainURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errURL
	}
	if mode := u.Query().Get("sslmode"); mode != "" && !slices.Contains(sslModes, mode) {
		return fmt.Errorf("the address of the database has an unknown sslmode: it is one of %s", strings.Join(sslModes, ", "))
	}
	return errURL
}

// place returns where a database is, without its secrets.
func place(c *pgx.ConnConfig) string {
	hosts := []string{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))}
	for _, f := range c.Fallbacks {
		host := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port)))
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return "postgres://" + strings.Join(hosts, ",") + "/" + c.Database
}

// setUp returns the function that initializes a new connection.
func setUp(settings string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		if err := checkServer(conn.PgConn().ParameterStatus); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, settings)
		return err
	}
}

// leastVersion is the oldest PostgreSQL that is tested.
const leastVersion = 15

// checkServer returns an error if a server is not one that this package can rely on,
// judging by the parameters that it reports when a connection begins.
func checkServer(status func(string) string) error {
	version := status("server_version")
	for name, is := range map[string]bool{"CockroachDB": status("crdb_version") != "", "YugabyteDB": strings.Contains(version, "-YB-")} {
		if is {
			return fmt.Errorf("the database is %s, and usher needs PostgreSQL: it relies on advisory locks and on LISTEN as PostgreSQL has them", name)
		}
	}
	digits := version[:len(version)-len(strings.TrimLeft(version, "0123456789"))]
	if major, err := strconv.Atoi(digits); err == nil && major < leastVersion {
		return fmt.Errorf("the database is PostgreSQL %s, and usher needs %d or newer", version, leastVersion)
	}
	if encoding := status("server_encoding"); encoding != "UTF8" {
		return fmt.Errorf("the database stores text as %s, and usher needs UTF8: create it with ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

// dialer returns a dial function for connections that fail when the other side does not
// respond within a time; zero: never.
func dialer(answer time.Duration) pgconn.DialFunc {
	d := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3,
	}}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil || answer == 0 {
			return conn, err
		}
		return &answering{Conn: conn, limit: answer}, nil
	}
}

// answering is a connection whose reads fail after a time without a response. A
// database that is stopped, or cut off, sends nothing at all.
type answering struct {
	net.Conn
	limit time.Duration

	mu  sync.Mutex
	set bool // the driver has set a deadline
}

// SetDeadline implements net.Conn. The driver sets deadlines to interrupt running
// statements.
func (c *answering) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set = !t.IsZero()
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *answering) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set = !t.IsZero()
	return c.Conn.SetReadDeadline(t)
}

// Read implements net.Conn.
func (c *answering) Read(b []byte) (int, error) {
	if err := c.limitRead(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *answering) limitRead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.set {
		return nil
	}
	return c.Conn.SetReadDeadline(time.Now().Add(c.limit))
}

// onDriver runs do on the driver's connection under one of database/sql.
func onDriver(conn *sql.Conn, do func(*pgx.Conn) error) (err error) {
	raw := conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("the connection is a %T", driverConn)
		}
		err = do(c.Conn())
		return nil
	})
	return errors.Join(raw, err)
}

// commitPostgres commits a transaction. PostgreSQL rolls back one in which a statement
// failed, without an error: it reports the rollback.
func commitPostgres(ctx context.Context, conn *sql.Conn) error {
	return onDriver(conn, func(c *pgx.Conn) error {
		tag, err := c.Exec(ctx, "COMMIT")
		if err == nil && tag.String() != "COMMIT" {
			err = fmt.Errorf("the database answered %s", tag)
		}
		return err
	})
}

func waitForNotification(ctx context.Context, conn *sql.Conn) error {
	return onDriver(conn, func(c *pgx.Conn) error {
		_, err := c.WaitForNotification(ctx)
		return err
	})
}

// postgresArguments converts arguments as database/sql does for other drivers:
// this one would print a value that knows how to, and a Secret would print as
// "…". PostgreSQL stores neither a NUL nor what is not UTF-8 in a text.
func postgresArguments(args []any) ([]any, error) {
	converted := make([]any, len(args))
	for i, arg := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		if text, ok := v.(string); ok {
			v = storable(text)
		}
		converted[i] = v
	}
	return converted, nil
}

// storable returns a text as PostgreSQL stores it.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// postgresBooleans returns which columns of a table are booleans.
func postgresBooleans(ctx context.Context, q Querier, t table) (list []int, err error) {
	rows, err := q.Query(ctx, `SELECT attname::text FROM pg_attribute
		WHERE attrelid = to_regclass($1) AND attnum > 0 AND atttypid = 'boolean'::regtype`, quoted(t.name))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if i := slices.Index(t.columns, name); i >= 0 {
			list = append(list, i)
		}
	}
	return list, rows.Err()
}

// postgresSequence returns the name of the sequence of a table, if it has one.
func postgresSequence(ctx context.Context, q Querier, t table) (name string, err error) {
	err = q.QueryRow(ctx, "SELECT COALESCE(pg_get_serial_sequence($1, $2), '')", quoted(t.name), t.columns[t.key[0]]).Scan(&name)
	return name, err
}

// postgresLast returns the last number that a table's row was given.
func postgresLast(ctx context.Context, q Querier, t table) (last int64, err error) {
	sequence, err := postgresSequence(ctx, q, t)
	if err != nil {
		return 0, err
	}
	err = q.QueryRow(ctx, "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM "+sequence).Scan(&last)
	return last, err
}

// setPostgresLast makes the next number follow another, unless usher assigns the
// numbers itself.
func setPostgresLast(ctx context.Context, tx *Tx, t table, last int64) error {
	sequence, err := postgresSequence(ctx, tx, t)
	if err != nil || sequence == "" {
		return err
	}
	var set int64
	return tx.QueryRow(ctx, "SELECT setval($1::regclass, $2, TRUE)", sequence, last).Scan(&set)
}

// Codes of PostgreSQL's errors that are distinguished.
const (
	invalidPassword      = "28P01"
	unknownDatabase      = "3D000"
	invalidUser          = "28000"
	noPrivilege          = "42501"
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014"
	readOnlyTransaction  = "25006"
	idleInTransaction    = "25P03"
	transactionTimeout   = "25P04"
	undefinedTable       = "42P01"
	noSchema             = "3F000"
	diskFull             = "53100"
)

// hasCode reports whether err is an error of PostgreSQL with one of these codes.
func hasCode(err error, codes ...string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && slices.Contains(codes, e.Code)
}

// isLostCode reports whether an error means that the database is temporarily unable
// to execute a statement: it is shutting down or starting, is a standby, has no connection,
// memory or disk left, another process does not end its turn, or another program's locks
// ended the transaction. While an administrator replaces the database or its
// permissions, there are no tables, or none that may be read.
func isLostCode(code string) bool {
	switch code {
	case lockNotAvailable, queryCanceled, readOnlyTransaction, idleInTransaction, transactionTimeout, undefinedTable, noPrivilege:
		return true
	}
	switch code[:min(2, len(code))] {
	case "08", "40", "53", "57", "58", "F0":
		return true
	}
	return false
}
