package mail

import (
	"context"

	"github.com/usher-auth/usher/internal/db"
)

// Send queues a message in a transaction of its own.
func (s *Sender) Send(m Message) error {
	return s.cfg.Outbox.cfg.DB.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		return s.cfg.Outbox.Add(ctx, tx, m)
	})
}
