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
	// MailEvery is the shortest time between two e-mails to an account. The next one
	// contains everything that happened meanwhile.
	MailEvery = 10 * time.Minute
	// mailWithin is how long a notice waits for its e-mail. After that, it is not sent.
	mailWithin = 24 * time.Hour
	// lookAgain is the interval at which a node polls for due notices.
	lookAgain = 30 * time.Second
	// batch is the number of due notices that are read together.
	batch = 200
	// putOff is the delay before notices that could not be queued are tried again.
	putOff = time.Minute
)

// Mail holds the notices that one e-mail to an address contains.
type Mail struct {
	To, Username string
	Language     string // see Setting
	Notices      []Notice
}

// Hand queues an e-mail in a transaction. It is sent if the transaction succeeds.
type Hand func(ctx context.Context, tx *db.Tx, m Mail) error

// Run queues due notices with hand until ctx ends. Nodes of one database share the
// work: one of them queues each notice, once. Notices that hand rejects are tried again
// later.
func (s *Service) Run(ctx context.Context, hand Hand) {
	var looker db.Looker
	for ctx.Err() == nil {
		err := s.handDue(ctx, hand)
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("notices wait to be sent", "error", err)
		}
		looker.Wait(ctx, s.alarm, lookAgain, err)
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

// handDueOf queues the due notices of one account. If that fails, it delays them, so
// that they do not block the notices of other accounts in this batch or the next. stop
// reports that the other accounts would fail, too.
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

// dropStale drops notices that were not sent in time because no node had a mail server.
func (s *Service) dropStale(ctx context.Context, before time.Time) error {
	stale, err := s.cfg.Rows.Stale(ctx, s.cfg.DB, before)
	if err != nil || !stale {
		return err
	}
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.cfg.Rows.DropStale(ctx, tx, before) })
}

// handOver queues the unsent notices of an account in one transaction, so that only one
// node queues them: a slower one finds none.
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

// letters groups notices into one e-mail for each address.
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
