package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/store"
)

// browserSessions starts and revokes the session of a visitor's browser. Every
// way to sign in ends here.
type browserSessions struct {
	sessions *session.Service
	accounts *account.Service
	log      *slog.Logger
	now      func() time.Time
}

// start spends a proof on a new session, revokes the one that the browser had,
// and redirects to next. Without complete, the session lacks the second factor.
// store.ErrConflict: the proof is no longer valid.
func (b *browserSessions) start(
	ctx context.Context, v *visit, proof store.SignIn, complete bool, next string,
) (view, error) {
	secret, started, err := b.sessions.Begin(ctx, proof, complete, v.from)
	if err != nil {
		return view{}, err
	}
	b.revoke(ctx, v)
	return view{to: next, cookies: []*http.Cookie{sessionCookie(secret, started.ExpiresAt)}}, nil
}

// complete spends the proof of a second factor on the visitor's session, which
// gets a new secret, and redirects to next. store.ErrConflict: the proof is no
// longer valid.
func (b *browserSessions) complete(
	ctx context.Context, v *visit, proof store.SignIn, next string,
) (view, error) {
	secret, err := b.sessions.Complete(ctx, v.session, proof)
	if err != nil {
		return view{}, err
	}
	cookie := sessionCookie(secret, b.now().Add(session.Life))
	return view{to: next, cookies: []*http.Cookie{cookie}}, nil
}

// rejected logs a proof that was no longer valid when it was spent, and returns
// the error for the visitor: account.ErrCode or account.ErrCredentials. It
// returns any other error as it is.
func (b *browserSessions) rejected(ctx context.Context, proof account.Proof, err error) error {
	if errors.Is(err, store.ErrConflict) {
		return b.accounts.Rejected(ctx, proof)
	}
	return err
}

// revoke revokes the session that the browser sent, if it sent one.
func (b *browserSessions) revoke(ctx context.Context, v *visit) {
	if v.session.ID == 0 {
		return
	}
	err := b.sessions.End(ctx, v.session.AccountID, v.session.ID)
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		b.log.Error("an earlier session could not be ended", "error", err)
	}
}
