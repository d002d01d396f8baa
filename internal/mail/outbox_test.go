package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/db/pgtest"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/mail/mailtest"
	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/store"
	"github.com/usher-auth/usher/plexauth"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// A stop waits for the attempts in progress, and none is left in the queue.
func TestStopFinishesRequestsInFlight(t *testing.T) {
	server := mailtest.Start(t, "", "", nil, false)
	read, answer := server.Hold()
	c, box := outbox(t)
	s, stop := start(t, mail.Config{Server: to(t, server), Outbox: box, Grace: time.Hour})
	if err := s.Send(hello); err != nil {
		t.Fatal(err)
	}
	<-read
	ended := make(chan string)
	go func() { ended <- stop() }()
	answer()
	if text := <-ended; text != "" {
		t.Error(text)
	}
	if n := waiting(t, c); n != 0 || s.Counts() != (mail.Counts{Sent: 1}) {
		t.Errorf("%d wait, %+v", n, s.Counts())
	}
}

// A server that is killed before the result is stored sends the message again, with the
// same Message-ID, by which mailboxes detect the duplicate.
func TestSentTwiceHasOneID(t *testing.T) {
	server := mailtest.Start(t, "", "", nil, false)
	read, _ := server.Hold()
	_, box := outbox(t)
	s, stop := start(t, mail.Config{Server: to(t, server), Outbox: box, Grace: time.Millisecond})
	if err := s.Send(hello); err != nil {
		t.Fatal(err)
	}
	<-read
	stop()
	start(t, mail.Config{Server: to(t, server), Outbox: box})
	first, second := server.Next().Header.Get("Message-Id"), server.Next().Header.Get("Message-Id")
	if first == "" || first != second || !strings.HasSuffix(first, "@example.org>") {
		t.Errorf("%q and %q", first, second)
	}
}

// Queued messages in a folder are sent immediately after a restart, including postponed
// ones and those that another process added in the meantime.
func TestRestartSends(t *testing.T) {
	dir := t.TempDir()
	open := func() *coretest.Core {
		key := filepath.Join(dir, "usher.key")
		loaded, err := seal.LoadOrCreate(key)
		if err != nil {
			t.Fatal(err)
		}
		return coretest.New(t, core.Config{Dir: dir, Key: loaded, Now: time.Now})
	}
	server := mailtest.Start(t, "", "", nil, false)
	server.Fail(451)
	c := open()
	s, stop := start(t, mail.Config{Server: to(t, server), Outbox: c.Outbox, Retries: []time.Duration{time.Hour}})
	if err := s.Send(hello); err != nil {
		t.Fatal(err)
	}
	until(t, "the failure", func() bool {
		var tries int
		_ = c.DB.QueryRow(t.Context(), "SELECT tries FROM outbox").Scan(&tries)
		return tries == 1
	})
	if text := stop(); strings.Contains(text, "mia") || !strings.Contains(text, "not sent yet") {
		t.Error(text)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	c = open()
	add(t, c, mail.Message{To: "kim@example.org", Text: "https://usher.example.org/invitation?key=GHI"})
	for _, file := range []string{"usher.db", "usher.db-wal"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"ABC=DEF", "key=GHI", hello.To, "kim@example.org"} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s has %s", file, secret)
			}
		}
	}
	start(t, mail.Config{Server: to(t, server), Outbox: c.Outbox})
	got := []string{server.Next().To, server.Next().To}
	if strings.Join(got, " ") != "mia@example.org kim@example.org" && strings.Join(got, " ") != "kim@example.org mia@example.org" {
		t.Errorf("%q", got)
	}
	until(t, "an empty outbox", func() bool { return waiting(t, c) == 0 })
}

// add queues a message like a command, which does not send messages itself.
func add(t *testing.T, c *coretest.Core, m mail.Message) {
	t.Helper()
	err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return c.Outbox.Add(ctx, tx, m) })
	if err != nil {
		t.Fatal(err)
	}
}

// A message is sent if its transaction succeeds, and only then.
func TestInTheSameTransaction(t *testing.T) {
	server := mailtest.Start(t, "", "", nil, false)
	c, box := outbox(t)
	start(t, mail.Config{Server: to(t, server), Outbox: box})
	undone := errors.New("undone")
	err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return errors.Join(box.Add(ctx, tx, mail.Message{To: "noa@example.org"}), undone)
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	add(t, c, hello)
	if m := server.Next(); m.To != hello.To {
		t.Errorf("%+v", m)
	}
}

// Of many nodes of one database, one sends each message.
func TestOneNodeSends(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	server := mailtest.Start(t, "", "", nil, false)
	address := plexauth.Secret(pgtest.Database(t))
	var nodes []*mail.Sender
	var first *coretest.Core
	for range 3 {
		c := coretest.New(t, core.Config{Database: address, Now: time.Now})
		s, _ := start(t, mail.Config{Server: to(t, server), Outbox: c.Outbox})
		nodes = append(nodes, s)
		first = c
	}
	const messages = 20
	for i := range messages {
		add(t, first, mail.Message{To: fmt.Sprintf("mia%d@example.org", i)})
	}
	sent := func() (n uint64) {
		for _, s := range nodes {
			n += s.Counts().Sent
		}
		return n
	}
	got := make(map[string]bool)
	for range messages {
		m := server.Next()
		if got[m.To] {
			t.Errorf("%s got it twice", m.To)
		}
		got[m.To] = true
	}
	until(t, "every count", func() bool { return sent() == messages && waiting(t, first) == 0 })
	if server.Waiting() != 0 {
		t.Errorf("%d more came", server.Waiting())
	}
}

// A message that is too old is not sent when a server starts, and no attempt is scheduled
// after its expiry.
func TestTooOld(t *testing.T) {
	server := mailtest.Start(t, "", "", nil, false)
	c := coretest.New(t, core.Config{})
	add(t, c, mail.Message{To: "noa@example.org", Until: c.Clock.Now().Add(time.Hour)})
	add(t, c, hello)
	c.Clock.Advance(time.Hour)
	s, log := start(t, mail.Config{Server: to(t, server), Outbox: c.Outbox, Now: c.Clock.Now, Retries: []time.Duration{time.Hour}})
	if m := server.Next(); m.To != hello.To {
		t.Errorf("%+v", m)
	}
	until(t, "the counts", func() bool { return s.Counts() == mail.Counts{Sent: 1, Failed: 1} })
	server.Fail(451)
	add(t, c, mail.Message{To: "noa@example.org", Until: c.Clock.Now().Add(time.Minute)})
	until(t, "the end", func() bool { return s.Counts().Failed == 2 && waiting(t, c) == 0 })
	if text := log(); strings.Count(text, "cannot send an e-mail") != 2 || !strings.Contains(text, "too old") {
		t.Error(text)
	}
}

// Old messages are removed even if there is no sender.
func TestRetain(t *testing.T) {
	c := coretest.New(t, core.Config{})
	add(t, c, hello)
	c.Clock.Advance(mail.MaxAge)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go c.Outbox.Retain(ctx, slog.New(slog.DiscardHandler))
	until(t, "an empty outbox", func() bool { return waiting(t, c) == 0 })
}

// Attack: visitors fill the queue with tasks that anyone may cause. There is still room
// for messages.
func TestOutboxIsBounded(t *testing.T) {
	c, box := outbox(t)
	s := mail.New(mail.Config{Outbox: box})
	fill := func(room int, one func() error) {
		t.Helper()
		for i := range room + 1 {
			if err := one(); (i == room) != errors.Is(err, mail.ErrFull) {
				t.Fatalf("%d: %v", i, err)
			}
		}
	}
	fill(mail.MaxTasks, func() error { return box.AddTask(t.Context(), "ask", []byte("mia")) })
	err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		fill(mail.MaxWaiting, func() error { return box.Add(ctx, tx, hello) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Counts().Dropped != 2 || waiting(t, c) != mail.MaxTasks+mail.MaxWaiting {
		t.Errorf("%+v, and %d wait", s.Counts(), waiting(t, c))
	}
	if err := box.AddTask(t.Context(), "ask", make([]byte, 1<<20)); err == nil {
		t.Error("a task is as long as one likes")
	}
}

// A task results in one message or none, or is tried again. The message is written in
// the transaction of the handler.
func TestTasks(t *testing.T) {
	server := mailtest.Start(t, "", "", nil, false)
	c, box := outbox(t)
	s := mail.New(mail.Config{Server: to(t, server), Outbox: box, Workers: 1, Retries: []time.Duration{time.Millisecond}})
	var failures atomic.Int32
	s.Handle("ask", func(ctx context.Context, what []byte, turn *mail.Turn) error {
		if string(what) == "nobody" {
			return nil
		}
		return c.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := turn.Add(ctx, tx, mail.Message{To: string(what)}); err != nil || string(what) != "noa@example.org" {
				return err
			}
			if failures.Add(1) == 1 {
				return errors.New("not yet")
			}
			return nil
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	got := make(map[string]int)
	for _, what := range []string{"nobody", "noa@example.org", "mia@example.org"} {
		if err := box.AddTask(t.Context(), "ask", []byte(what)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		got[server.Next().To]++
	}
	until(t, "an empty outbox", func() bool { return waiting(t, c) == 0 })
	if got["noa@example.org"] != 1 || got["mia@example.org"] != 1 || server.Waiting() != 0 || s.Counts() != (mail.Counts{Sent: 2}) {
		t.Errorf("%v, %+v", got, s.Counts())
	}
}

// Entries that were sealed with another key file are dropped, and so are entries that
// someone with access to the database forged.
func TestOtherKey(t *testing.T) {
	server := mailtest.Start(t, "", "", nil, false)
	c, box := outbox(t)
	other := mail.NewOutbox(mail.OutboxConfig{DB: c.DB, Rows: store.Outbox{}, Key: seal.NewKey([32]byte{7})})
	err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return other.Add(ctx, tx, hello) })
	if err == nil {
		err = box.AddTask(t.Context(), "ask", []byte(`{"To":"eve@example.org"}`))
	}
	if err == nil {
		err = c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return tx.Exec(ctx, "UPDATE outbox SET task = ''")
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	s, log := start(t, mail.Config{Server: to(t, server), Outbox: box})
	until(t, "the failures", func() bool { return s.Counts().Failed == 2 })
	if text := log(); server.Waiting() != 0 || waiting(t, c) != 0 || !strings.Contains(text, "key file") {
		t.Error(text)
	}
}
