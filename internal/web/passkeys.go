package web

import (
	"context"
	"encoding/json"
)

// passkeyToAdd gives the script of the account's page what to make a passkey
// from.
func (p *Pages) passkeyToAdd(ctx context.Context, v *visit) (view, error) {
	party, err := p.site().party(v)
	if err == nil {
		err = p.confirmPassword(ctx, v)
	}
	if err != nil {
		return view{}, err
	}
	options, err := p.Passkeys.BeginAdd(ctx, party, v.account, browserOf(v))
	return view{json: json.RawMessage(options)}, err
}

// addPasskey takes the passkey that the browser made.
func (p *Pages) addPasskey(ctx context.Context, v *visit) (view, error) {
	party, err := p.site().party(v)
	if err != nil {
		return view{}, err
	}
	name := v.PostFormValue("name")
	if name == "" {
		name = browserName(v.from.UserAgent)
	}
	err = p.Passkeys.FinishAdd(ctx, party, v.account, browserOf(v), name, []byte(v.PostFormValue("answer")))
	return view{to: "/account?done=passkey"}, err
}

func (p *Pages) removePasskey(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = p.confirmPassword(ctx, v)
	}
	if err == nil {
		err = p.Passkeys.Remove(ctx, v.account.ID, id)
	}
	return p.changed(ctx, v, "passkey-removed", err)
}
