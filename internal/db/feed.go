package db

import (
	"context"
	"fmt"
	"strconv"
)

// Topic names a kind of thing that caches hold, such as accounts. The nouns'
// packages declare theirs.
type Topic string

// Change is one thing that is no longer as it was.
type Change struct {
	Topic Topic
	// Key says which of its topic: an ID as [IDKey] writes it, or any other
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
	seen    int64 // the newest change that was announced here
	version int64 // of the database, when seen was read
}

// start begins at the end of the feed: nothing is cached yet.
func (f *feed) start(ctx context.Context, conn *statements, e engine) (err error) {
	if f.version, err = dataVersion(ctx, conn, e); err != nil {
		return err
	}
	err = conn.queryRow(ctx, "SELECT COALESCE(MAX(id), 0) FROM change").Scan(&f.seen)
	if err != nil {
		return fmt.Errorf("reading the end of the feed: %w", err)
	}
	return nil
}

func dataVersion(ctx context.Context, conn *statements, e engine) (version int64, err error) {
	err = conn.queryRow(ctx, e.version).Scan(&version)
	return version, err
}

// poll returns what other processes have changed since the last poll; all is
// true if some of it is unknown.
func (f *feed) poll(ctx context.Context, conn *statements, e engine) (changes []Change, all bool, err error) {
	version, err := dataVersion(ctx, conn, e)
	if err != nil || version == f.version {
		return nil, false, err
	}
	changes, first, last, err := readChanges(ctx, conn, f.seen)
	if err != nil {
		return nil, false, err
	}
	f.version = version
	if len(changes) == 0 {
		return nil, false, nil // a write that touched nothing that is cached
	}
	missed := first != f.seen+1
	f.seen = last
	if missed {
		return nil, true, nil
	}
	return changes, false, nil
}

func readChanges(ctx context.Context, conn *statements, after int64) (changes []Change, first, last int64, err error) {
	rows, err := conn.query(ctx, "SELECT id, topic, key FROM change WHERE id > $1 ORDER BY id", after)
	if err != nil {
		return nil, 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var topic string
		var key []byte
		if err := rows.Scan(&last, &topic, &key); err != nil {
			return nil, 0, 0, err
		}
		if first == 0 {
			first = last
		}
		changes = append(changes, Change{Topic(topic), string(key)})
	}
	return changes, first, last, rows.Err()
}

const addChange = `INSERT INTO change (id, topic, key)
	SELECT COALESCE(MAX(id), 0) + 1, $1, $2 FROM change RETURNING id`

// publish writes the changes of a batch to the table, inside its transaction,
// for other processes. It returns the first and the last ID.
func publish(ctx context.Context, tx *Tx, changes []Change) (first, last int64, err error) {
	for i, c := range changes {
		err := tx.QueryRow(ctx, addChange, string(c.Topic), []byte(c.Key)).Scan(&last)
		if err != nil {
			return 0, 0, fmt.Errorf("publishing a change: %w", err)
		}
		if i == 0 {
			first = last
		}
	}
	// The oldest rows go a hundred at a time, so that most commits delete none.
	if len(changes) > 0 && last/100 != (first-1)/100 {
		if err := tx.Exec(ctx, "DELETE FROM change WHERE id <= $1", last-feedLength); err != nil {
			return 0, 0, fmt.Errorf("shortening the feed: %w", err)
		}
	}
	return first, last, nil
}

// published moves past the changes that this process committed itself, unless
// another one's lie before them: then the next poll reads all of them.
func (f *feed) published(first, last int64) {
	if first == f.seen+1 {
		f.seen = last
	}
}
