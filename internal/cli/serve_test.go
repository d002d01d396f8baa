package cli

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/seal"
	"github.com/usher-auth/usher/internal/server"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/store"
)

// broken is a listener that stops working.
type broken struct{ net.Listener }

func (broken) Accept() (net.Conn, error) { return nil, errors.New("too many open files, for ever") }

// A server whose metrics can no longer be asked for ends, and says why.
func TestMetricsBreak(t *testing.T) {
	st, err := store.Open(t.Context(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	srv, err := server.New(t.Context(), server.Config{
		Store: st, Key: seal.NewKey([32]byte{1}),
		Self: source.Self{MachineIdentifier: "self", Connections: []store.Connection{{URI: "http://127.0.0.1:32400"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var on [2]net.Listener
	for i := range on {
		if on[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		defer on[i].Close()
	}
	log := newLogger(io.Discard, slog.LevelInfo)
	defer log.Close()
	err = runServers(t.Context(), srv, listeners{main: on[0], metrics: broken{on[1]}}, serveOptions{grace: time.Second}, log)
	if err == nil || !strings.HasPrefix(err.Error(), "serving metrics: too many open files") {
		t.Errorf("the server ends with %v", err)
	}
}
