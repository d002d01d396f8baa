package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"

	"modernc.org/sqlite"
)

// Template is a schema without rows, of which databases in memory are copies. A copy takes
// a tenth of the time of the statements that create the schema. The first database that
// is opened with a template fills it; its zero value is empty. It is safe for concurrent
// use.
type Template struct {
	mu  sync.Mutex
	dsn string
	// kept is why the content stays. It is not a pool, which has a goroutine.
	kept driver.Conn
}

// copyTo copies the template to a new database, of which pool is the only user, and then
// calls created.
func (t *Template) copyTo(
	ctx context.Context, pool *sql.DB, steps []migration, all schema, created func(context.Context, Exec) error,
) error {
	dsn, err := t.fill(ctx, steps, all)
	if err != nil {
		return fmt.Errorf("creating a template: %w", err)
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Raw(func(c any) error { return restoreFrom(c, dsn) }); err != nil {
		return fmt.Errorf("copying a template: %w", err)
	}
	if created == nil {
		return nil
	}
	return locked(ctx, conn, sqliteEngine.begin, func() error { return created(ctx, execOn(conn)) })
}

// fill creates the schema, unless it is there, and returns where.
func (t *Template) fill(ctx context.Context, steps []migration, all schema) (dsn string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept != nil {
		return t.dsn, nil
	}
	dsn = memoryDSN()
	kept, err := new(sqlite.Driver).Open(dsn)
	if err != nil {
		return "", err
	}
	pool, err := sql.Open("sqlite", dsn)
	if err == nil {
		err = migrate(ctx, pools{writer: pool}, sqliteEngine, steps, all, Config{})
		_ = pool.Close()
	}
	if err != nil {
		_ = kept.Close()
		return "", err
	}
	t.dsn, t.kept = dsn, kept
	return dsn, nil
}

// restoreFrom replaces the content of a connection's database by that of another.
func restoreFrom(conn any, dsn string) error {
	c, ok := conn.(interface {
		NewRestore(from string) (*sqlite.Backup, error)
	})
	if !ok {
		return fmt.Errorf("the connection is a %T", conn)
	}
	b, err := c.NewRestore(dsn)
	if err != nil {
		return err
	}
	if _, err := b.Step(-1); err != nil { // all pages
		_ = b.Finish()
		return err
	}
	return b.Finish()
}
