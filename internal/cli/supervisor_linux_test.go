package cli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// systemd receives the notifications of services.
type systemd struct {
	t  *testing.T
	on *net.UnixConn
}

func newSystemd(t *testing.T, watchdog string) *systemd {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	on, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = on.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", watchdog)
	return &systemd{t, on}
}

// next returns the next message, or "" if none arrives for some time.
func (s *systemd) next(patience time.Duration) string {
	s.t.Helper()
	if err := s.on.SetReadDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	var text [64]byte
	n, err := s.on.Read(text[:])
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return ""
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text[:n])
}

// want fails the test if the next message is different.
func (s *systemd) want(message string) {
	s.t.Helper()
	if got := s.next(10 * time.Second); got != message {
		s.t.Errorf("systemd received %q, want %q", got, message)
	}
}

// A server whose database does not answer stops notifying the watchdog, and systemd
// restarts it.
func TestWatchdog(t *testing.T) {
	s := newSystemd(t, "150000")
	var broken atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		supervisor{log: slog.New(slog.DiscardHandler), ping: func(context.Context) error {
			if broken.Load() {
				return errors.New("the disk is gone")
			}
			return nil
		}}.watch(ctx)
	}()
	s.want("READY=1")
	s.want("WATCHDOG=1")
	s.want("WATCHDOG=1")
	broken.Store(true)
	s.next(100 * time.Millisecond) // one may have been sent already
	if got := s.next(300 * time.Millisecond); got != "" {
		t.Errorf("a server that cannot use its database sends %q to systemd", got)
	}
	cancel()
	s.want("STOPPING=1")
	<-done
}

// Without a watchdog, the server notifies only that it is ready and that it stops.
func TestNoWatchdog(t *testing.T) {
	s := newSystemd(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		supervisor{log: slog.New(slog.DiscardHandler)}.watch(ctx)
	}()
	s.want("READY=1")
	cancel()
	s.want("STOPPING=1")
	<-done
}
