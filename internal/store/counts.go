package store

import (
	"context"

	"github.com/usher-auth/usher/internal/db"
)

// Counts is how much of everything there is.
type Counts struct {
	Accounts, Admins, Disabled       int
	Servers, Providers, Shares       int
	AccessTokens, ServerTokens, Open int // Open: browsers that are signed in
	Origins                          int
}

// Counts counts what there is.
func (s *Store) Counts(ctx context.Context) (c Counts, err error) {
	err = s.db.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM account), (SELECT COUNT(*) FROM account WHERE admin),
		(SELECT COUNT(*) FROM account WHERE disabled),
		(SELECT COUNT(*) FROM source WHERE kind = $1), (SELECT COUNT(*) FROM source WHERE kind = $2),
		(SELECT COUNT(*) FROM share), (SELECT COUNT(*) FROM token WHERE kind = $3),
		(SELECT COUNT(*) FROM token WHERE kind = $4),
		(SELECT COUNT(*) FROM session WHERE complete AND expires_at > $5), (SELECT COUNT(*) FROM origin)`,
		ServerSource, ProviderSource, AccessToken, ServerToken, millis(s.now())).
		Scan(&c.Accounts, &c.Admins, &c.Disabled, &c.Servers, &c.Providers, &c.Shares,
			&c.AccessTokens, &c.ServerTokens, &c.Open, &c.Origins)
	return c, db.Wrap("counting what there is", err)
}
