//go:build clients

package clients_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// ownTests are the tests of PlexAPI's tests/test_myplex.py, and whether own.py makes their
// assertions. The document explains why some are missing. JWT and removeFriend are
// additional tests.
var ownTests = map[string]bool{
	"accounts": true, "resources": true, "connect_to_resource": true, "devices": true, "device": true, "resource": true,
	"webhooks": true, "addwebhooks": true, "deletewebhooks": true, "optout": true, "onlineMediaSources_optOut": true,
	"claimToken": true, "viewStateSync": true, "pin": true, "geoip": true, "ping": true, "JWT": true,
	"users": true, "inviteFriend": true, "acceptInvite": true, "cancelInvite": true, "updateFriend": true, "removeFriend": true,
	"createHomeUser_remove": true, "createExistingUser": false, "plexpass_attributes": false, "watchlist": false, "searchDiscover": false,
}

// TestPlexAPIsOwnTests makes the assertions of PlexAPI's own tests against the binary. It
// checks that docs/clients.md names these tests.
func TestPlexAPIsOwnTests(t *testing.T) {
	binary, authority := buildUsher(t), newAuthority(t)
	server := startUsher(t, binary, authority)
	i := slices.IndexFunc(published, func(c client) bool { return c.slug == "plexapi-4.18.3" })
	c := published[i]
	c.script = "own.py"
	people := addCast(t, server, c)
	for _, title := range []string{"Films", "Shows"} {
		server.cli(t, "", "server", "section", "add", den.ID, title)
	}
	ran := make(map[string]bool)
	for line := range strings.Lines(string(printed(t, c, c.language.install(t, c), server, people, authority))) {
		var o outcome
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if ran[o.Operation] = true; !o.OK || !ownTests[o.Operation] {
			t.Errorf("%s: %s", o.Operation, o.Detail)
		}
	}
	text, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	for name, made := range ownTests {
		if made != ran[name] {
			t.Errorf("%s: whether it ran is %v, want %v", name, ran[name], made)
		}
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s does not name %s", documentPath, name)
		}
	}
}
