package web_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/device"
)

// two signs two devices of an account in, and returns their numbers.
func (w *fixture) two(name string) (old, now int64) {
	w.Helper()
	var ids []int64
	for _, client := range []string{"old", "new"} {
		d := device.Device{ClientIdentifier: name + client, Product: "Player", Name: "The " + client + " one"}
		tok, err := w.Tokens.SignIn(w.Context(), operator, w.Prove(w.account(name)).Proof, d)
		w.must(err)
		p, err := w.Tokens.Verify(w.Context(), tok)
		w.must(err)
		ids = append(ids, p.DeviceID)
	}
	return ids[0], ids[1]
}

// Two devices of the visitor are merged after a confirmation. Attack: one of the two
// belongs to another account.
func TestMergeOwnDevices(t *testing.T) {
	w := newTown(t)
	old, now := w.two("mia")
	noas, _ := w.two("noa")
	b := w.browser().signIn("mia")
	path := fmt.Sprintf("/account/devices/%d/merge", old)
	b.wantPage(b.get("/account/devices"), 200, path)
	b.wantPage(b.get(path), 200, "The old one", "The new one", "Which one is it now?")
	b.wantPage(b.get(path+"?search=nothing"), 200, "Nothing was found.")
	into := func(id int64) url.Values { return url.Values{"into": {fmt.Sprint(id)}} }
	for name, test := range map[string]struct {
		path string
		form url.Values
		want int
	}{
		"attack: into another's": {path, into(noas), 404},
		"attack: another's":      {fmt.Sprintf("/account/devices/%d/merge", noas), into(now), 404},
		"into itself":            {path, into(old), 400},
		"into none":              {path, nil, 404},
		"attack: as an admin":    {fmt.Sprintf("/admin/accounts/2/devices/%d/merge", old), into(now), 403},
	} {
		for _, sure := range []string{"", "1"} {
			form := url.Values{"sure": {sure}}
			for k, v := range test.form {
				form[k] = v
			}
			if s := b.post(test.path, form); s.StatusCode != test.want {
				t.Errorf("%s: status %d", name, s.StatusCode)
			}
		}
	}
	if s := b.get(fmt.Sprintf("/account/devices/%d/merge", noas)); s.StatusCode != 404 {
		t.Errorf("attack: the page of another account's device: %d", s.StatusCode)
	}
	page := b.asks(path, "into", fmt.Sprint(now))
	for _, want := range []string{"The old one", "The new one", "1 token", "Your own password", fmt.Sprintf(`name="into" value="%d"`, now)} {
		if !strings.Contains(page, want) {
			t.Errorf("the question lacks %q:\n%s", want, page)
		}
	}
	// Attack: an intruder at an open browser merges their device into one of the owner's.
	b.refused(path, "password is not right", "sure", "1", "current", "a guess", "into", fmt.Sprint(now))
	b.sends(path, "/account/devices?done=merged", "sure", "1", "current", password, "into", fmt.Sprint(now))
	b.wantPage(b.get("/account/devices?done=merged"), 200, "one device now", "The new one")
	b.wantNot(b.get("/account/devices"), "The old one")
}

// An admin merges the devices of other accounts, with their own password.
func TestMergeDevicesOfOthers(t *testing.T) {
	w := newTown(t)
	old, now := w.two("mia")
	noas, _ := w.two("noa")
	b := w.browser().signIn("olga")
	list := fmt.Sprintf("/admin/accounts/%d", w.account("mia").ID) + "/devices"
	path := fmt.Sprintf("%s/%d/merge", list, old)
	b.wantPage(b.get(fmt.Sprintf("/admin/accounts/%d", w.account("mia").ID)), 200, list)
	b.wantPage(b.get(list), 200, path, "The new one")
	b.wantPage(b.get(path), 200, "The new one")
	for _, id := range []int64{noas, 99} {
		if s := b.post(path, url.Values{"into": {fmt.Sprint(id)}, "sure": {"1"}, "current": {password}}); s.StatusCode != 404 {
			t.Errorf("attack: into device %d of another account: status %d", id, s.StatusCode)
		}
	}
	if page := b.asks(path, "into", fmt.Sprint(now)); !strings.Contains(page, "Your own password") {
		t.Error(page)
	}
	b.refused(path, "password is not right", "sure", "1", "current", "a guess", "into", fmt.Sprint(now))
	b.sends(path, list+"?done=merged", "sure", "1", "current", password, "into", fmt.Sprint(now))
	b.wantPage(b.get(list+"?done=merged"), 200, "one device now")
	b.wantNot(b.get(list), "The old one")
}
