package notify

import "context"

// HandDue queues the notices that are due now.
func (s *Service) HandDue(ctx context.Context, hand Hand) error { return s.handDue(ctx, hand) }
