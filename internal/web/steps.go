package web

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// firstSteps are an admin's next steps after the set-up. A step is marked as done when its
// result exists, in whichever way it was achieved.
type firstSteps struct {
	accounts *account.Service
	sources  *source.Service
	tokens   *token.Service
	// backups says that the database is one that usher copies, and lastBackup when it
	// was copied last.
	backups    func() bool
	lastBackup func(context.Context) (time.Time, error)
	address    func(*visit) plexauth.Secret
}

// stepsData is the list. Its zero value is for those who do not see it.
type stepsData struct {
	Shown                                  bool
	Factor, Server, People, Program, Saved bool
	// Backups: usher makes them.
	Backups bool
	// Address is that of this server, to give to programs.
	Address string
}

// of returns the visitor's list. Members do not see it, nor do admins who have done
// everything.
func (f firstSteps) of(ctx context.Context, v *visit) (d stepsData, err error) {
	if !v.account.Admin {
		return d, nil
	}
	d = stepsData{Factor: v.account.HasSecondFactor(), Backups: f.backups(), Address: string(f.address(v))}
	people, err := f.accounts.Count(ctx)
	if err != nil {
		return d, err
	}
	servers, err := f.sources.Count(ctx)
	if err != nil {
		return d, err
	}
	tokens, err := f.tokens.Count(ctx)
	if err != nil {
		return d, err
	}
	own := 0
	if f.sources.Self().ID != 0 {
		own = 1
	}
	d.People, d.Server, d.Program = people.Accounts > 1, servers.Servers > own, tokens.Access > 0
	if d.Saved = !d.Backups; d.Backups {
		at, err := f.lastBackup(ctx)
		if err != nil {
			return d, err
		}
		d.Saved = !at.IsZero()
	}
	d.Shown = !d.Factor || !d.Server || !d.People || !d.Program || !d.Saved
	return d, nil
}
