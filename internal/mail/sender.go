package mail

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/internal/db"
)

// lookAgain is the interval at which a Sender polls for entries that other nodes have
// left.
const lookAgain = 30 * time.Second

// waits are the delays after each failed attempt: twelve attempts in 22 hours. Most
// outages of mail servers take minutes, and some take a night.
var waits = []time.Duration{
	time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 8 * time.Hour,
}

// Config configures a Sender.
type Config struct {
	// Outbox is the queue to send from. Required.
	Outbox *Outbox
	// Server is the mail server. Required.
	Server Server
	// Workers is the number of messages that are sent concurrently. If zero, it is 4.
	Workers int
	// Timeout limits each attempt. If zero, it is 20 seconds.
	Timeout time.Duration
	// Grace is how long Run waits for the attempts in progress after its context has
	// ended. If zero, it is 10 seconds.
	Grace time.Duration
	// Retries are the delays before each further attempt. If nil, they grow from a
	// second to eight hours, until MaxAge.
	Retries []time.Duration
	// TLS is the TLS configuration, without the server's name. If nil, the system's
	// defaults are used.
	TLS *tls.Config
	// Logger receives failures to send. If nil, nothing is logged.
	Logger *slog.Logger
	// Now returns the time. If nil, time.Now is used.
	Now func() time.Time
}

// Handler does a task. If that results in a message, it adds the message to the turn,
// in the transaction of the change that the message is about.
type Handler func(ctx context.Context, what []byte, turn *Turn) error

// Sender sends the messages of an Outbox while Run runs. It is safe for concurrent use.
type Sender struct {
	cfg          Config
	tasks        map[string]Handler
	sent, failed atomic.Uint64
}

// New returns a Sender.
func New(cfg Config) *Sender {
	if cfg.Workers == 0 {
		cfg.Workers = 4
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	if cfg.Grace == 0 {
		cfg.Grace = 10 * time.Second
	}
	if cfg.Retries == nil {
		cfg.Retries = waits
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Sender{cfg: cfg, tasks: make(map[string]Handler)}
}

// Handle sets the handler of a task. Call it before Run.
func (s *Sender) Handle(task string, h Handler) { s.tasks[task] = h }

// Outbox returns the queue that the Sender sends from.
func (s *Sender) Outbox() *Outbox { return s.cfg.Outbox }

// Counts are the numbers of messages that were sent, that were given up, and that were
// rejected because the queue was full.
type Counts struct{ Sent, Failed, Dropped uint64 }

// Counts returns the counts of this process since the start.
func (s *Sender) Counts() Counts {
	return Counts{s.sent.Load(), s.failed.Load(), s.cfg.Outbox.dropped.Load()}
}

// run is the state of a call of Run.
type run struct {
	*Sender
	outbox *Outbox
	rows   Rows
	db     *db.DB
	slots  chan struct{} // one element for each message that is being sent
	wg     sync.WaitGroup
}

// Run sends messages until ctx ends. It then waits up to Config.Grace for the attempts
// in progress. Messages that were not sent stay in the outbox. Nodes of one database
// share the work.
func (s *Sender) Run(ctx context.Context) {
	o := s.cfg.Outbox
	r := &run{Sender: s, outbox: o, rows: o.cfg.Rows, db: o.cfg.DB, slots: make(chan struct{}, s.cfg.Workers)}
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(s.cfg.Grace, cancel) })()
	defer r.wg.Wait()
	r.hurry(ctx)
	var looker db.Looker
	for ctx.Err() == nil {
		next, err := r.sendDue(ctx, sending)
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("cannot look for e-mails to send", "error", err)
		}
		looker.Wait(ctx, o.alarm, next, err)
	}
}

// hurry makes all entries due when a server starts: those that it was sending when it
// was killed, and those that failed until the mail server was repaired. If nodes share
// the database, it changes nothing, because others may be sending.
func (r *run) hurry(ctx context.Context) {
	if r.db.Shared() {
		return
	}
	_, err := r.rows.NextDue(ctx, r.db)
	if err == nil {
		err = r.db.Write(ctx, r.rows.Hurry)
	}
	if err != nil && !errors.Is(err, db.ErrNotFound) && ctx.Err() == nil {
		r.cfg.Logger.Warn("cannot hurry the e-mails that wait", "error", err)
	}
}

// sendDue starts to send due entries, and returns how long to wait before the next
// call. The end of an attempt wakes the loop as well.
func (r *run) sendDue(ctx, sending context.Context) (time.Duration, error) {
	free := cap(r.slots) - len(r.slots)
	if free == 0 {
		return lookAgain, nil
	}
	due, err := r.rows.Due(ctx, r.db, r.cfg.Now(), free)
	if err != nil {
		return lookAgain, err
	}
	for _, e := range due {
		mine, err := r.claim(ctx, &e)
		if err != nil {
			return lookAgain, err
		}
		if !mine {
			continue
		}
		r.slots <- struct{}{} // nobody else takes one
		r.wg.Go(func() {
			defer r.outbox.alarm.Ring()
			defer func() { <-r.slots }()
			r.deliver(sending, e)
		})
	}
	next, err := r.rows.NextDue(ctx, r.db)
	if errors.Is(err, db.ErrNotFound) {
		return lookAgain, nil
	}
	if err != nil || len(r.slots) == cap(r.slots) { // the end of an attempt wakes the loop
		return lookAgain, err
	}
	// An entry may have become due since the first query.
	return min(max(0, next.Sub(r.cfg.Now())), lookAgain), nil
}

// claim postpones an entry for as long as this node may take to send it. It returns
// false if another node was faster.
func (r *run) claim(ctx context.Context, e *Entry) (bool, error) {
	until := r.cfg.Now().Add(r.cfg.Timeout + leaseMargin).Truncate(time.Millisecond)
	err := r.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return r.rows.PutOff(ctx, tx, *e, e.Tries, until) })
	e.DueAt = until
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// leaseMargin is the time that a node may hold an entry beyond the timeout of an
// attempt, to do a task and to store the result.
const leaseMargin = 40 * time.Second

// The reasons for not attempting an entry. Another node with a newer release may know
// the task.
var (
	errLate    = errors.New("it is too old")
	errNoTask  = errors.New("this release does not know the task")
	errGarbled = errors.New("it cannot be read with this key file")
)

// deliver tries to send a due entry, and stores the result. If the node stops
// meanwhile, the entry is due when the node starts again.
func (r *run) deliver(ctx context.Context, e Entry) {
	id, to, err := r.try(ctx, &e)
	stopped := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	log := r.cfg.Logger.With("server", r.cfg.Server.String(), "message", id)
	switch {
	case err == nil:
		if e.Task == "" {
			r.sent.Add(1)
		}
		r.store(ctx, func(ctx context.Context, tx *db.Tx) error { return r.rows.Forget(ctx, tx, e) })
	case stopped:
		r.putOff(ctx, e, e.Tries, r.cfg.Now())
	case r.isHopeless(e, err):
		r.failed.Add(1)
		log.Error("cannot send an e-mail", "tries", e.Tries+1, "error", r.hidden(err, to))
		r.store(ctx, func(ctx context.Context, tx *db.Tx) error { return r.rows.Forget(ctx, tx, e) })
	default:
		wait := r.cfg.Retries[e.Tries]
		log.Warn("an e-mail is not sent yet", "again after", wait.String(), "error", r.hidden(err, to))
		r.putOff(ctx, e, e.Tries+1, r.cfg.Now().Add(wait))
	}
}

// isHopeless reports whether another attempt after an error would be useless.
func (r *run) isHopeless(e Entry, err error) bool {
	for _, reason := range []error{errLate, errGarbled} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return isFinal(err) || e.Tries >= len(r.cfg.Retries) || !r.cfg.Now().Add(r.cfg.Retries[e.Tries]).Before(e.EndsAt)
}

// try sends a message. If e is a task, it does the task first. A task that results in
// no message remains a task.
func (r *run) try(ctx context.Context, e *Entry) (id, to string, err error) {
	if !r.cfg.Now().Before(e.EndsAt) {
		return "", "", errLate
	}
	if e.Task != "" {
		if err := r.findOut(ctx, e); err != nil || e.Task != "" {
			return "", "", err
		}
	}
	m, err := r.outbox.open(e.Sealed)
	if err != nil {
		return "", "", errGarbled
	}
	to = inASCII(m.To)
	return m.ID, to, r.attempt(ctx, m.ID, Message{To: to, Subject: m.Subject, Text: m.Text})
}

// findOut does a task, which becomes a message unless there is nothing to send.
func (r *run) findOut(ctx context.Context, e *Entry) error {
	handle := r.tasks[e.Task]
	if handle == nil {
		return errNoTask
	}
	what, err := r.outbox.cfg.Key.Open(purpose(e.Task), e.Sealed)
	if err != nil {
		return errGarbled
	}
	turn := &Turn{outbox: r.outbox, entry: *e}
	if err := handle(ctx, what, turn); err != nil {
		return err
	}
	if turn.written {
		*e = turn.entry
	}
	return nil
}

// putOff postpones an entry to a time.
func (r *run) putOff(ctx context.Context, e Entry, tries int, due time.Time) {
	r.store(ctx, func(ctx context.Context, tx *db.Tx) error { return r.rows.PutOff(ctx, tx, e, tries, due) })
}

// store writes the result of an entry. If that fails, the entry is sent again after the
// lease.
func (r *run) store(ctx context.Context, do func(context.Context, *db.Tx) error) {
	if err := r.db.Write(ctx, do); err != nil {
		r.cfg.Logger.Warn("cannot store what became of an e-mail", "error", err)
	}
}

// hidden returns the text of an error without the recipient's address and the server's
// password, because mail servers repeat what they received.
func (s *Sender) hidden(err error, to string) string {
	text, user, password := err.Error(), s.cfg.Server.User, string(s.cfg.Server.Password)
	secrets := []string{to, password, user}
	for _, sent := range []string{"\x00" + user + "\x00" + password, password, user} { // as AUTH sends them
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(sent)))
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}
