package audit

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// Rows is the storage of a Log. Package store implements it.
type Rows interface {
	// Username returns the name of an account.
	Username(ctx context.Context, q db.Querier, accountID int64) (string, error)
	// Append adds rows.
	Append(ctx context.Context, tx *db.Tx, entries []Entry) error
	// List returns the rows that match a query.
	List(ctx context.Context, q db.Querier, query Query) ([]Entry, error)
	// Each calls do with every row in order of ID, until do returns an error.
	Each(ctx context.Context, q db.Querier, do func(Entry) error) error
	// Delete removes the rows up to an ID.
	Delete(ctx context.Context, tx *db.Tx, upTo int64) error
	// Ends returns the ends of the log, and SetEnds replaces them.
	Ends(ctx context.Context, q db.Querier) (Ends, error)
	SetEnds(ctx context.Context, tx *db.Tx, ends Ends) error
	// Evidence returns what the rest of the database shows about the log.
	Evidence(ctx context.Context, q db.Querier) (Evidence, error)
}

// TallyRows is the storage of counts. Package store implements it.
type TallyRows interface {
	// Add adds to the count of a quarter.
	Add(ctx context.Context, tx *db.Tx, c Count) error
	// List returns the counts from a quarter on.
	List(ctx context.Context, q db.Querier, from time.Time) ([]Count, error)
	// Counted returns the end of the last quarter of which CountEvents stored a count;
	// or zero.
	Counted(ctx context.Context, q db.Querier) (time.Time, error)
	// CountEvents counts the log's rows of some quarters by kind, and stores the counts.
	// None of the quarters has been counted before.
	CountEvents(ctx context.Context, tx *db.Tx, from, to time.Time) error
	// Events counts the log's rows by quarter and kind, and adds the counts of
	// events without a row.
	Events(ctx context.Context, q db.Querier, from time.Time) ([]Count, error)
	// Prune removes the counts of the quarters before a time.
	Prune(ctx context.Context, tx *db.Tx, before time.Time) error
}

// Watcher is called for every event.
type Watcher interface {
	// Recorded is called in the transaction that records an event. by.Name is filled in;
	// it is empty if the account acts itself.
	Recorded(ctx context.Context, tx *db.Tx, by Actor, e Event) error
}

// Config configures a Log.
type Config struct {
	// DB is the database. Required.
	DB *db.DB
	// Rows and Tallies are its tables. Required.
	Rows    Rows
	Tallies TallyRows
	// Logger receives failures of pruning. If nil, they are not logged.
	Logger *slog.Logger
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Log is the audit log. It is safe for concurrent use.
type Log struct {
	db      *db.DB
	rows    Rows
	tallies TallyRows
	logger  *slog.Logger
	now     func() time.Time
	entries *db.Stage[Entry]
	flood   flood

	mu       sync.Mutex                 // guards changes of watchers
	watchers atomic.Pointer[[]watching] // never changed in place
}

// watching is a watcher with its name.
type watching struct {
	name string
	Watcher
}

// New returns a Log. A database has one Log: it writes the chain once for each
// commit.
func New(cfg Config) *Log {
	l := &Log{db: cfg.DB, rows: cfg.Rows, tallies: cfg.Tallies, logger: cfg.Logger, now: cfg.Now}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	if l.now == nil {
		l.now = time.Now
	}
	l.entries = db.NewStage(cfg.DB, l.append)
	return l
}

// Record adds an event by an actor to the log if, and only if, the transaction
// is committed.
func (l *Log) Record(ctx context.Context, tx *db.Tx, by Actor, e Event) (err error) {
	if e.Account == "" && e.AccountID != 0 {
		if e.Account, err = l.rows.Username(ctx, tx, e.AccountID); err != nil {
			return err
		}
	}
	switch {
	case by.AccountID != 0 && by.AccountID == e.AccountID:
		by.Name = ""
	case by.AccountID != 0 && by.Name == "":
		if by.Name, err = l.rows.Username(ctx, tx, by.AccountID); err != nil {
			return err
		}
	}
	l.entries.Add(tx, Entry{
		At: tx.Now(), Event: e.Kind, AccountID: e.AccountID, Account: clean(e.Account),
		Actor: clean(by.Name), Device: clean(by.Device), Address: clean(by.Address), Detail: clean(e.Detail),
	})
	list := l.watchers.Load()
	if list == nil {
		return nil
	}
	for _, w := range *list {
		if err := w.Recorded(ctx, tx, by, e); err != nil {
			return err
		}
	}
	return nil
}

// Watch adds a watcher to the log. It replaces a watcher of the same name, so that a
// service that is built again does not watch twice.
func (l *Log) Watch(name string, w Watcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []watching
	if now := l.watchers.Load(); now != nil {
		list = slices.Clone(*now)
	}
	added := watching{name, w}
	if i := slices.IndexFunc(list, func(one watching) bool { return one.name == name }); i >= 0 {
		list[i] = added
	} else {
		list = append(list, added)
	}
	l.watchers.Store(&list)
}

// RecordFailure records an attempt that failed and changed nothing. During a flood it
// only counts the attempt; see flood. It does so even if ctx has ended, so that a
// guesser who disconnects is recorded, too.
func (l *Log) RecordFailure(ctx context.Context, by Actor, e Event) error {
	ctx = context.WithoutCancel(ctx)
	row, rest := l.flood.next(e, l.now())
	if !row {
		return l.Tally(ctx, string(e.Kind), 1)
	}
	if rest != "" {
		e.Detail = strings.TrimPrefix(e.Detail+"; until the quarter of an hour ends, "+rest, "; ")
	}
	err := l.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return l.Record(ctx, tx, by, e) })
	if err != nil {
		return fmt.Errorf("recording a failed attempt: %w", err)
	}
	return nil
}

// Query selects the rows to read. The zero value selects the newest hundred.
type Query struct {
	// Account is the ID of the account that the rows are about. If 0, it is any
	// account.
	Account int64
	// Username is the account that the rows are about, by its name at the time. It also
	// finds removed accounts. If empty, it is any account.
	Username string
	// Events are the kinds of event to read. If empty, all are read.
	Events []Kind
	// Text is a part of one of the texts of the row. The letters A to Z match in both
	// cases. If empty, all rows match.
	Text string
	// Since is the earliest time of the event. If zero, there is no limit.
	Since time.Time
	// Before and After are exclusive limits of the IDs. If 0, there is no limit.
	Before, After int64
	// Limit is the maximum number of rows. If 0, it is 100.
	Limit int
	// OldestFirst reads in the order in which the rows were written, and not
	// the newest first.
	OldestFirst bool
}

// List reads the rows that match a query.
func (l *Log) List(ctx context.Context, q Query) ([]Entry, error) {
	list, err := l.rows.List(ctx, l.db, q)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return list, nil
}

// Searched is the number of rows that Search reads if no index helps.
const Searched = 10_000

// Found is the result of searching a part of the log.
type Found struct {
	Entries []Entry
	// Rest is the Before of a query that continues the search, or its After with
	// OldestFirst. It is 0 if all rows were searched, or if Limit was reached.
	Rest int64
}

// Search is List for interactive use: it searches for a text, or for the name of an
// account, in a part of the log only.
func (l *Log) Search(ctx context.Context, q Query) (f Found, err error) {
	if q.Text == "" && q.Username == "" {
		f.Entries, err = l.List(ctx, q)
		return f, err
	}
	// The first row beyond the part. IDs have no gaps.
	var beyond Query
	if q.OldestFirst {
		beyond = Query{After: q.After + Searched, Before: q.Before, OldestFirst: true}
	} else {
		if q.Before == 0 {
			newest, err := l.List(ctx, Query{Limit: 1})
			if err != nil || len(newest) == 0 {
				return f, err
			}
			q.Before = newest[0].ID + 1
		}
		beyond = Query{Before: q.Before - Searched, After: q.After}
		if beyond.Before <= max(1, q.After+1) { // it is the rest of the log
			f.Entries, err = l.List(ctx, q)
			return f, err
		}
	}
	beyond.Since, beyond.Limit = q.Since, 1
	rest, err := l.List(ctx, beyond)
	if err != nil {
		return f, err
	}
	part := q
	if q.OldestFirst && len(rest) > 0 {
		part.Before = q.After + Searched + 1
	} else if len(rest) > 0 {
		part.After = q.Before - Searched - 1
	}
	if f.Entries, err = l.List(ctx, part); err != nil || len(rest) == 0 {
		return f, err
	}
	if limit := q.Limit; len(f.Entries) < limit || limit <= 0 && len(f.Entries) < 100 {
		f.Rest = part.Before - 1
		if !q.OldestFirst {
			f.Rest = part.After + 1
		}
	}
	return f, nil
}
