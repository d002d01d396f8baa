package web

import (
	"context"
	"net/url"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/token"
)

// adminTokens lists live tokens and revokes them.
type adminTokens struct {
	tokens   *token.Service
	accounts *account.Service
}

func (a *adminTokens) pages() []page {
	return []page{
		{"GET", "/admin/tokens", admin, a.show},
		{"POST", "/admin/tokens/{id}/revoke", admin, a.revoke},
	}
}

type tokensData struct {
	notice
	Tokens   []token.Token
	More     int // how many are not shown
	Accounts []account.Account
	Account  int64 // whose tokens are shown; 0: everyone's
}

// maxTokens is how many tokens are shown at a time.
const maxTokens = 200

func (a *adminTokens) show(ctx context.Context, v *visit) (view, error) {
	data := tokensData{notice: newNotice(v, ""), Account: number(v.URL.Query().Get("account"))}
	var err error
	if data.Accounts, err = a.accounts.List(ctx); err != nil {
		return view{}, err
	}
	if data.Tokens, err = a.tokens.List(ctx, data.Account); err != nil {
		return view{}, err
	}
	if data.More = max(0, len(data.Tokens)-maxTokens); data.More > 0 {
		data.Tokens = data.Tokens[:maxTokens]
	}
	return view{name: "admin-tokens", data: data}, nil
}

// revoke revokes a token, and returns to the list that the form was in.
func (a *adminTokens) revoke(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = a.tokens.Revoke(ctx, v.actor(), id)
	}
	to := "/admin/tokens?done=revoked"
	if of := v.PostFormValue("account"); of != "" {
		to += "&" + url.Values{"account": {of}}.Encode()
	}
	return view{to: to}, err
}
