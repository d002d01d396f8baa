package web

import (
	"context"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/token"
)

// adminTokens lists live tokens and revokes them.
type adminTokens struct {
	tokens   *token.Service
	accounts *account.Service
	caution  caution
}

const tokensPath = "/admin/tokens"

func (a *adminTokens) pages() []page {
	return []page{
		{"GET", tokensPath, admin, a.show},
		{"POST", tokensPath + "/{id}/revoke", admin, a.caution.before(risk{a.ask, a.revoke})},
	}
}

type tokensData struct {
	notice
	Tokens   []token.Token
	Besides  neighbours
	Accounts []account.Account // to choose from; empty: the visitor types a name
	Account  int64             // whose tokens are shown; 0: everyone's
	Name     string            // the name of that account
	Search   string            // what the tokens are searched for; empty: all are listed
}

func (a *adminTokens) show(ctx context.Context, v *visit) (view, error) {
	data := tokensData{notice: newNotice(v, sent{})}
	of, err := a.account(ctx, v)
	if text, ok := problem(err); ok {
		data.problem, err = text, nil
	}
	if err != nil {
		return view{}, err
	}
	data.Account, data.Name = of.ID, of.Username
	if data.Accounts, err = fewAccounts(ctx, a.accounts); err != nil {
		return view{}, err
	}
	data.Search = strings.TrimSpace(v.URL.Query().Get("search"))
	list, err := a.tokens.Search(ctx, data.Search, data.Account, wantedPage(v, "", tallRows))
	data.Tokens, data.Besides = list.Rows, besides(v, tokensPath, "", "tokens", list)
	return data.page("admin-tokens", data), err
}

// account is the account that the address names; the zero one if it names none.
func (a *adminTokens) account(ctx context.Context, v *visit) (account.Account, error) {
	q := v.URL.Query()
	if q.Get("account") == "" && strings.TrimSpace(q.Get("name")) == "" {
		return account.Account{}, nil
	}
	return chosenAccount(ctx, a.accounts, q.Get("account"), strings.TrimSpace(q.Get("name")))
}

func (a *adminTokens) ask(ctx context.Context, v *visit) (question, error) {
	id, err := v.pathID()
	if err != nil {
		return question{}, err
	}
	t, err := a.tokens.Get(ctx, id)
	if err != nil {
		return question{}, err
	}
	n, err := a.tokens.CountSelected(ctx, token.Selection{ID: id})
	q := question{
		Title:  say("Revoke token %s of %s?", decimal(id), t.Username),
		Ends:   []phrase{say("%s stops working with this account.", claimed(t.Device.Describe()))},
		Button: say("Revoke it"), Back: v.back(tokensPath, accountPath(t.AccountID)), Others: t.AccountID != v.account.ID,
	}
	if n > 1 {
		q.Ends = append(q.Ends, countOf(n-1, "token that was made from it ends, too.", "tokens that were made from it end, too."))
	}
	return q, err
}

// revoke revokes a token, and returns to the list that the form was in.
func (a *adminTokens) revoke(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err != nil {
		return view{}, err
	}
	t, err := a.tokens.Get(ctx, id)
	if err == nil {
		err = a.tokens.Revoke(ctx, v.actor(), id)
	}
	return view{to: done(v.back(tokensPath, accountPath(t.AccountID)), "revoked")}, err
}
