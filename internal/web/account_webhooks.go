package web

import (
	"context"

	"github.com/usher-auth/usher/internal/webhook"
	"github.com/usher-auth/usher/plexauth"
)

// ownWebhooks shows the addresses that receive events of the visitor's account, and the
// secret that signs these requests.
type ownWebhooks struct {
	webhooks *webhook.Service
	caution  caution
}

const hookSecretPath = webhooksPath + "/secret"

func (o *ownWebhooks) pages() []page {
	return []page{
		{"GET", webhooksPath, signedIn, section(o.show).asHandler},
		{"POST", webhooksPath, signedIn, o.add},
		{"POST", webhooksPath + "/remove", signedIn, o.remove},
		{"POST", hookSecretPath, signedIn, o.caution.before(risk{o.askToShow, o.showSecret})},
		{"POST", hookSecretPath + "/renew", signedIn, o.caution.before(risk{o.askToRenew, o.renew})},
	}
}

// webhooksData is the section.
type webhooksData struct {
	ownNotice
	URLs []string
	// Full: the account has as many addresses as it can have.
	Full bool
	// Secret is empty unless the visitor has just asked for it.
	Secret plexauth.Secret
}

func (o *ownWebhooks) show(ctx context.Context, v *visit, s sent) (view, error) {
	return o.page(ctx, v, webhooksData{ownNotice: newOwnNotice(v, s)})
}

func (o *ownWebhooks) page(ctx context.Context, v *visit, data webhooksData) (view, error) {
	var err error
	data.URLs, err = o.webhooks.URLs(ctx, v.account.ID)
	data.Full = len(data.URLs) >= webhook.PerAccount
	return view{name: "account-webhooks", data: data}, err
}

func (o *ownWebhooks) add(ctx context.Context, v *visit) (view, error) {
	err := o.webhooks.Add(ctx, v.actor(), v.account.ID, v.PostFormValue("url"))
	return section(o.show).changed(ctx, v, webhooksPath, "webhook", err)
}

func (o *ownWebhooks) remove(ctx context.Context, v *visit) (view, error) {
	err := o.webhooks.Remove(ctx, v.actor(), v.account.ID, v.PostFormValue("url"))
	return section(o.show).changed(ctx, v, webhooksPath, "webhook-removed", err)
}

// askToShow asks for the password or a passkey. Attack: somebody at an open browser
// reads the secret, and signs what they send to the receivers.
func (o *ownWebhooks) askToShow(context.Context, *visit) (question, error) {
	return question{
		Title: say("Show the secret of your webhooks?"), Button: say("Show the secret"), Back: webhooksPath, Others: true,
		Ends:  []phrase{say("Anyone who has it can sign requests to your receivers as if they were from this server.")},
		Later: say("You can replace it at any time."),
	}, nil
}

func (o *ownWebhooks) showSecret(ctx context.Context, v *visit) (view, error) {
	secret, err := o.webhooks.Secret(ctx, v.actor(), v.account.ID)
	if err != nil {
		return view{}, err
	}
	return o.withSecret(ctx, v, secret)
}

func (o *ownWebhooks) withSecret(ctx context.Context, v *visit, secret plexauth.Secret) (view, error) {
	return o.page(ctx, v, webhooksData{ownNotice: newOwnNotice(v, sent{}), Secret: secret})
}

func (o *ownWebhooks) askToRenew(context.Context, *visit) (question, error) {
	return question{
		Title: say("Replace the secret of your webhooks?"), Button: say("Replace the secret"), Back: webhooksPath, Others: true,
		Ends: []phrase{say("1 secret is replaced. From now on, your receivers need the new one to verify requests.")},
	}, nil
}

// renew replaces the secret and shows the new one.
func (o *ownWebhooks) renew(ctx context.Context, v *visit) (view, error) {
	secret, err := o.webhooks.Renew(ctx, v.actor(), v.account.ID)
	if err != nil {
		return view{}, err
	}
	return o.withSecret(ctx, v, secret)
}
