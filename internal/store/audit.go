package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/usher-auth/usher/internal/db"
)

// Actor is who does something, and from where. The zero value is nobody known.
type Actor struct {
	// AccountID is the account that acts; 0: none is signed in.
	AccountID int64
	// Name is what to call whoever acts without an account. An account's name
	// is looked up.
	Name string
	// Device and Address are what the request said of itself, and where it
	// came from.
	Device, Address string
}

// actorKey is the key of the actor in a context.
type actorKey struct{}

// WithActor returns a context in which everything is done by a.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

func actorOf(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

// Event is something that happened, to be told in the audit log. What it says
// must be no secret, and nothing that was typed by somebody who may have
// mistaken one box for another.
type Event struct {
	Kind EventKind
	// AccountID is whom it is about; 0: nobody known.
	AccountID int64
	// Account is that account's username. Empty: it is looked up.
	Account string
	// Detail says more, in a few words for people. It may be empty.
	Detail string
}

// AuditEntry is a row of the audit log. The names are as they were then.
type AuditEntry struct {
	// ID counts up by one from row to row.
	ID        int64
	At        time.Time
	Event     EventKind
	AccountID int64
	Account   string
	// Actor is who did it; empty: the account itself or, without one, somebody
	// who was not signed in.
	Actor   string
	Device  string
	Address string
	Detail  string
	Hash    Hash
}

// note has an event told in the audit log if, and only if, the transaction is
// committed.
func (t *tx) note(ctx context.Context, e Event) (err error) {
	actor := t.actor
	if e.Account == "" && e.AccountID != 0 {
		if e.Account, err = t.username(ctx, e.AccountID); err != nil {
			return err
		}
	}
	switch {
	case actor.AccountID != 0 && actor.AccountID == e.AccountID:
		actor.Name = ""
	case actor.AccountID != 0 && actor.Name == "":
		if actor.Name, err = t.username(ctx, actor.AccountID); err != nil {
			return err
		}
	}
	t.store.audited.Add(t.Tx, AuditEntry{
		At: t.Now(), Event: e.Kind, AccountID: e.AccountID, Account: clean(e.Account),
		Actor: clean(actor.Name), Device: clean(actor.Device), Address: clean(actor.Address), Detail: clean(e.Detail),
	})
	return nil
}

func (t *tx) username(ctx context.Context, id int64) (name string, err error) {
	err = t.QueryRow(ctx, "SELECT username FROM account WHERE id = $1", id).Scan(&name)
	return name, err
}

// maxAuditText is the most bytes of a text in the log, most of which are what
// a program said of itself.
const maxAuditText = 160

// clean makes a text short and printable.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxAuditText {
		s = strings.ToValidUTF8(s[:maxAuditText-len("…")], "") + "…"
	}
	return s
}

// How many refusals of an event have a row in a quarter of an hour: enough to
// see an attack, and too few to fill a disk with one. They are counted by
// account: a flood on one, perhaps the attacker's own, must not hide what is
// tried on another. Those about nobody known are counted together.
const (
	maxOfAccount = 30
	maxOfNobody  = 300
	// maxRepeats is how many there are about accounts before only the first
	// about each other account has a row, and maxOfAll how many there are then.
	maxRepeats = 1500
	maxOfAll   = 3000
)

// refusals counts the rows of a quarter of an hour. It does not grow beyond
// maxOfAll accounts for each event.
type refusals struct {
	mu      sync.Mutex
	quarter time.Time
	n       map[refusal]int
	all     map[EventKind]int // about any account
}

// refusal is what is counted: an event about an account, or about nobody known.
type refusal struct {
	event   EventKind
	account int64
}

// next reports whether one more has a row, and what this row says of those that
// come after it; empty: nothing.
func (r *refusals) next(e Event, now time.Time) (told bool, rest string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q := quarterOf(now); !q.Equal(r.quarter) {
		r.quarter, r.n, r.all = q, make(map[refusal]int), make(map[EventKind]int)
	}
	of := refusal{e.Kind, e.AccountID}
	if e.AccountID == 0 {
		return r.nextOfNobody(of)
	}
	if r.n[of] >= maxOfAccount || r.all[e.Kind] >= maxOfAll || r.all[e.Kind] >= maxRepeats && r.n[of] > 0 {
		return false, ""
	}
	r.n[of]++
	r.all[e.Kind]++
	switch {
	case r.all[e.Kind] == maxOfAll:
		rest = "more like it are only counted"
	case r.all[e.Kind] == maxRepeats:
		rest = "only the first about each other account has a row"
	case r.n[of] == maxOfAccount:
		rest = "more like it about this account are only counted"
	}
	return true, rest
}

func (r *refusals) nextOfNobody(of refusal) (told bool, rest string) {
	if r.n[of] >= maxOfNobody {
		return false, ""
	}
	if r.n[of]++; r.n[of] == maxOfNobody {
		rest = "more like it are only counted"
	}
	return true, rest
}

// Note tells of something that was refused, which changes nothing else. In a
// flood of refusals the log says so, and the rest of them are only counted. It
// does so even when ctx has ended: who hangs up is told of, too.
func (s *Store) Note(ctx context.Context, e Event) error {
	ctx = context.WithoutCancel(ctx)
	told, rest := s.refused.next(e, s.now())
	if !told {
		return s.Tally(ctx, string(e.Kind), 1)
	}
	if rest != "" {
		e.Detail = strings.TrimPrefix(e.Detail+"; until the quarter of an hour ends, "+rest, "; ")
	}
	err := s.write(ctx, func(ctx context.Context, tx *tx) error { return tx.note(ctx, e) })
	return db.Wrap("noting a refusal", err)
}

// AuditQuery says which rows of the audit log to read. The zero value is all
// of them.
type AuditQuery struct {
	// Account is whom they are about, by ID; 0: anybody.
	Account int64
	// Username is whom they are about, by the name as it was then: it finds
	// accounts that are gone. Empty: anybody.
	Username string
	// Event is what happened; empty: anything.
	Event EventKind
	// Events are several that may have happened; empty: anything.
	Events []EventKind
	// Text is in one of the texts of the row, in any case of the letters A to
	// Z. Empty: all rows.
	Text string
	// Since is when it happened at the earliest.
	Since time.Time
	// Before and After are IDs between which the rows are, exclusively; 0: no
	// bound.
	Before, After int64
	// Limit is how many rows are read at the most; 0: 100.
	Limit int
}

const selectAudit = `SELECT id, at, event, account_id, account, actor, device, address, detail, hash FROM audit `

func scanAudit(row scanner) (e AuditEntry, err error) {
	var at int64
	var hash []byte
	err = row.Scan(&e.ID, &at, &e.Event, &e.AccountID, &e.Account, &e.Actor, &e.Device, &e.Address, &e.Detail, &hash)
	e.At = fromMillis(at)
	if len(hash) == len(e.Hash) { // else it is none, and follows from nothing
		copy(e.Hash[:], hash)
	}
	return e, err
}

// where is the condition of a query. Its text is one of a few, since a
// statement is kept for each.
func (q AuditQuery) where() (text string, args []any) {
	var terms []string
	add := func(wanted bool, term string, arg any) {
		if wanted {
			args = append(args, arg)
			terms = append(terms, strings.ReplaceAll(term, "$", fmt.Sprintf("$%d", len(args))))
		}
	}
	add(q.Account != 0, "account_id = $", q.Account)
	add(q.Username != "", "account = $", q.Username)
	add(q.Event != "", "event = $", string(q.Event))
	for _, kind := range q.Events {
		args = append(args, string(kind))
	}
	if n := len(q.Events); n > 0 {
		terms = append(terms, "event IN ("+parameters(len(args)-n+1, n)+")")
	}
	add(q.Text != "", `(event LIKE $ ESCAPE '\' OR account LIKE $ ESCAPE '\' OR actor LIKE $ ESCAPE '\'
		OR device LIKE $ ESCAPE '\' OR address LIKE $ ESCAPE '\' OR detail LIKE $ ESCAPE '\')`, containing(q.Text))
	add(!q.Since.IsZero(), "at >= $", millis(q.Since))
	add(q.Before != 0, "id < $", q.Before)
	add(q.After != 0, "id > $", q.After)
	if len(terms) == 0 {
		return "", nil
	}
	return "WHERE " + strings.Join(terms, " AND "), args
}

// parameters lists n parameters of a statement, "$3, $4", from one on.
func parameters(from, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("$%d", from+i)
	}
	return strings.Join(list, ", ")
}

// containing is the pattern of LIKE for a text anywhere.
func containing(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(text) + "%"
}

// Audit reads the audit log, the newest rows first.
func (s *Store) Audit(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	return s.audit(ctx, q, "DESC")
}

// AuditForward reads the audit log, the oldest rows first.
func (s *Store) AuditForward(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	return s.audit(ctx, q, "ASC")
}

func (s *Store) audit(ctx context.Context, q AuditQuery, order string) ([]AuditEntry, error) {
	where, args := q.where()
	if q.Limit <= 0 {
		q.Limit = 100
	}
	args = append(args, q.Limit)
	rows, err := s.db.Query(ctx, fmt.Sprintf("%s %s ORDER BY id %s LIMIT $%d", selectAudit, where, order, len(args)), args...)
	list, err := collect(rows, err, scanAudit)
	return list, db.Wrap("reading the audit log", err)
}
