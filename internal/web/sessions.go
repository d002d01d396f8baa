package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/signin"
)

// browserSessions starts and revokes the session of a visitor's browser. Every
// way to sign in ends here.
type browserSessions struct {
	sessions *session.Service
	accounts *account.Service
	notices  *notify.Service
	log      *slog.Logger
	now      func() time.Time
}

// start spends a proof on a new session, revokes the one that the browser had,
// and redirects to next. Without complete, the session lacks the second factor.
func (b *browserSessions) start(
	ctx context.Context, v *visit, proof signin.Proof, complete bool, next string,
) (view, error) {
	by, err := b.actor(ctx, v, proof.AccountID())
	if err != nil {
		return view{}, err
	}
	return b.startBy(ctx, by, v, proof, complete, next)
}

// startFirst is start for a user who has just created the account: they need not be
// told that a browser is new to it.
func (b *browserSessions) startFirst(ctx context.Context, v *visit, proof signin.Proof, next string) (view, error) {
	return b.startBy(ctx, v.actor(), v, proof, true, next)
}

// actor is the visitor, with whether the browser is new to an account. An account that
// is gone has none: its proof is void.
func (b *browserSessions) actor(ctx context.Context, v *visit, accountID int64) (audit.Actor, error) {
	by := v.actor()
	a, err := b.accounts.Get(ctx, accountID)
	if errors.Is(err, account.ErrNotFound) {
		return by, nil
	}
	by.NewBrowser = !b.accounts.Knows(a, v.caller())
	return by, err
}

func (b *browserSessions) startBy(
	ctx context.Context, by audit.Actor, v *visit, proof signin.Proof, complete bool, next string,
) (view, error) {
	secret, started, err := b.sessions.Start(ctx, by, proof, complete, v.userAgent)
	if err != nil {
		return view{}, err
	}
	b.revoke(ctx, v)
	cookies := []*http.Cookie{sessionCookie(secret, started.ExpiresAt)}
	if complete {
		cookies, err = b.mark(ctx, v, proof.AccountID(), cookies)
	}
	return view{to: next, cookies: cookies}, err
}

// mark adds the cookie by which a browser that has signed in is known, and remembers
// the language in which its user reads the pages.
func (b *browserSessions) mark(
	ctx context.Context, v *visit, accountID int64, cookies []*http.Cookie,
) ([]*http.Cookie, error) {
	a, err := b.accounts.Get(ctx, accountID)
	if err != nil {
		return nil, err
	}
	if err := b.notices.SetLanguage(ctx, accountID, v.language().stored()); err != nil {
		b.log.Error("cannot remember a language", "error", err)
	}
	return append(cookies, knownCookie(b.accounts.MarkBrowser(a, v.caller().Marks))), nil
}

// complete spends the proof of a second factor on the visitor's session, which
// gets a new secret, and redirects to next.
func (b *browserSessions) complete(
	ctx context.Context, v *visit, proof signin.Proof, next string,
) (view, error) {
	by, err := b.actor(ctx, v, v.session.AccountID)
	if err != nil {
		return view{}, err
	}
	secret, err := b.sessions.Complete(ctx, by, v.session, proof)
	if err != nil {
		return view{}, err
	}
	cookies, err := b.mark(ctx, v, v.session.AccountID, []*http.Cookie{sessionCookie(secret, b.now().Add(session.Life))})
	return view{to: next, cookies: cookies}, err
}

// revoke revokes the session that the browser sent, if it sent one.
func (b *browserSessions) revoke(ctx context.Context, v *visit) {
	if v.session.ID == 0 {
		return
	}
	err := b.sessions.Revoke(ctx, v.actor(), v.session.AccountID, v.session.ID)
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		b.log.Error("cannot revoke an earlier session", "error", err)
	}
}
