package db

import (
	"context"
	"fmt"
	"strconv"
	"sync"
)

// Topic names a kind of thing that caches hold, such as accounts. The nouns'
// packages declare theirs.
type Topic string

// Change identifies something that has changed.
type Change struct {
	Topic Topic
	// Key identifies it within its topic: an ID in the form of [IDKey], or any other
	// text or bytes.
	Key string
}

// IDKey returns the key of a row's ID.
func IDKey(id int64) string { return strconv.FormatInt(id, 10) }

// ID returns the ID that IDKey wrote; 0 for any other key.
func (c Change) ID() int64 {
	id, err := strconv.ParseInt(c.Key, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// Watch has fn called after each commit and before the Write that made the
// change returns, and for the changes of other processes within a second. When
// all is true, anything may have changed, and changes is empty. fn must be
// quick and must not use the database.
func (d *DB) Watch(fn func(changes []Change, all bool)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watchers = append(d.watchers, fn)
}

func (d *DB) announce(changes []Change, all bool) {
	if len(changes) == 0 && !all {
		return
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, fn := range d.watchers {
		fn(changes, all)
	}
}

// feedLength is how many changes the table keeps: more than a process misses
// that polls four times a second. One that missed more finds a gap, and drops
// every cache entry.
const feedLength = 10_000

// feed is one process's place in the change table. IDs count up by one in the
// order of the commits: writers take turns, and a failed one leaves no gap.
type feed struct {
	mu      sync.Mutex
	seen    int64 // the newest change that was announced here
	version int64 // of the database, when seen was read

	looked freshness
}

// published is a row of the change table.
type published struct {
	id int64
	Change
}

// start begins at the end of the feed. Entries that are already cached can be older.
func (d *DB) startFeed(ctx context.Context, conn *statements) (err error) {
	began := d.feed.looked.now()
	var version, seen int64
	if version, err = dataVersion(ctx, conn, d.engine); err != nil {
		return err
	}
	if err := conn.queryRow(ctx, "SELECT COALESCE(MAX(id), 0) FROM change").Scan(&seen); err != nil {
		return fmt.Errorf("reading the end of the feed: %w", err)
	}
	d.feed.mu.Lock()
	defer d.feed.mu.Unlock()
	d.feed.version, d.feed.seen = version, seen
	d.announce(nil, true)
	d.feed.looked.set(began)
	return nil
}

func dataVersion(ctx context.Context, conn *statements, e engine) (version int64, err error) {
	if e.version == "" {
		return 0, nil
	}
	err = conn.queryRow(ctx, e.version).Scan(&version)
	return version, err
}

// pollFeed announces what other processes have changed since the last poll.
func (d *DB) pollFeed(ctx context.Context, conn *statements) error {
	began := d.feed.looked.now()
	version, err := dataVersion(ctx, conn, d.engine)
	if err != nil {
		return err
	}
	d.feed.mu.Lock()
	seen, same := d.feed.seen, d.engine.version != "" && version == d.feed.version
	d.feed.mu.Unlock()
	if same {
		return nil
	}
	rows, err := readChanges(ctx, conn, seen)
	if err != nil {
		return err
	}
	d.feed.mu.Lock()
	defer d.feed.mu.Unlock()
	d.feed.version = version
	d.announce(d.feed.take(rows, seen))
	d.feed.looked.set(began)
	return nil
}

// take moves past rows that were read from the row asked on, and returns what
// nobody here has heard of yet; all is true if some of it is unknown.
func (f *feed) take(rows []published, asked int64) (changes []Change, all bool) {
	// The last row that was seen must still be there: without it, rows are missing
	// between the two, or the database is another one than it was.
	if asked > 0 && (len(rows) == 0 || rows[0].id != asked) {
		all = true
	}
	for _, row := range rows {
		switch {
		case row.id <= f.seen:
		case row.id == f.seen+1:
			changes = append(changes, row.Change)
			f.seen = row.id
		default:
			all = true
			f.seen = row.id
		}
	}
	if all {
		if last := len(rows) - 1; last < 0 {
			f.seen = 0
		} else {
			f.seen = rows[last].id
		}
		return nil, true
	}
	return changes, false
}

// readChanges reads the feed from a row on.
func readChanges(ctx context.Context, conn *statements, from int64) (list []published, err error) {
	rows, err := conn.query(ctx, "SELECT id, topic, key FROM change WHERE id >= $1 ORDER BY id", from)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p published
		var key []byte
		if err := rows.Scan(&p.id, &p.Topic, &key); err != nil {
			return nil, err
		}
		p.Key = string(key)
		list = append(list, p)
	}
	return list, rows.Err()
}

const addChange = `INSERT INTO change (id, topic, key)
	SELECT COALESCE(MAX(id), 0) + 1, $1, $2 FROM change RETURNING id`

// publish writes the changes of a batch to the table, inside its transaction,
// for other processes. It returns the first and the last ID.
func (d *DB) publish(ctx context.Context, tx *Tx, changes []Change) (first, last int64, err error) {
	for i, c := range changes {
		err := tx.QueryRow(ctx, addChange, string(c.Topic), []byte(c.Key)).Scan(&last)
		if err != nil {
			return 0, 0, fmt.Errorf("publishing a change: %w", err)
		}
		if i == 0 {
			first = last
		}
	}
	if len(changes) == 0 {
		return 0, 0, nil
	}
	// The oldest rows go a hundred at a time, so that most commits delete none.
	if last/100 != (first-1)/100 {
		if err := tx.Exec(ctx, "DELETE FROM change WHERE id <= $1", last-feedLength); err != nil {
			return 0, 0, fmt.Errorf("shortening the feed: %w", err)
		}
	}
	if d.engine.notify != "" {
		if err := tx.Exec(ctx, d.engine.notify); err != nil {
			return 0, 0, fmt.Errorf("telling other processes: %w", err)
		}
	}
	return first, last, nil
}

// announceOwn announces what this process has committed, unless the follower has
// read and announced it already. If changes of others lie before it, the next
// poll reads all of them once more.
func (d *DB) announceOwn(first, last int64, changes []Change) {
	d.feed.mu.Lock()
	defer d.feed.mu.Unlock()
	if len(changes) > 0 && last <= d.feed.seen {
		return
	}
	if first == d.feed.seen+1 {
		d.feed.seen = last
	}
	d.announce(changes, false)
}
