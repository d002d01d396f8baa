package cli

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/server"
)

// broken is a listener that stops working.
type broken struct{ net.Listener }

func (broken) Accept() (net.Conn, error) { return nil, errors.New("too many open files, for ever") }

// A server whose metrics listener fails stops, and reports why.
func TestMetricsBreak(t *testing.T) {
	c := coretest.New(t, core.Config{})
	srv := server.New(c.Core, server.Config{})
	var on [2]net.Listener
	var err error
	for i := range on {
		if on[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		defer on[i].Close()
	}
	log := newLogger(io.Discard, slog.LevelInfo)
	defer log.Close()
	err = runServers(t.Context(), c.Core, srv, nil, listeners{main: on[0], metrics: broken{on[1]}}, serveOptions{grace: time.Second}, log)
	if err == nil || !strings.HasPrefix(err.Error(), "serving metrics: too many open files") {
		t.Errorf("the server stopped with %v", err)
	}
}

// If several flags are invalid, every run reports the same one.
func TestInvalidFlagsAreReportedInOrder(t *testing.T) {
	for range 20 {
		o := serveOptions{listen: "here", metricsListen: "there", transientTTL: time.Hour, hashSlots: -1, drain: -1}
		if err := o.check(); err == nil || err.Error() != "--listen here is not of the form ADDRESS:PORT" {
			t.Fatalf("two invalid addresses: %v", err)
		}
		o.listen, o.metricsListen = "127.0.0.1:0", ""
		if err := o.check(); err == nil || err.Error() != "--hash-slots is negative" {
			t.Fatalf("two negative numbers: %v", err)
		}
	}
}
