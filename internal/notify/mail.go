package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
)

const (
	// MailEvery is the shortest time between two e-mails to an account. The next one has
	// everything that happened meanwhile.
	MailEvery = 10 * time.Minute
	// mailWithin is how long a notice waits for its e-mail. After that, it is not worth
	// one any more.
	mailWithin = 24 * time.Hour
	// lookAgain is how often a node looks for what is due.
	lookAgain = 30 * time.Second
	// batch is how many due notices are read at once.
	batch = 200
	// putOff is how long the notices of an account wait that could not be handed over.
	putOff = time.Minute
)

// Mail is the notices that go to an address in one e-mail.
type Mail struct {
	To, Username string
	Language     string // see Setting
	Notices      []Notice
}

// Hand queues an e-mail in a transaction. It is sent if the transaction succeeds.
type Hand func(ctx context.Context, tx *db.Tx, m Mail) error

// Run hands over what is due, until ctx ends. Nodes of one database share the work:
// each notice is handed over by one of them, once. What hand does not accept is handed
// over again later.
func (s *Service) Run(ctx context.Context, hand Hand) {
	for ctx.Err() == nil {
		if err := s.handDue(ctx, hand); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("notices wait to be sent", "error", err)
		}
		s.alarm.Wait(ctx, lookAgain)
	}
}

func (s *Service) handDue(ctx context.Context, hand Hand) error {
	now := s.cfg.Now()
	if err := s.dropStale(ctx, now.Add(-mailWithin)); err != nil {
		return err
	}
	var failed []error
	for {
		due, err := s.cfg.Rows.Due(ctx, s.cfg.DB, now.Add(-mailWithin), now, batch)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		more := len(due) == batch
		slices.Sort(due)
		for _, id := range slices.Compact(due) {
			stop, err := s.handDueOf(ctx, id, hand)
			if err != nil {
				failed = append(failed, fmt.Errorf("handing over the notices of account %d: %w", id, err))
			}
			if stop {
				return errors.Join(failed...)
			}
		}
		if !more {
			return errors.Join(failed...)
		}
	}
}

// handDueOf hands over what is due of one account. What fails waits for a while, so that
// it is in nobody else's way: neither now, nor in the next batch. stop reports that others
// would fail, too.
func (s *Service) handDueOf(ctx context.Context, id int64, hand Hand) (stop bool, err error) {
	err = s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.handOver(ctx, tx, id, hand) })
	switch {
	case err == nil:
		return false, nil
	case ctx.Err() != nil, fault.KindOf(err) == fault.Busy, fault.KindOf(err) == fault.Unavailable:
		return true, err
	}
	later := s.change(ctx, id, func(_ context.Context, _ *db.Tx, now *Setting) (bool, error) {
		now.NextMailAt = s.cfg.Now().Add(putOff)
		return true, nil
	})
	return later != nil, errors.Join(err, later)
}

// dropStale gives up notices that were not sent in time, because no node had a mail
// server.
func (s *Service) dropStale(ctx context.Context, before time.Time) error {
	stale, err := s.cfg.Rows.Stale(ctx, s.cfg.DB, before)
	if err != nil || !stale {
		return err
	}
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.cfg.Rows.DropStale(ctx, tx, before) })
}

// handOver hands over what is to be sent to an account. It does so in a transaction, so
// that only one node does: a slower one finds nothing to send.
func (s *Service) handOver(ctx context.Context, tx *db.Tx, id int64, hand Hand) error {
	setting, err := s.cfg.Rows.Setting(ctx, tx, id)
	if err != nil || setting.NextMailAt.After(s.cfg.Now()) {
		return err
	}
	list, err := s.cfg.Rows.Unsent(ctx, tx, id)
	if err != nil || len(list) == 0 {
		return err
	}
	username, err := s.cfg.Rows.Username(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, n := range list {
		if err := s.cfg.Rows.SetEmail(ctx, tx, n.ID, ""); err != nil {
			return err
		}
	}
	for _, m := range letters(list) {
		m.Username, m.Language = username, setting.Language
		if err := hand(ctx, tx, m); err != nil {
			return err
		}
	}
	setting.NextMailAt = s.cfg.Now().Add(MailEvery)
	return s.cfg.Rows.SetSetting(ctx, tx, id, setting)
}

// letters puts the notices for each address into one e-mail.
func letters(list []Unsent) (mails []Mail) {
	at := make(map[string]int)
	for _, n := range list {
		i, ok := at[n.Email]
		if !ok {
			i = len(mails)
			at[n.Email] = i
			mails = append(mails, Mail{To: n.Email})
		}
		mails[i].Notices = append(mails[i].Notices, n.Notice)
	}
	return mails
}
