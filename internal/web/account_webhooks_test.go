package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/plexauth"
)

func TestOwnWebhooks(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	b.reads("/account/webhooks", "None yet.", "X-Usher-Signature")
	b.refused("/account/webhooks", "it does not begin with https:// or http://", "url", "ftp://example.org")
	b.refused("/account/webhooks", "not sent to an address that is not public", "url", "http://127.0.0.1/")
	b.sends("/account/webhooks", "/account/webhooks?done=webhook", "url", "https://a.example.org/x?y=1&z=2")
	b.sends("/account/webhooks", "/account/webhooks?done=webhook", "url", "https://b.example.org/")
	b.reads("/account/webhooks?done=webhook", "The address is added.", "https://a.example.org/x?y=1&z=2", "https://b.example.org/")
	b.sends("/account/webhooks/remove", "/account/webhooks?done=webhook-removed", "url", "https://a.example.org/x?y=1&z=2")
	urls, err := w.Webhooks.URLs(t.Context(), w.account("mia").ID)
	if err != nil || len(urls) != 1 || urls[0] != "https://b.example.org/" {
		t.Errorf("the addresses are %v, %v", urls, err)
	}
	// No other account has them.
	if page := w.browser().signIn("olga").reads("/account/webhooks", "None yet."); strings.Contains(page, "b.example.org") {
		t.Error("another account sees them")
	}
}

// Attack: an intruder at an open browser reads the secret, or replaces it.
func TestOwnWebhookSecret(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("mia")
	mia := w.account("mia")
	secret := func() string {
		t.Helper()
		s, err := w.Webhooks.Secret(t.Context(), operator, mia.ID)
		if err != nil {
			t.Fatal(err)
		}
		return string(s)
	}
	first := secret()
	for _, path := range []string{"/account/webhooks/secret", "/account/webhooks/secret/renew"} {
		for _, form := range [][]string{nil, {"sure", "1"}, {"sure", "1", "current", "some other one"}} {
			if page := b.post(path, values(form)); strings.Contains(page.text, first) || secret() != first {
				t.Errorf("%s %v shows or replaces the secret", path, form)
			}
		}
	}
	confirmed := values([]string{"sure", "1", "current", password})
	b.wantPage(b.post("/account/webhooks/secret", confirmed), http.StatusOK, first)
	rows, err := w.Audit.List(t.Context(), audit.Query{Account: mia.ID, Events: []audit.Kind{audit.WebhookSecretShown}, Limit: 1})
	if err != nil || len(rows) != 1 || rows[0].Actor != "" || rows[0].Detail != "" {
		t.Errorf("the log has %+v, %v", rows, err)
	}
	b.reads("/account/notices", "The secret of your webhooks was shown")
	if page := b.reads("/account/webhooks"); strings.Contains(page, first) {
		t.Error("the secret is shown without a request")
	}
	renewed := b.post("/account/webhooks/secret/renew", confirmed)
	b.wantPage(renewed, http.StatusOK, secret())
	if secret() == first || strings.Contains(renewed.text, first) {
		t.Error("the secret is not replaced")
	}
	if shown := regexp.MustCompile(`>([\w-]{43})<`).FindStringSubmatch(renewed.text); shown == nil || plexauth.Secret(shown[1]) != plexauth.Secret(secret()) {
		t.Errorf("the page shows %v", shown)
	}
}
