package api_test

import (
	"encoding/xml"
	"strings"
	"testing"
)

// PlexAPI lists the online media sources, sets each to every value, and reads them again.
func TestOptOuts(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signIn(t, "member")
	var me struct{ UUID string }
	w.read(t, "GET", "/api/v2/user.json", token, nil, &me)
	path := "/api/v2/user/" + me.UUID + "/settings/opt_outs"
	read := func() map[string]string {
		t.Helper()
		_, body := w.ask(t, "GET", path, "*/*", token, nil)
		var list struct {
			OptOut []struct {
				Key   string `xml:"key,attr"`
				Value string `xml:"value,attr"`
			} `xml:"optOut"`
		}
		if err := xml.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		got := make(map[string]string)
		for _, o := range list.OptOut {
			got[o.Key] = o.Value
		}
		return got
	}
	before := read()
	if len(before) < 3 || before["tv.plex.provider.vod"] != "opt_in" {
		t.Errorf("at first: %v", before)
	}
	for key := range before {
		for _, value := range []string{"opt_out", "opt_out_managed", "opt_in", "opt_out"} {
			want := 204
			if key == "tv.plex.provider.music" && value == "opt_out_managed" {
				want = 400
			}
			status, body := w.call(t, "POST", path+"?key="+key+"&value="+value, token, nil)
			if got := read()[key]; status != want || want == 204 && got != value {
				t.Errorf("%s %s: %d %s, and then it is %s", key, value, status, body, got)
			}
		}
	}
	for query, problem := range map[string]string{
		"key=tv.plex.provider.vod&value=unknown": "value is not one of", "value=opt_in": "key is not", "key=tv.plex.provider.vod": "value is not",
		"key=a%20b&value=opt_in": "key is not", "key=" + strings.Repeat("a", 200) + "&value=opt_in": "key is not",
	} {
		if status, body := w.call(t, "POST", path+"?"+query, token, nil); status != 400 || !strings.Contains(body, problem) {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
	// Attack: read or change the choices of another account.
	other := w.signIn(t, "admin")
	for _, method := range []string{"GET", "POST"} {
		if status, _ := w.call(t, method, path+"?key=tv.plex.provider.vod&value=opt_in", other, nil); status != 404 {
			t.Errorf("%s by another account: %d", method, status)
		}
	}
	if got := read()["tv.plex.provider.vod"]; got != "opt_out" {
		t.Errorf("another account has set %s", got)
	}
}

// Attack: fill the database with choices.
func TestOptOutsAreBounded(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signIn(t, "member")
	var me struct{ UUID string }
	w.read(t, "GET", "/api/v2/user.json", token, nil, &me)
	status := 0
	for i := 0; i < 60 && status != 400; i++ {
		status, _ = w.call(t, "POST", "/api/v2/user/"+me.UUID+"/settings/opt_outs?value=opt_out&key=x"+strings.Repeat("y", i), token, nil)
	}
	if status != 400 {
		t.Errorf("the last of 60: %d", status)
	}
}

// Each consent is stored separately.
func TestConsents(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signIn(t, "member")
	get := func(path, want string) {
		t.Helper()
		if status, body := w.call(t, "GET", path, token, nil); status != 200 || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d %s, want %s", path, status, body, want)
		}
	}
	put := func(path string, want int) {
		t.Helper()
		if status, body := w.call(t, "PUT", path, token, nil); status != want {
			t.Errorf("PUT %s: %d %s, want %d", path, status, body, want)
		}
	}
	const privacy, sync = "/api/v2/user/privacy", "/api/v2/user/view_state_sync"
	get(privacy, `{"optOutPlayback":true,"optOutLibraryStats":true,"domain":"plex.tv","baseUrl":"https://plex.tv","metrics":[]}`)
	put(privacy+"?optOutPlayback=0", 204)
	get(privacy, `"optOutPlayback":false,"optOutLibraryStats":true`)
	put(privacy+"?optOutPlayback=1&optOutLibraryStats=False", 204)
	get(privacy, `"optOutPlayback":true,"optOutLibraryStats":false`)
	put(privacy+"?optOutPlayback=maybe", 400)
	get(sync, `{"consent":false}`)
	put(sync+"?consent=True", 200)
	get(sync, `{"consent":true}`)
	_, text := w.ask(t, "GET", privacy, "*/*", token, nil)
	if !strings.Contains(text, `<privacy optOutPlayback="1" optOutLibraryStats="0" `) {
		t.Error(text)
	}
	var me struct{ UUID string }
	w.read(t, "GET", "/api/v2/user.json", token, nil, &me)
	if _, list := w.call(t, "GET", "/api/v2/user/"+me.UUID+"/settings/opt_outs", token, nil); strings.Contains(list, "privacy") {
		t.Errorf("the opt-outs are %s", list)
	}
	token = w.signIn(t, "admin")
	get(sync, `{"consent":false}`)
}
