package cli

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervisor is systemd, if it started this process as a service of Type=notify
// and perhaps with a watchdog. Otherwise nothing is sent.
type supervisor struct {
	// ping checks that the server can do its work.
	ping func(context.Context) error
	log  *slog.Logger
}

// watch notifies systemd that the server is ready and, in the interval of the watchdog,
// that it still works. When ctx is cancelled, it notifies that the server is stopping.
func (s supervisor) watch(ctx context.Context) {
	s.tell(daemon.SdNotifyReady)
	defer s.tell(daemon.SdNotifyStopping)
	patience, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("the watchdog's interval cannot be read", "error", err)
	}
	if patience <= 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(patience / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.check(ctx, patience/3)
		}
	}
}

// check notifies the watchdog if the server works.
func (s supervisor) check(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.ping(ctx); err != nil {
		s.log.Error("not notifying the watchdog, because the server does not work", "error", err)
		return
	}
	s.tell(daemon.SdNotifyWatchdog)
}

func (s supervisor) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("notifying systemd failed", "error", err)
	}
}
