package web

import (
	"context"
	"encoding/json"

	"github.com/usher-auth/usher/internal/passkey"
)

// ownPasskeys adds and removes the visitor's passkeys.
type ownPasskeys struct {
	page     *ownSecurity
	passkeys *passkey.Service
	site     passkeySite
	check    factorCheck
}

func (o *ownPasskeys) pages() []page {
	return []page{
		{"POST", "/account/passkeys/challenge", signedIn, asJSON(o.challenge)},
		{"POST", "/account/passkeys", signedIn, asJSON(o.add)},
		{"POST", "/account/passkeys/{id}/remove", signedIn, o.remove},
	}
}

// challenge returns what the script needs to create a passkey. A passkey signs in
// without the second factor, so adding one takes the second factor.
func (o *ownPasskeys) challenge(ctx context.Context, v *visit) (view, error) {
	party, err := o.site.party(v)
	if err == nil {
		err = o.check.confirm(ctx, v)
	}
	if err != nil {
		return view{}, err
	}
	options, err := o.passkeys.BeginAdd(ctx, party, v.account, browserOf(v))
	return view{json: json.RawMessage(options)}, err
}

// add stores the passkey that the browser created.
func (o *ownPasskeys) add(ctx context.Context, v *visit) (view, error) {
	party, err := o.site.party(v)
	if err != nil {
		return view{}, err
	}
	name := v.PostFormValue("name")
	if name == "" {
		name = browserName(v.userAgent)
	}
	answer := []byte(v.PostFormValue("answer"))
	err = o.passkeys.FinishAdd(ctx, v.actor(), party, v.account, browserOf(v), name, answer)
	return view{to: securityPath + "?done=passkey"}, err
}

func (o *ownPasskeys) remove(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = o.check.confirm(ctx, v)
	}
	if err == nil {
		err = o.passkeys.Remove(ctx, v.actor(), v.account.ID, id)
	}
	return o.page.changed(ctx, v, "passkey-removed", err)
}
