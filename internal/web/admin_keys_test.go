package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/plexauth"
)

// An admin creates a key with their password, and sees it only once. The log names the
// key's creator.
func TestAdminCreatesKeys(t *testing.T) {
	w := newTown(t)
	b := w.browser().signIn("olga")
	b.reads("/admin/keys", "Make a key", "accounts:read", "None yet.")
	b.refused("/admin/keys", "password is not right", "name", "script", "scope", "audit:read", "current", "some other one")
	b.refused("/admin/keys", "key needs at least one scope", "name", "script", "current", password)
	b.refused("/admin/keys", "name has letters", "name", "two words", "scope", "audit:read", "current", password)
	b.refused("/admin/keys", "is not a date", "name", "script", "scope", "audit:read", "expires", "soon", "current", password)
	made := b.post("/admin/keys", values([]string{
		"name", "script", "scope", "audit:read", "scope", "accounts:write", "expires", "2030-01-31", "current", password,
	}))
	b.wantPage(made, http.StatusOK, "The key script", "It is shown only now")
	secret := plexauth.Secret(regexp.MustCompile(`usher_ak_[0-9A-Za-z]{32}`).FindString(made.text))
	k, err := w.AdminKeys.Verify(t.Context(), "192.0.2.1", secret)
	if err != nil || k.Maker != "olga" || fmt.Sprint(k.Scopes) != "[accounts:write audit:read]" || k.ExpiresAt.IsZero() {
		t.Fatalf("the key is %+v, %v", k, err)
	}
	if page := b.reads("/admin/keys", "script", "made by olga", "accounts:write", "2030"); strings.Contains(page, string(secret)) {
		t.Error("the key is shown again")
	}
	revoke := fmt.Sprintf("/admin/keys/%d/revoke", k.ID)
	b.wantPage(b.post(revoke, nil), http.StatusOK, "Revoke the key script?", "1 key is revoked.")
	b.sends(revoke, "/admin/keys?done=key", "sure", "1")
	if _, err := w.AdminKeys.Verify(t.Context(), "192.0.2.1", secret); err == nil {
		t.Error("it is valid after it was revoked")
	}
	b.wantPage(b.post(revoke, nil), http.StatusNotFound)

	// Revoking a key of another creator asks for confirmation, too.
	_, k, err = w.AdminKeys.Make(t.Context(), audit.Actor{Name: "test"}, adminkey.NewKey{Name: "other", Scopes: []string{"audit:read"}})
	if err != nil {
		t.Fatal(err)
	}
	b.confirms(fmt.Sprintf("/admin/keys/%d/revoke", k.ID), "/admin/keys?done=key")
	b.reads("/admin/keys?done=key", "The key is revoked.")
}
