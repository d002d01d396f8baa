package api_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/plexauth"
)

// The parts of constant responses that clients read.
func TestConstantAnswers(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signIn(t, "member")
	for _, test := range []struct {
		method, path, accept string
		status               int
		want                 string // in the body
	}{
		{"GET", "/api/v2/features", "application/json", 200, `[]`},
		{"GET", "/api/announcements", "*/*", 200, ` title1="Announcements" viewGroup="list" content="plugins">`},
		{"GET", "/companions", "*/*", 200, `<MediaContainer `},
		{"GET", "/api/v2/companions", "application/json", 200, `[]`},
		{"GET", "/api/v2/cloud_server", "*/*", 200, `<cloud_server>`},
		{"GET", "/servers/den/sync_lists", "*/*", 200, `<MediaContainer `},
		{"GET", "/devices/tv/sync_items", "*/*", 200, `<SyncItems></SyncItems>`},
		{"GET", "/api/v2/geoip?ip_address=192.0.2.1", "*/*", 200, ` coordinates="0, 0"`},
	} {
		res, body := w.ask(t, test.method, test.path, test.accept, token, nil)
		if res.StatusCode != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s %s: %d %s; want %d with %s", test.method, test.path, res.StatusCode, body, test.status, test.want)
		}
	}
}

// Each row names the client and how certain its shape is.
func TestConstantsHaveASource(t *testing.T) {
	for path, source := range api.Constants() {
		if !strings.Contains(source, " ") {
			t.Errorf("%s: the source is %q", path, source)
		}
	}
}

// PlexAPI expects the address as plain text, whatever its Accept header.
func TestOwnAddress(t *testing.T) {
	w := newFixture(t, nil)
	for _, accept := range []string{"*/*", "application/json"} {
		res, body := w.ask(t, "GET", "/:/ip", accept, "", nil)
		if got := res.Header.Get("Content-Type"); body != "127.0.0.1" || !strings.HasPrefix(got, "text/plain") {
			t.Errorf("accepting %s: %s %q", accept, got, body)
		}
	}
}

// plex-api.rs connects only if every key is present.
func TestMediaProviders(t *testing.T) {
	w := newFixture(t, nil)
	var answer struct{ MediaContainer map[string]any }
	w.read(t, "GET", "/media/providers", w.signIn(t, "member"), nil, &answer)
	for _, key := range strings.Fields(`size allowCameraUpload allowChannelAccess allowSharing allowSync allowTuners
		backgroundProcessing companionProxy diagnostics eventStream friendlyName livetv machineIdentifier myPlex
		myPlexMappingState myPlexSigninState myPlexSubscription ownerFeatures photoAutoTag platform platformVersion
		pluginHost pushNotifications readOnlyLibraries streamingBrainABRVersion streamingBrainVersion sync
		transcoderActiveVideoSessions transcoderAudio transcoderLyrics transcoderSubtitles transcoderVideo
		transcoderVideoBitrates transcoderVideoQualities transcoderVideoResolutions updatedAt updater version
		voiceSearch MediaProvider`) {
		if value, ok := answer.MediaContainer[key]; !ok || value == nil {
			t.Errorf("%s is %v", key, value)
		}
	}
	if answer.MediaContainer["machineIdentifier"] != "self" {
		t.Errorf("%v", answer.MediaContainer)
	}
}

// The owner has the ID 1, whichever account it is.
func TestSystemAccounts(t *testing.T) {
	w := newFixture(t, nil)
	w.AddAdmin("second")
	if err := w.Accounts.Disable(t.Context(), operator, 1); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		MediaContainer struct {
			Size    int
			Account []struct {
				ID   int64
				Name string
			}
		}
	}
	w.read(t, "GET", "/accounts", w.signIn(t, "second"), nil, &answer)
	got := fmt.Sprint(answer.MediaContainer)
	if got != "{2 [{2 member} {1 second}]}" {
		t.Errorf("got %s", got)
	}
	if status, _ := w.call(t, "GET", "/accounts", w.signIn(t, "member"), nil); status != 403 {
		t.Errorf("a member gets %d", status)
	}
}

// Attack (CVE-2025-69414, CVE-2025-69415): exchange a transient token for a long-lived one
// at the path that returns the account of a media server.
func TestServersAccountHasNoToken(t *testing.T) {
	w := newFixture(t, nil)
	access := w.signIn(t, "admin")
	for name, token := range map[string]plexauth.Secret{"access": access, "transient": w.transient(t, access)} {
		for _, accept := range []string{"*/*", "application/json"} {
			res, body := w.ask(t, "GET", "/myplex/account", accept, token, nil)
			if res.StatusCode != 200 || !strings.Contains(body, "admin@example.org") || !strings.Contains(body, "mapped") {
				t.Errorf("%s: %d %s", name, res.StatusCode, body)
			}
			if strings.Contains(strings.ToLower(body), "token") || strings.Contains(body, string(access)) {
				t.Errorf("%s: there is a token in %s", name, body)
			}
		}
	}
}

// publishedServer has the fields of a server that Tautulli and Organizr read.
type publishedServer struct {
	MachineIdentifier string          `xml:"machineIdentifier,attr"`
	AccessToken       plexauth.Secret `xml:"accessToken,attr"`
	Owned             string          `xml:"owned,attr"`
	Address           string          `xml:"address,attr"`
	Port              int             `xml:"port,attr"`
}

func TestServersOfVersion1(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signIn(t, "member")
	for _, path := range []string{"/pms/servers", "/pms/servers.xml"} {
		_, body := w.ask(t, "GET", path, "application/json", token, nil)
		var list struct {
			Server []publishedServer
		}
		if err := xml.Unmarshal([]byte(body), &list); err != nil || len(list.Server) != 2 {
			t.Fatalf("%s: %v %s", path, err, body)
		}
		den := list.Server[slices.IndexFunc(list.Server, func(s publishedServer) bool { return s.MachineIdentifier == "den" })]
		if den.Owned != "0" || den.Address != "192.168.1.5" || den.Port != 32400 || den.AccessToken != w.serverToken(t, token, "den") {
			t.Errorf("%s: %+v", path, den)
		}
	}
	var local struct {
		MediaContainer struct {
			Server []struct{ MachineIdentifier string }
		}
	}
	w.read(t, "GET", "/servers", token, nil, &local)
	if len(local.MediaContainer.Server) != 1 || local.MediaContainer.Server[0].MachineIdentifier != "self" {
		t.Errorf("/servers: %+v", local)
	}
}

// Requests for unknown paths are counted by path, up to a limit. Words that do not occur in
// the protocol are replaced: they could be secrets.
func TestUnknownPathsAreCounted(t *testing.T) {
	w := newFixture(t, nil)
	observer := httpd.NewObserver(w.Logger, w.Now)
	planes := api.New(w.Core.Core, api.Config{Observer: observer})
	handler := planes.Handler(planes.NotFound())
	ask := func(path string) {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x"+path, nil))
		if rec.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
	secret := "jx9nTbVbHk1gMabcdefg"
	for range 3 {
		ask("/library/sections")
	}
	for _, path := range []string{
		"/library/metadata/12345", "/library/metadata/67890/children", "/x/" + secret, "/" + strings.Repeat("a", 300), "/status/%0Asessions",
		"/:/prefs?X-Plex-Token=" + secret, "/hunter",
	} {
		ask(path)
	}
	for i := range 300 {
		ask(strings.Repeat("/library", i%10+2) + strings.Repeat("/hubs", i/10%10+1))
	}
	rec := httptest.NewRecorder()
	observer.Metrics().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	text := rec.Body.String()
	for _, want := range []string{
		`{path="/library/sections"} 3`, `{path="/library/metadata/{}"} 1`, `{path="/library/metadata/{}/children"} 1`,
		`{path="/{}/{}"} 1`, `{path="/:/prefs"} 1`, `{path="/status/{}"} 1`, `{path="/{}"} 1`,
	} {
		if !strings.Contains(text, "usher_unknown_paths_total"+want+"\n") {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if n := strings.Count(text, "usher_unknown_paths_total{"); n > 101 {
		t.Errorf("%d paths are counted", n)
	}
	if strings.Contains(text, secret) || strings.Contains(text, "hunter") {
		t.Error("a secret is in the metrics")
	}
}

// A trailing slash is ignored: watchstate and others send one.
func TestSlashAtTheEnd(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signIn(t, "member")
	for path, want := range map[string]int{
		"/api/v2/user/": 200, "/api/resources/": 200, "/devices/": 200, "/devices/tv/sync_items/": 200, "/identity/": 200,
		"/api/v2/user//": 404, "/api/v2/nothing/": 404, "//": 404,
	} {
		if status, body := w.call(t, "GET", path, token, nil); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
}

// A segment that begins with a dot is a name like any other. The segments . and ..
// are not: a mux would answer them by a redirect, which repeats the query.
func TestDotsInPaths(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signIn(t, "member")
	for path, want := range map[string]int{
		"/servers/.den/sync_lists": 200, "/devices/..tv/sync_items": 200, "/servers/.../sync_lists": 200, "/servers/den./sync_lists": 200,
		"/users/.well-known/avatar": 404,
		"/servers/../sync_lists":    404, "/servers/./sync_lists": 404, "/api/v2/./user": 404, "/x/../api/v2/user": 404, "/api/v2/user/.": 404,
		"/servers/%2e%2e/sync_lists": 404, "/servers/den/..": 404, "/..": 404,
	} {
		if status, body := w.call(t, "GET", path+"?X-Plex-Token=secret", token, nil); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
}

// Tautulli checks whether its token is valid, and treats any status but 401 as a yes.
// Seerr sends another client identifier each time, which does not create a device.
func TestPing(t *testing.T) {
	w := newFixture(t, nil)
	token := w.signIn(t, "member")
	for tok, want := range map[plexauth.Secret]int{"": 200, token: 200, w.transient(t, token): 200, "00000000000000000000": 401} {
		if status, body := w.send(t, "GET", "/api/v2/ping", "random", tok, ""); status != want {
			t.Errorf("%d %s, want %d", status, body, want)
		}
	}
	list, err := paging.Rows(w.Devices.List(t.Context(), 2, paging.Request{}))
	if err != nil || len(list) != 1 {
		t.Errorf("there are %d devices, %v", len(list), err)
	}
}
