package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/session"
)

// secondStep completes a session by a code of the authenticator app or a backup
// code.
type secondStep struct {
	accounts *account.Service
	browsers *browserSessions
	passkeys *passkey.Service
	site     passkeySite
}

func (s *secondStep) pages() []page {
	return []page{
		{"GET", "/auth/code", halfSignedIn, s.form},
		{"POST", "/auth/code", halfSignedIn, s.submit},
	}
}

// codeData is the form of the second factor.
type codeData struct {
	sent
	Next     string
	Passkeys bool // the account has a passkey for this address
	// PasskeyOnly: a code does not do.
	PasskeyOnly bool
}

func (s *secondStep) form(ctx context.Context, v *visit) (view, error) {
	return s.show(ctx, v, 0, codeData{Next: nextPath(v.URL.Query())})
}

func (s *secondStep) show(ctx context.Context, v *visit, status int, data codeData) (view, error) {
	a, err := s.accounts.Get(ctx, v.session.AccountID)
	if err != nil {
		return view{}, err
	}
	data.PasskeyOnly = a.PasskeyRequired
	if party, noParty := s.site.party(v); noParty == nil {
		data.Passkeys, err = s.passkeys.Has(ctx, party, v.session.AccountID)
	}
	return view{name: "code", status: status, data: data}, err
}

// submit takes the code.
func (s *secondStep) submit(ctx context.Context, v *visit) (view, error) {
	form := codeData{Next: nextPath(v.PostForm)}
	answer, err := s.byCode(ctx, v, form.Next)
	if errors.Is(err, account.ErrCredentials) || errors.Is(err, session.ErrNotFound) {
		// The account changed during the request, so the session is void.
		return view{to: signInThen(form.Next) + "&late=1"}, nil
	}
	if errors.Is(err, account.ErrCode) {
		err = fault.WithField(err, "code", "")
	}
	var failed bool
	if form.sent, failed = rejected(v, err); failed {
		return s.show(ctx, v, http.StatusUnauthorized, form)
	}
	return answer, err
}

func (s *secondStep) byCode(ctx context.Context, v *visit, next string) (view, error) {
	verified, err := s.accounts.VerifyCode(
		ctx, v.actor(), v.caller(), v.session.AccountID, v.session.Revision, codeOf(v, "code"))
	if err != nil {
		return view{}, err
	}
	return s.browsers.complete(ctx, v, verified.Proof, next)
}
