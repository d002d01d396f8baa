package notify

import "context"

// HandDue hands over what is due now.
func (s *Service) HandDue(ctx context.Context, hand Hand) error { return s.handDue(ctx, hand) }
