package web

import (
	"context"

	"github.com/usher-auth/usher/internal/session"
)

// signOuts signs out the visitor's devices and other browsers.
type signOuts struct {
	page     *accountPage
	devices  deviceRevoker
	sessions *session.Service
	others   othersRevoker
}

// deviceRevoker revokes all tokens of an account's device.
type deviceRevoker interface {
	RevokeDevice(ctx context.Context, accountID, deviceID int64) error
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
		err = s.devices.RevokeDevice(ctx, v.account.ID, id)
	}
	return s.page.changed(ctx, v, "device", err)
}

func (s *signOuts) revokeSession(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = s.sessions.End(ctx, v.account.ID, id)
	}
	return s.page.changed(ctx, v, "browser", err)
}

func (s *signOuts) revokeOthers(ctx context.Context, v *visit) (view, error) {
	return s.page.changed(ctx, v, "others", s.others.EndOthers(ctx, v.account.ID, v.session.ID))
}
