package db

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Notes are times that rows get, such as when each was last used.
type Notes struct {
	// Table and Column are where the times are. The number of a row is in its column
	// id.
	Table, Column string
	// At are the times, by the numbers of the rows.
	At map[int64]time.Time
	// Least is by how much a time must move for the row to be written.
	Least time.Duration
}

// notesAtOnce is how many rows a statement or a transaction of Note changes, so that
// others do not wait long for it.
const notesAtOnce = 500

// Note moves times of rows forward. It is for times that need not be exact, and that are
// written so often that changes would wait for them. In a database that several
// processes share, it does not take turns with the writers, waits for neither locked
// rows nor the disk, and announces nothing. So caches must not contain the
// column. Rows are unchanged if they are locked, or if their time moves by less than
// Least; missing rows are ignored.
//
// If it fails, some of the rows may have been written. Calling it again is harmless.
func (d *DB) Note(ctx context.Context, n Notes) error {
	ids := slices.Sorted(maps.Keys(n.At))
	for part := range slices.Chunk(ids, notesAtOnce) {
		if err := d.engine.note(ctx, d, n, part); err != nil {
			return fmt.Errorf("noting times in the table %s: %w", n.Table, err)
		}
	}
	return nil
}

// noteByWriting is Note for an engine whose one writer is this process.
func noteByWriting(ctx context.Context, d *DB, n Notes, ids []int64) error {
	text := fmt.Sprintf("UPDATE %s SET %[2]s = $2 WHERE id = $1 AND %[2]s < $3", quoted(n.Table), quoted(n.Column))
	return d.Write(ctx, func(ctx context.Context, tx *Tx) error {
		for _, id := range ids {
			at := n.At[id]
			if err := tx.Exec(ctx, text, id, at.UnixMilli(), at.Add(-n.Least).UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
}

// notePostgres is Note outside of the writers' turns. It skips locked rows: a
// statement that waits for no lock cannot be part of a deadlock.
const notePostgres = `WITH free AS (
		SELECT t.id, n.at FROM unnest($1::text::bigint[], $2::text::bigint[]) AS n (id, at) JOIN %[1]s t ON t.id = n.id
		WHERE t.%[2]s < n.at - $3::bigint FOR NO KEY UPDATE OF t SKIP LOCKED
	) UPDATE %[1]s t SET %[2]s = free.at FROM free WHERE t.id = free.id AND t.%[2]s < free.at`

func noteBesideWriters(ctx context.Context, d *DB, n Notes, ids []int64) error {
	select {
	case <-d.commits.stop:
		return ErrClosed
	default:
	}
	times := make([]int64, len(ids))
	for i, id := range ids {
		times[i] = n.At[id].UnixMilli()
	}
	text := fmt.Sprintf(notePostgres, quoted(n.Table), quoted(n.Column))
	_, err := d.pools.notes.ExecContext(ctx, text, array(ids), array(times), n.Least.Milliseconds())
	return translate(err)
}

// array writes numbers as PostgreSQL reads an array.
func array(list []int64) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, n := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	b.WriteByte('}')
	return b.String()
}
