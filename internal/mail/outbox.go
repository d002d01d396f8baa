package mail

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/seal"
)

const (
	// MaxWaiting is the maximum number of queued messages.
	MaxWaiting = 1000
	// MaxTasks is the maximum number of queued tasks. Anyone can cause a task, so tasks
	// have a limit of their own and cannot displace messages.
	MaxTasks = 200
	// MaxAge is the maximum time that an entry stays in the queue.
	MaxAge = 24 * time.Hour
	// maxTask is the maximum size of a task's data, in bytes.
	maxTask = 32 << 10
)

// Entry is a queued message or task, as it is stored.
type Entry struct {
	ID int64
	// Task is the name of the task that creates the message. If it is empty, Sealed is the
	// message.
	Task   string
	Sealed []byte
	// Tries is the number of failed attempts.
	Tries  int
	DueAt  time.Time
	EndsAt time.Time // it is not sent after this
}

// Rows is the storage of an Outbox. Package store implements it.
type Rows interface {
	// Insert adds an entry that is due now.
	Insert(ctx context.Context, tx *db.Tx, e Entry) error
	// Waiting counts the queued messages or tasks, up to a limit.
	Waiting(ctx context.Context, q db.Querier, tasks bool, limit int) (int, error)
	// Due returns the entries that are due at a time, the longest-waiting first, at
	// most limit.
	Due(ctx context.Context, q db.Querier, at time.Time, limit int) ([]Entry, error)
	// NextDue returns when the next entry is due, or db.ErrNotFound.
	NextDue(ctx context.Context, q db.Querier) (time.Time, error)
	// PutOff sets the number of failed attempts of an entry, and when it is due. Write
	// turns it into a message, and Forget removes it. Each returns db.ErrNotFound if
	// the stored entry is not due at the time in e any more: another node has taken it
	// over.
	PutOff(ctx context.Context, tx *db.Tx, e Entry, tries int, due time.Time) error
	Write(ctx context.Context, tx *db.Tx, e Entry, sealed []byte, ends time.Time) error
	Forget(ctx context.Context, tx *db.Tx, e Entry) error
	// Hurry makes all entries due now.
	Hurry(ctx context.Context, tx *db.Tx) error
	// DeleteOld removes the entries whose EndsAt has passed.
	DeleteOld(ctx context.Context, tx *db.Tx) error
}

// OutboxConfig configures an Outbox.
type OutboxConfig struct {
	// DB is the database, and Rows its table. Required.
	DB   *db.DB
	Rows Rows
	// Key seals the entries, because links in messages contain secrets. Required.
	Key *seal.Key
}

// Outbox is the queue. Any process that has the database open may add to it, and a
// Sender sends its messages. It is safe for concurrent use.
type Outbox struct {
	cfg     OutboxConfig
	alarm   db.Alarm // wakes the Sender
	dropped atomic.Uint64
}

// NewOutbox returns an Outbox.
func NewOutbox(cfg OutboxConfig) *Outbox {
	return &Outbox{cfg: cfg, alarm: cfg.DB.Alarm(Topic)}
}

// stored is a message in the database.
type stored struct {
	// ID is the beginning of the Message-ID. It stays the same in each attempt.
	ID                string
	To, Subject, Text string
}

// Add implements Queue.
func (o *Outbox) Add(ctx context.Context, tx *db.Tx, m Message) error {
	sealed, err := o.seal(m)
	if err != nil {
		return err
	}
	return o.insert(ctx, tx, Entry{Sealed: sealed, EndsAt: ends(tx, m.Until)})
}

// AddTask queues a task, which may result in a message. Later, the Sender calls the
// handler of the task with the data what. Errors: ErrFull.
func (o *Outbox) AddTask(ctx context.Context, task string, what []byte) error {
	if len(what) > maxTask {
		return fmt.Errorf("queuing %s: %d bytes are too long", task, len(what))
	}
	sealed, err := o.cfg.Key.Seal(purpose(task), what)
	if err != nil {
		return fmt.Errorf("sealing a task: %w", err)
	}
	return o.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return o.insert(ctx, tx, Entry{Task: task, Sealed: sealed, EndsAt: ends(tx, time.Time{})})
	})
}

// insert adds an entry unless the queue is full.
func (o *Outbox) insert(ctx context.Context, tx *db.Tx, e Entry) error {
	if err := o.cfg.Rows.DeleteOld(ctx, tx); err != nil {
		return err
	}
	room := MaxWaiting
	if e.Task != "" {
		room = MaxTasks
	}
	n, err := o.cfg.Rows.Waiting(ctx, tx, e.Task != "", room)
	if err != nil {
		return err
	}
	if n >= room {
		o.dropped.Add(1)
		return ErrFull
	}
	return o.cfg.Rows.Insert(ctx, tx, e)
}

// ends returns the time after which a message that is queued now is useless.
func ends(tx *db.Tx, until time.Time) time.Time {
	if last := tx.Now().Add(MaxAge); until.IsZero() || until.After(last) {
		return last
	}
	return until
}

// purpose returns the purpose that an entry is sealed for, so that a task cannot be
// opened as a message.
func purpose(task string) string {
	if task == "" {
		return "e-mail"
	}
	return "e-mail task " + task
}

// seal encodes and seals a message. Errors: fault.Invalid.
func (o *Outbox) seal(m Message) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(stored{rand.Text(), m.To, m.Subject, m.Text})
	if err != nil {
		return nil, fmt.Errorf("encoding an e-mail: %w", err)
	}
	sealed, err := o.cfg.Key.Seal(purpose(""), text)
	if err != nil {
		return nil, fmt.Errorf("sealing an e-mail: %w", err)
	}
	return sealed, nil
}

// open opens and decodes a sealed message. Errors: seal.ErrOpen.
func (o *Outbox) open(sealed []byte) (m stored, err error) {
	text, err := o.cfg.Key.Open(purpose(""), sealed)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return stored{}, errors.New("cannot be read") // the error of json may repeat the text
	}
	return m, nil
}

// Turn is one attempt at a task. It is the Queue for the task's message: Add turns the
// task into the message, in the transaction of the change that the message is about.
type Turn struct {
	outbox  *Outbox
	entry   Entry
	written bool
}

// Add implements Queue. The error is db.ErrNotFound if another node has taken the task
// over.
func (t *Turn) Add(ctx context.Context, tx *db.Tx, m Message) error {
	sealed, err := t.outbox.seal(m)
	if err != nil {
		return err
	}
	until := ends(tx, m.Until)
	if err := t.outbox.cfg.Rows.Write(ctx, tx, t.entry, sealed, until); err != nil {
		return err
	}
	t.entry.Task, t.entry.Sealed, t.entry.EndsAt, t.written = "", sealed, until, true
	return nil
}

// pruneEvery is the interval at which a process removes old entries.
const pruneEvery = time.Hour

// Retain removes old entries until ctx ends. A Sender does that, too, but perhaps no
// node of the database runs one.
func (o *Outbox) Retain(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if err := o.prune(ctx); err != nil && ctx.Err() == nil {
			log.Warn("cannot remove old e-mails", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (o *Outbox) prune(ctx context.Context) error {
	if _, err := o.cfg.Rows.NextDue(ctx, o.cfg.DB); err != nil { // usually the outbox is empty
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		return err
	}
	return o.cfg.DB.Write(ctx, o.cfg.Rows.DeleteOld)
}
