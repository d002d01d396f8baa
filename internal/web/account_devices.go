package web

import (
	"context"

	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/token"
)

// signOuts signs out the visitor's devices and other browsers.
type signOuts struct {
	page     *accountPage
	tokens   *token.Service
	sessions *session.Service
}

func (s *signOuts) pages() []page {
	return []page{
		{"POST", "/account/devices/{id}/revoke", signedIn, s.revokeDevice},
		{"POST", "/account/sessions/{id}/end", signedIn, s.revokeSession},
		{"POST", "/account/revoke-others", signedIn, s.revokeOthers},
	}
}

func (s *signOuts) revokeDevice(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = s.tokens.RevokeDevice(ctx, v.actor(), v.account.ID, id)
	}
	return s.page.changed(ctx, v, "device", err)
}

func (s *signOuts) revokeSession(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = s.sessions.Revoke(ctx, v.actor(), v.account.ID, id)
	}
	return s.page.changed(ctx, v, "browser", err)
}

func (s *signOuts) revokeOthers(ctx context.Context, v *visit) (view, error) {
	err := s.sessions.RevokeOthers(ctx, v.actor(), v.account.ID, v.session.ID)
	return s.page.changed(ctx, v, "others", err)
}
